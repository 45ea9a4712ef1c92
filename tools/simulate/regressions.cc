#include "tools/simulate/regressions.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "tools/simulate/run_source.h"

namespace keelson::simulate {

Result<std::vector<Regression>> run_regressions(const std::string& folder) {
  std::vector<std::string> files;
  if (std::filesystem::is_directory(folder)) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.path().extension() == ".repro") files.push_back(entry.path().string());
    }
  }
  std::sort(files.begin(), files.end());
  std::vector<Regression> all;
  if (files.empty()) return all;
  WorkerPool one(1);
  WorkerPool other(1);
  for (const std::string& file : files) {
    TRY(Job job, find_run(file, std::nullopt));
    job.wants_choices = false;
    Regression regression{.file = file, .scenario = job.scenario};
    for (const auto& [stream, choices] : *job.fixed) regression.listed += choices.size();
    const Outcome outcome = run_one(one, job);
    regression.matched = outcome.matched;
    regression.failure = outcome.failure;
    regression.is_deterministic = outcome.digest == run_one(other, job).digest;
    all.push_back(std::move(regression));
  }
  return all;
}

}  // namespace keelson::simulate

#include "tools/simulate/run_source.h"

#include <fstream>
#include <sstream>
#include <utility>

#include "core/base/check.h"
#include "scenarios/catalogue.h"

namespace keelson::simulate {

Result<sim::Repro> read_repro(const std::string& path) {
  std::ifstream file(path);
  if (!file) return Error{ErrorCode::invalid_argument, "cannot read " + path};
  std::ostringstream text;
  text << file.rdbuf();
  auto repro = sim::parse_repro(text.str());
  if (!repro) return Error{ErrorCode::invalid_argument, path + ": " + repro.error().message};
  if (scenarios::find_scenario(repro->scenario) == nullptr) {
    return Error{ErrorCode::invalid_argument, path + ": no scenario '" + repro->scenario + "'"};
  }
  return repro;
}

Result<Job> find_run(const std::string& what, std::optional<std::uint64_t> seed) {
  if (seed) {
    if (scenarios::find_scenario(what) == nullptr) {
      return Error{ErrorCode::invalid_argument,
                   "there is no scenario '" + what + "'; see keelson-sim list"};
    }
    return Job{.scenario = what, .seed = *seed, .wants_choices = true};
  }
  if (scenarios::find_scenario(what) != nullptr) {
    return Error{ErrorCode::invalid_argument, "a scenario needs its --seed"};
  }
  TRY(auto repro, read_repro(what));
  return Job{.scenario = repro.scenario,
             .seed = repro.seed,
             .fixed = std::move(repro.choices),
             .wants_choices = true};
}

Outcome run_one(WorkerPool& pool, Job job) {
  pool.begin(0, std::move(job));
  std::optional<Outcome> done;
  while (!done) {
    (void)pool.wait(1000, [&](std::size_t, Outcome outcome) { done = std::move(outcome); });
  }
  return *std::move(done);
}

scenarios::RunLimits limits_beyond(const Outcome& failing) {
  CHECK(failing.failure.has_value());
  // It may fail later than the original, as benign choices can be slower ones: an early failure by
  // several times.
  return {.events = 2 * failing.events + 10'000,
          .time = {failing.failure->at_ns / 4 * 5 + 2'000'000'000}};
}

}  // namespace keelson::simulate

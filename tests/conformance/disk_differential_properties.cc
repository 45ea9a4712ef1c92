// What the real disk does is what the simulated one permits: one drawn sequence of operations, on
// this world's disk and on a healthy simulated one, must give the same results and the same files.
#include <gtest/gtest.h>

#include <algorithm>

#include "sim/choices.h"
#include "tests/conformance/disk_programs.h"

namespace keelson::conformance {
namespace {

// Performs drawn operations and writes down all that they return.
class DrawnSequence {
 public:
  DrawnSequence(Host& host, std::uint64_t seed)
      : host_(host), choices_(seed), draw_(choices_.stream("operations")) {}

  std::string run(int steps) {
    for (int step = 0; step < steps; ++step) {
      transcript_ += std::to_string(step) + " ";
      perform();
      transcript_ += "\n";
    }
    note_tree("");
    for (std::size_t i = 0; i < files_.size(); ++i) {
      transcript_ += "handle " + std::to_string(i) + ": " + content(*files_[i]) + "\n";
    }
    return std::move(transcript_);
  }

 private:
  void perform() {
    Disk& disk = host_.env.disk;
    switch (draw_.choose(14)) {
      case 0:
      case 1: return open(draw_path(), OpenMode::create);
      case 2: return open(draw_path(), OpenMode::existing);
      case 3: {
        const std::string from = draw_path();
        const std::string to = draw_path();
        transcript_ += "rename " + from + " " + to;
        return note(disk.rename(from, to, patience(host_)));
      }
      case 4: {
        const std::string path = draw_path();
        transcript_ += "remove " + path;
        return note(disk.remove(path, patience(host_)));
      }
      case 5: {
        const std::string path = draw_path();
        transcript_ += "create directory " + path;
        return note(disk.create_directory(path, patience(host_)));
      }
      case 6: {
        const std::string path = draw_.choose(3) == 0 ? "" : draw_path();
        transcript_ += "list \"" + path + "\"";
        const auto names = disk.list(path, patience(host_));
        note(names);
        if (names.has_value()) {
          for (const std::string& name : *names) transcript_ += " " + name;
        }
        return;
      }
      case 7: {
        const std::string path = draw_.choose(3) == 0 ? "" : draw_path();
        transcript_ += "sync directory \"" + path + "\"";
        return note(disk.sync_directory(path, patience(host_)));
      }
      default: return perform_on_file();
    }
  }

  void open(const std::string& path, OpenMode mode) {
    transcript_ += (mode == OpenMode::create ? "create " : "open ") + path;
    auto file = host_.env.disk.open(path, mode, patience(host_));
    note(file);
    if (!file.has_value()) return;
    if (files_.size() < 8) {
      files_.push_back(*std::move(file));
    } else {
      files_[draw_.choose(files_.size())] = *std::move(file);
    }
  }

  void perform_on_file() {
    if (files_.empty()) return;
    const std::size_t position = draw_.choose(files_.size());
    File& file = *files_[position];
    transcript_ += "#" + std::to_string(position) + " ";
    const std::uint64_t place = draw_.choose(6000);
    switch (draw_.choose(5)) {
      case 0:
      case 1: {
        const Bytes bytes = pattern(draw_.choose(1500), draw_.choose(1000));
        transcript_ += "write " + std::to_string(bytes.size()) + " at " + std::to_string(place);
        return note(file.pwrite(bytes, place, patience(host_)));
      }
      case 2:
        transcript_ += "truncate " + std::to_string(place);
        return note(file.truncate(place, patience(host_)));
      case 3:
        transcript_ += "sync";
        return note(file.sync(patience(host_)));
      default: {
        Bytes bytes(draw_.choose(3000), '?');
        const auto got = file.pread(bytes, place, patience(host_));
        note(got);
        transcript_ += "read " + std::to_string(got.has_value() ? *got : 0) + " " +
                       std::to_string(hash64(bytes)) + " of " + std::to_string(*file.size());
        return;
      }
    }
  }

  template <typename T>
  void note(const Result<T>& result) {
    transcript_ += result.has_value() ? " ok" : std::string(" ") + name_of(result.error().code);
  }

  static std::string name_of(ErrorCode code) {
    return "error " + std::to_string(static_cast<int>(code));
  }

  // Few names at few depths, so that operations meet; some that are no paths.
  std::string draw_path() {
    if (draw_.choose(40) == 0) return draw_.choose(2) == 0 ? "a/../b" : "LOCK";
    std::string path;
    for (std::uint64_t depth = 1 + draw_.choose(3); depth > 0; --depth) {
      if (!path.empty()) path += "/";
      path += static_cast<char>('a' + draw_.choose(4));
    }
    return path;
  }

  std::string content(File& file) {
    const Bytes bytes = read_at(host_, file, 0, *file.size());
    return std::to_string(bytes.size()) + " bytes, " + std::to_string(hash64(bytes));
  }

  void note_tree(const std::string& path) {
    for (const std::string& name : list(host_, path)) {
      const std::string inner = path.empty() ? name : path + "/" + name;
      auto file = host_.env.disk.open(inner, OpenMode::existing, patience(host_));
      if (file.has_value()) {
        transcript_ += inner + ": " + content(**file) + "\n";
      } else {
        transcript_ += inner + "/\n";
        note_tree(inner);
      }
    }
  }

  Host& host_;
  sim::Choices choices_;
  sim::ChoiceStream& draw_;
  std::vector<std::unique_ptr<File>> files_;
  std::string transcript_;
};

std::string transcript(ConformanceWorld& world, std::uint64_t seed) {
  std::string result;
  world.run({[&](Host& host) { result = DrawnSequence(host, seed).run(400); }});
  return result;
}

TEST_P(DiskConformance, AnySequenceOfOperationsGivesWhatAHealthySimulatedDiskGives) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const std::string expected = transcript(*make_calm_sim_world(1), seed);
    const std::string got = transcript(*GetParam().make(GetParam().seed), seed);
    const auto [here, there] = std::mismatch(got.begin(), got.end(), expected.begin(),
                                             expected.end());
    const auto from = [](const std::string& text, std::string::const_iterator at) {
      const std::size_t line = text.rfind('\n', static_cast<std::size_t>(at - text.begin()));
      return text.substr(line == std::string::npos ? 0 : line + 1, 160);
    };
    ASSERT_TRUE(got == expected) << "sequence " << seed << "\nthis world: " << from(got, here)
                                 << "\nsimulated: " << from(expected, there);
  }
}

// The sequences are worth something only if they do and fail to do enough.
TEST_P(DiskConformance, TheDrawnSequencesSucceedAndFailInEveryWay) {
  std::string all;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) all += transcript(*make_calm_sim_world(1), seed);
  for (const char* const operation :
       {"create ", "open ", "rename ", "remove ", "create directory ", "list ",
        "sync directory "}) {
    int succeeded = 0, failed = 0;
    for (std::size_t at = all.find(operation); at != std::string::npos;
         at = all.find(operation, at + 1)) {
      const std::string line = all.substr(at, all.find('\n', at) - at);
      (line.find(" error ") == std::string::npos ? succeeded : failed) += 1;
    }
    EXPECT_GT(succeeded, 20) << operation;
    EXPECT_GT(failed, 20) << operation;
  }
}

}  // namespace
}  // namespace keelson::conformance

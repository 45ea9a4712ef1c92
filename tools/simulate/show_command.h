// keelson-sim show: one run, as a diagram or in words, for a person.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace keelson::simulate {

struct ShowCommand {
  std::string what;  // The name of a scenario if a seed is given, else a .repro file.
  std::optional<std::uint64_t> seed;
  std::string out_file;
  std::string format = "html";  // Or "text", which goes to the standard output, or "perfetto".
  std::string cause_file;  // What keelson-sim cause has written; empty: none.
};

// Prints what was written and how the run ended. Exits 0 also when the run failed: showing it is
// what was asked for.
int show(const ShowCommand& command);

}  // namespace keelson::simulate

#include "tools/simulate/command.h"

#include <fmt/format.h>

#include <sstream>

#include "tools/simulate/summary.h"

namespace keelson::simulate {

int usage(const std::string& what) {
  fmt::print(stderr, "keelson-sim: {}\n", what);
  return static_cast<int>(ExitCode::usage);
}

std::int64_t parse_time(const std::string& text) {
  std::istringstream in(text);
  std::int64_t number = 0;
  std::string unit;
  in >> number >> unit;
  if (number <= 0) return 0;
  if (unit.empty() || unit == "s") return number * 1000;
  if (unit == "m") return number * 60'000;
  return 0;
}

}  // namespace keelson::simulate

// The space-time diagram of a recorded run: one HTML file that needs no network and no
// other file. diagram.html, .css and .js beside this header are its source, built into the program.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "tools/show/recording.h"

namespace keelson::show {

// How likely a run was to fail from a moment on, if it went on by chance: what `keelson-sim cause`
// has written. Errors of parsing: invalid_argument.
struct CausePoint {
  std::int64_t at = 0;
  double probability = 0;
  std::uint64_t runs = 0;
};
Result<std::vector<CausePoint>> parse_cause(std::string_view json);

// What the page reads: diagram.js says at its head what is where.
std::string to_json(const Recording& recording, const std::vector<CausePoint>& cause);
std::string to_page(const Recording& recording, const std::vector<CausePoint>& cause);

}  // namespace keelson::show

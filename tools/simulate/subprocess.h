// Other programs, run to their end.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace keelson::simulate {

// This program, as it was started.
inline constexpr const char* kThisProgram = "/proc/self/exe";

// What the program prints, or nothing if it cannot be run or prints nothing.
std::optional<std::string> output_of(const std::string& program,
                                     std::vector<std::string> arguments);

}  // namespace keelson::simulate

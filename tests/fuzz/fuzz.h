// What a fuzz target is: one function that takes any octets and comes back. It must not crash, and
// where the same octets can be taken in two ways, it demands that both say the same (CHECK).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

// The next line without its end, for targets whose input is made of lines.
inline std::string_view take_line(std::string_view& rest) {
  const std::size_t end = std::min(rest.find('\n'), rest.size());
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return line;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

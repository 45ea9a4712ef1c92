// Integers that do not mix: a Term is not a LogIndex, though both count from 0.
#pragma once

#include <compare>
#include <cstdint>

namespace keelson {

// `Tag` is any type, used only to keep one strong integer apart from another.
template <typename Tag>
struct StrongInt {
  std::uint64_t value = 0;

  constexpr StrongInt() = default;
  constexpr explicit StrongInt(std::uint64_t v) : value(v) {}

  constexpr auto operator<=>(const StrongInt&) const = default;

  constexpr StrongInt next() const { return StrongInt(value + 1); }
  // REQUIRES: value > 0.
  constexpr StrongInt previous() const { return StrongInt(value - 1); }
};

}  // namespace keelson

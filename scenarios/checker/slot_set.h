// SlotSet: a set of small numbers, one bit each. Operations that are pending at the same time have
// different slots; few histories need more than 64.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>

namespace keelson::checker {

template <std::size_t kWords>
class SlotSet {
 public:
  static constexpr std::size_t kSlots = 64 * kWords;

  bool contains(std::size_t slot) const { return (words_[slot / 64] >> (slot % 64) & 1) != 0; }
  void insert(std::size_t slot) { words_[slot / 64] |= std::uint64_t{1} << (slot % 64); }
  void erase(std::size_t slot) { words_[slot / 64] &= ~(std::uint64_t{1} << (slot % 64)); }

  bool is_subset_of(const SlotSet& other) const {
    for (std::size_t i = 0; i < kWords; ++i) {
      if ((words_[i] & ~other.words_[i]) != 0) return false;
    }
    return true;
  }

  SlotSet without(const SlotSet& other) const {
    SlotSet rest;
    for (std::size_t i = 0; i < kWords; ++i) rest.words_[i] = words_[i] & ~other.words_[i];
    return rest;
  }

  // The least member, or kSlots if there is none.
  std::size_t first() const {
    for (std::size_t i = 0; i < kWords; ++i) {
      if (words_[i] != 0) return 64 * i + static_cast<std::size_t>(std::countr_zero(words_[i]));
    }
    return kSlots;
  }

  // Calls `visit(slot)` for each, in ascending order. `visit` may change other sets, not this one.
  template <typename Visit>
  void for_each(const Visit& visit) const {
    for (std::size_t i = 0; i < kWords; ++i) {
      for (std::uint64_t left = words_[i]; left != 0; left &= left - 1) {
        visit(64 * i + static_cast<std::size_t>(std::countr_zero(left)));
      }
    }
  }

  auto operator<=>(const SlotSet&) const = default;

 private:
  std::array<std::uint64_t, kWords> words_{};
};

}  // namespace keelson::checker

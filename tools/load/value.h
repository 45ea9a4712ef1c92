// Values: what is put, and what a get must bring. They are made and compared piece by piece, so
// that none is ever held, however large it is.
//
//   value = number:16 hex  key:16 hex  text
//
// The number is of this value alone, as an engine may skip a write that changes nothing. The text
// is cut from one that repeats itself after a prime number of octets, beginning where the number
// says: a piece that is missing, comes twice or stands elsewhere does not fit. What has no room for
// all 32 digits has so many last digits of its number instead, and only its length is compared.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/base/bytes.h"

namespace keelson::load {

// The text that values are cut from.
class ValueText {
 public:
  explicit ValueText(std::uint64_t seed);

  // As much of `count` octets from `at` on as stands there in one piece.
  BytesView from(std::uint64_t at, std::size_t count) const;

 private:
  std::string text_;
};

// One value; a number and a reference, to be copied. The text outlives it.
class Value {
 public:
  Value() = default;
  Value(const ValueText& text, std::uint64_t number, std::uint64_t key, std::size_t size);

  std::size_t size() const { return size_; }
  // Appends `count` octets from `at` on. REQUIRES: it has them.
  void append_to(std::string& out, std::size_t at, std::size_t count) const;
  std::string whole() const;
  // Whether these octets stand in it from `at` on.
  bool has(std::size_t at, BytesView octets) const;

 private:
  BytesView piece(std::size_t at, std::size_t count) const;

  const ValueText* text_ = nullptr;
  std::string head_;
  std::uint64_t offset_ = 0;  // Of the text's beginning.
  std::size_t size_ = 0;
};

// Which values a get may bring: any that this run has put there.
struct Expected {
  const ValueText* text = nullptr;
  std::uint64_t key = 0;
  std::size_t size = 0;
};

// Holds a body against that as it comes.
class BodyCheck {
 public:
  explicit BodyCheck(const Expected& expected) : expected_(expected) {}

  void take(BytesView octets);
  // Whether all of it came, and was right.
  bool is_good() const { return !is_wrong_ && taken_ == expected_.size; }

 private:
  const Expected expected_;
  std::string head_;
  std::optional<Value> value_;  // As the head names it.
  std::size_t taken_ = 0;
  bool is_wrong_ = false;
};

}  // namespace keelson::load

// Tested by tests/tools/load_value_test.cc.
#include "tools/load/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/base/check.h"

namespace keelson::load {

namespace {

// A prime, so that the pieces which a server cuts a value into do not begin alike.
constexpr std::size_t kPeriod = 1'048'573;
constexpr std::size_t kDigits = 16;
constexpr std::size_t kHeadBytes = 2 * kDigits;

std::optional<std::uint64_t> hex(BytesView digits) {
  std::uint64_t number = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return number;
}

}  // namespace

ValueText::ValueText(std::uint64_t seed) {
  std::uint64_t random = seed * 2 + 1;
  text_.reserve(kPeriod);
  for (std::size_t i = 0; i < kPeriod; ++i) {
    random ^= random >> 12;
    random ^= random << 25;
    random ^= random >> 27;
    text_.push_back(static_cast<char>('0' + (random * 0x2545f4914f6cdd1d >> 58)));
  }
}

BytesView ValueText::from(std::uint64_t at, std::size_t count) const {
  return BytesView(text_).substr(at % kPeriod, count);
}

Value::Value(const ValueText& text, std::uint64_t number, std::uint64_t key, std::size_t size)
    : text_(&text),
      head_(fmt::format("{:016x}{:016x}", number, key)),
      offset_(number * 0x9e3779b97f4a7c15 >> 32),
      size_(size) {
  if (size >= kHeadBytes) return;
  const std::size_t digits = std::min(size, kDigits);
  head_ = head_.substr(kDigits - digits, digits);
}

BytesView Value::piece(std::size_t at, std::size_t count) const {
  if (at < head_.size()) return BytesView(head_).substr(at, count);
  return text_->from(offset_ + at, count);
}

void Value::append_to(std::string& out, std::size_t at, std::size_t count) const {
  CHECK(at <= size_ && count <= size_ - at);
  for (std::size_t done = 0; done < count;) {
    const BytesView octets = piece(at + done, count - done);
    out.append(octets);
    done += octets.size();
  }
}

std::string Value::whole() const {
  std::string octets;
  append_to(octets, 0, size_);
  return octets;
}

bool Value::has(std::size_t at, BytesView octets) const {
  if (at > size_ || octets.size() > size_ - at) return false;
  while (!octets.empty()) {
    const BytesView mine = piece(at, octets.size());
    if (!octets.starts_with(mine)) return false;
    octets.remove_prefix(mine.size());
    at += mine.size();
  }
  return true;
}

void BodyCheck::take(BytesView octets) {
  const std::size_t of_head = std::min(octets.size(), kHeadBytes - head_.size());
  head_.append(octets.substr(0, of_head));
  const bool names_its_key = expected_.size >= kHeadBytes;
  if (names_its_key && !value_ && head_.size() == kHeadBytes) {
    const auto number = hex(BytesView(head_).substr(0, kDigits));
    const auto key = hex(BytesView(head_).substr(kDigits));
    if (!number || key != expected_.key) {
      is_wrong_ = true;
    } else {
      value_.emplace(*expected_.text, *number, *key, expected_.size);
    }
  }
  if (value_ && !value_->has(taken_ + of_head, octets.substr(of_head))) is_wrong_ = true;
  taken_ += octets.size();
}

}  // namespace keelson::load

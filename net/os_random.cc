// Tested by tests/conformance/random_properties.cc and tests/net/os_random_test.cc.
#include "net/os_random.h"

#include <errno.h>
#include <sys/random.h>

#include <span>

#include "core/base/check.h"

namespace keelson {

namespace {

class OsRandomStream final : public Random {
 public:
  explicit OsRandomStream(OsRandom& source) : source_(source) {}

  std::uint64_t below(std::uint64_t bound) override {
    CHECK(bound > 0);
    return unbiased_below(bound, [this] { return source_.next(); });
  }

 private:
  OsRandom& source_;
};

}  // namespace

std::unique_ptr<Random> OsRandom::stream(std::string_view) {
  return std::make_unique<OsRandomStream>(*this);
}

Bytes OsRandom::identifier() {
  Bytes octets;
  append_u64(octets, next());
  append_u64(octets, next());
  return octets;
}

std::uint64_t OsRandom::next() {
  if (words_left_ == 0) refill();
  std::uint64_t& word = words_[--words_left_];
  const std::uint64_t drawn = word;
  word = 0;  // What was handed out is not kept.
  return drawn;
}

void OsRandom::refill() {
  std::span<std::byte> rest = std::as_writable_bytes(std::span(words_));
  while (!rest.empty()) {
    const ssize_t got = getrandom(rest.data(), rest.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    CHECK(got > 0);
    rest = rest.subspan(static_cast<std::size_t>(got));
  }
  words_left_ = words_.size();
}

}  // namespace keelson

// What the clients ask for: which keys, which values, how many reads.
#pragma once

#include <string>

#include "tools/load/session.h"
#include "tools/load/value.h"

namespace keelson::load {

struct Mix {
  std::uint64_t keys = 10'000;
  std::size_t value_bytes = 100;
  unsigned read_percent = 0;
  bool probes = false;  // Nothing but leader probes.
  std::uint64_t seed = 1;
};

class Workload {
 public:
  explicit Workload(const Mix& mix);

  // The next operation; its key is good until the next call, its value as long as this object.
  Operation next();
  // The put that makes key number `key` exist.
  Operation put(std::uint64_t key);

 private:
  std::uint64_t below(std::uint64_t bound);

  const Mix mix_;
  std::uint64_t random_;
  std::uint64_t puts_ = 0;
  const ValueText text_;
  std::string key_;
};

}  // namespace keelson::load

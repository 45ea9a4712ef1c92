// Counts each kind of fault when it is injected and again when it had an effect: a byte delayed, a
// write lost, a clock read that differed. Simulators lie quietly, and a fault without effect is
// how.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>

namespace keelson::sim {

class FaultLedger {
 public:
  struct Count {
    std::uint64_t injected = 0;
    std::uint64_t effective = 0;
  };

  // REQUIRES: `kind` is a string literal ("net.cut_one_way").
  void injected(std::string_view kind) { ++counts_[kind].injected; }
  void effective(std::string_view kind) { ++counts_[kind].effective; }

  const std::map<std::string_view, Count>& counts() const { return counts_; }

 private:
  std::map<std::string_view, Count> counts_;
};

}  // namespace keelson::sim

// The timestamps of a group's entries grow in the order of its log, across leaders.
#pragma once

#include <map>

#include "core/kv/hlc.h"
#include "core/raft/types.h"
#include "scenarios/report.h"
#include "sim/true_time.h"

namespace keelson::scenarios {

class StampCheck {
 public:
  // `report` outlives it.
  explicit StampCheck(Report& report) : report_(report) {}

  // An entry was applied somewhere; nobody applies one whose predecessor nobody has applied.
  void on_applied(GroupId group, const raft::Entry& entry, sim::TrueTime now);

  std::uint64_t seen() const { return seen_; }

 private:
  struct Last {
    raft::LogIndex index;
    kv::Timestamp at;
  };

  Report& report_;
  std::map<GroupId, Last> last_;
  std::uint64_t seen_ = 0;
};

}  // namespace keelson::scenarios

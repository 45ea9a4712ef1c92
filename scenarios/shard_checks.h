// ShardChecks: the steps of each move in the one order in which no key is ever served by two groups
// or lost, by the entries of the logs as they are first applied anywhere: the group that gives a
// range away has fenced it, with nobody's lock in it, before another owns it, and keeps the rows
// until the map says so.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "core/kv/command.h"
#include "core/raft/types.h"
#include "scenarios/report.h"
#include "sim/true_time.h"

namespace keelson::scenarios {

class ShardChecks {
 public:
  // `report` outlives it.
  explicit ShardChecks(Report& report) : report_(report) {}

  // An entry was applied somewhere; nobody applies one whose predecessor nobody has applied.
  void on_applied(GroupId group, const raft::Entry& entry, sim::TrueTime now);

  // Moves whose rows were dropped in the end.
  std::uint64_t ended() const { return ended_; }

 private:
  struct Move {
    std::optional<GroupId> fenced_by;
    kv::Timestamp fenced_at;
    std::optional<GroupId> received_by;
    std::optional<GroupId> owned_by;
    bool is_switched = false;
  };
  struct Step {
    GroupId group;
    kv::Timestamp at;
    sim::TrueTime now;
  };

  void take(const Step& step, const kv::FenceRange& fence);
  void take(const Step& step, const kv::ReceiveRows& receive);
  void take(const Step& step, const kv::OwnRange& own);
  void take(const Step& step, const kv::DropRange& drop);
  void take(const Step& step, const kv::ChangeShards& change);
  template <typename Other>
  void take(const Step&, const Other&) {}
  void demand(bool holds, const Step& step, std::uint64_t move, const std::string& what);

  Report& report_;
  std::map<GroupId, raft::LogIndex> applied_;
  std::map<std::uint64_t, Move> moves_;
  std::uint64_t ended_ = 0;
};

}  // namespace keelson::scenarios

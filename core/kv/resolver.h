// Resolver: what becomes of transactions over several groups that their coordinators do not finish
// themselves: because they have died, or because somebody is faster.
//
// A lock names the transaction's primary. What is decided there is carried out in the lock's group;
// if nothing is decided and the lock's time is over, it is decided to roll back. That is asked by
// whoever meets a lock, and, for what nobody meets, by the leader of each group from time to time:
// it resolves locks that have expired, tells the groups of decided transactions what was decided,
// forgets the decisions that no group can ask for any more, and drops old versions.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "core/kv/command.h"
#include "core/runtime/env.h"
#include "core/runtime/task_group.h"

namespace keelson::kv {

class Coordinator;

// For metrics.
struct TransactionCounts {
  std::uint64_t resolved = 0;      // Locks of transactions that somebody else had begun.
  std::uint64_t rolled_back = 0;   // Of these.
  std::uint64_t looked_after = 0;  // Decisions carried out by a leader.
};

class Resolver {
 public:
  // The references outlive this object.
  Resolver(Env& env, Coordinator& coordinator);

  void start();
  void stop();

  // Removes the transaction's locks from the group, if it is decided or its time is over; false:
  // it may yet be committed. May suspend. Errors: timed_out, unavailable: look again.
  Result<bool> resolve(GroupId group, const Lock& lock, Deadline deadline);

  // Tells the groups, and then has the primary, if one is given, forget the decision; on a fiber of
  // its own. When too many do that already, it is left to those who look after it.
  void finish_later(const Bytes& transaction, Timestamp committed_at, std::vector<GroupId> groups,
                    std::optional<GroupId> primary);

  TransactionCounts counts() const { return counts_; }

 private:
  Result<CommandResult> decision_about(const Lock& lock, Deadline deadline);
  bool finish(const Bytes& transaction, Timestamp committed_at, const std::vector<GroupId>& groups,
              Deadline deadline);
  void look_after_loop();
  void look_after_locks(GroupId group);
  void look_after_records(GroupId group);
  void collect_garbage(GroupId group);

  Env& env_;
  Coordinator& coordinator_;
  TransactionCounts counts_;
  std::map<GroupId, Bytes> collected_to_;
  TaskGroup finishing_;
  TaskGroup fibers_;
};

}  // namespace keelson::kv

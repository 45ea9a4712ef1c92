// GroupCommit: the commit of one transaction over several groups (core/kv/transaction.h says how
// and why).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/kv/command.h"
#include "core/runtime/clock.h"

namespace keelson::kv {

class Coordinator;

struct CommitOutcome {
  enum class Kind { committed, aborted, unknown };
  Kind kind = Kind::aborted;
  Timestamp at = {};  // Where it stands among the others, if it was committed.
  std::string why = {};  // Otherwise.
};

class GroupCommit {
 public:
  // What it needs of one group.
  struct Part {
    std::vector<Condition> conditions;
    std::vector<Mutation> mutations;
  };

  // `coordinator` outlives it. `id` is the transaction's identifier.
  GroupCommit(Coordinator& coordinator, Bytes id) : coordinator_(coordinator), id_(std::move(id)) {}
  GroupCommit(const GroupCommit&) = delete;
  GroupCommit& operator=(const GroupCommit&) = delete;

  std::map<GroupId, Part> parts;
  // The transaction's snapshot, if it has read.
  std::optional<Timestamp> begun;

  // Suspends. REQUIRES: at least one part has conditions or mutations, and this was not called
  // before.
  CommitOutcome run(Deadline deadline);

  // Why it was aborted, if for one of these: a condition, by its group and its number in that part;
  // a group that does not have all the keys of its part any more.
  const std::optional<std::pair<GroupId, std::size_t>>& failed_condition() const {
    return failed_condition_;
  }
  bool has_moved() const { return has_moved_; }

 private:
  // All prepared: the greatest of their times, and the primary's.
  struct Prepared {
    Timestamp last;
    Timestamp primary;
  };
  Result<Prepared> prepare_all(GroupId primary, Deadline deadline);
  Result<Timestamp> judge(GroupId group, const CommandResult& result);
  CommitOutcome decide(GroupId primary, const Prepared& prepared, Deadline deadline);
  CommitOutcome give_up(std::string why);
  std::vector<GroupId> groups() const;

  Coordinator& coordinator_;
  const Bytes id_;
  std::optional<std::pair<GroupId, std::size_t>> failed_condition_;
  bool has_moved_ = false;
};

}  // namespace keelson::kv

// Tested by tests/core/node/transaction_test.cc and every scenario.
#include "core/kv/timestamps.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace keelson::kv {

Timestamps::Timestamps(Env& env, const TimestampsOptions& options, const raft::RaftNode& raft,
                       CeilingSource& source)
    : env_(env), options_(options), raft_(raft), source_(source), clock_(env.clock, options.ahead),
      renewed_(env.scheduler) {}

bool Timestamps::may_stamp(GroupId group) const {
  const raft::Raft& core = raft_.core(group);
  if (core.role() != raft::Role::leader) return false;
  const auto began = began_in_.find(group);
  return began != began_in_.end() && began->second == core.current_term();
}

std::optional<Stamp> Timestamps::stamp(GroupId group, Timestamp at_least) {
  if (!may_stamp(group) || at_least >= clock_.ceiling()) return std::nullopt;
  clock_.observe(at_least);
  const std::optional<Timestamp> at = clock_.next();
  if (!at) return std::nullopt;
  CHECK(*at > at_least && *at <= clock_.ceiling());
  const auto reader = last_reader_.find(group);
  const bool has_readers = reader != last_reader_.end() &&
                           env_.clock.now() - reader->second < options_.kept_after_reader;
  const Stamp stamp{.at = *at, .safe_point = has_readers ? *at - options_.kept : *at};
  CHECK(stamp.safe_point <= stamp.at);
  return stamp;
}

Result<void> Timestamps::prepare(GroupId group, Timestamp at_least, Deadline deadline) {
  while (true) {
    if (raft_.core(group).role() != raft::Role::leader) {
      return Error{ErrorCode::not_leader, fmt::format("not leader of {}", to_string(group))};
    }
    const Timestamp needed = std::max(at_least, clock_.now());
    if (may_stamp(group) && needed < clock_.ceiling()) return {};
    SOMETIMES(env_.marks, "kv: a stamp waited for a ceiling");
    if (const auto done = renew(needed, deadline); !done) {
      return Error{ErrorCode::unavailable, "no timestamps: " + done.error().message};
    }
  }
}

Result<void> Timestamps::renew(Timestamp at_least, Deadline deadline) {
  if (is_renewing_) {
    if (renewed_.wait(deadline)) return {};
    return Error{ErrorCode::unavailable, "the ceiling was not raised in time"};
  }
  // However this ends, another may go on.
  struct Turn {
    explicit Turn(Timestamps& owner) : timestamps(owner) { timestamps.is_renewing_ = true; }
    ~Turn() {
      timestamps.is_renewing_ = false;
      timestamps.renewed_.notify_all();
    }
    Timestamps& timestamps;
  } turn(*this);

  std::map<GroupId, raft::Term> begins;
  for (const GroupId group : raft_.groups()) {
    const raft::Raft& core = raft_.core(group);
    if (core.role() == raft::Role::leader && !may_stamp(group)) {
      begins.emplace(group, core.current_term());
    }
  }
  // Not for long: others wait for this, and whoever needs it still asks again.
  const Deadline turn_ends = std::min(deadline, Deadline::in(env_.clock, options_.ahead / 4));
  TRY(const CeilingReply reply,
      source_.raise_ceiling({.at_least = at_least, .begins_to_lead = !begins.empty()}, turn_ends));
  clock_.raise_ceiling(reply.ceiling);
  // Only what began to lead before the request is sure to be after all who led before.
  if (!begins.empty()) clock_.observe(reply.previous);
  for (const auto& [group, term] : begins) began_in_[group] = term;
  return {};
}

void Timestamps::renew_if_leading(Deadline deadline) {
  const std::vector<GroupId> groups = raft_.groups();
  const bool leads = std::any_of(groups.begin(), groups.end(), [this](GroupId group) {
    return raft_.core(group).role() == raft::Role::leader;
  });
  if (leads) (void)renew(clock_.now(), deadline);
}

RaiseCeiling Timestamps::proposal(Timestamp at_least) const {
  const Duration step = options_.ahead / 8;
  return {.at_least = std::max(timestamp_of(env_.clock.wall_ms()) + options_.ahead,
                               at_least + step),
          .step = step};
}

bool Timestamps::is_high_enough(Timestamp ceiling, Timestamp at_least) const {
  const Timestamp wall = timestamp_of(env_.clock.wall_ms());
  return ceiling >= wall + options_.ahead / 2 && ceiling >= at_least + options_.ahead / 8;
}

}  // namespace keelson::kv

// What a coordinator does as the leader of a group: stamps, proposes, reads, and gets past the
// locks of transactions. Tested by tests/core/node/coordinator_test.cc and transaction_test.cc.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/kv/coordinator.h"

namespace keelson::kv {

namespace {

// How long somebody who meets the lock of a transaction that may yet commit waits at first.
constexpr Duration kLockPatience = std::chrono::milliseconds(2);
constexpr Duration kLockPatienceMax = std::chrono::milliseconds(50);
// What a Prepare waits for; then its transaction gives up, so that two cannot wait for each other.
constexpr int kLocksMetByPrepare = 4;

// Who asked knows an older shard map than the group.
Error has_moved(GroupId group) {
  return {ErrorCode::conflict,
          fmt::format("{} does not serve all of it any more", to_string(group))};
}

}  // namespace

Result<Answer> Coordinator::work_here(GroupId group, const Work& work, Deadline deadline) {
  return std::visit([&](const auto& one) { return work_on(group, one, deadline); }, work);
}

// The stamp is drawn in the step that appends: nothing suspends between the two, so the log's order
// and the order of timestamps are one.
Result<Bytes> Coordinator::propose_stamped(GroupId group, Bytes entry, Timestamp at_least,
                                           Deadline deadline) {
  std::optional<Stamp> stamp = timestamps_.stamp(group, at_least);
  while (!stamp) {
    TRY(timestamps_.prepare(group, at_least, deadline));
    stamp = timestamps_.stamp(group, at_least);
  }
  set_stamp(entry, *stamp);
  return raft_.propose(group, std::move(entry), deadline);
}

Result<Answer> Coordinator::work_on(GroupId group, const Batch& batch, Deadline deadline) {
  while (true) {
    TRY(const Bytes bytes, propose_stamped(group, encode_command(batch), {}, deadline));
    BatchResult result = decode_batch_result(bytes);
    if (result.outcome) return Answer(*result.outcome);
    if (result.has_moved) return has_moved(group);
    if (!result.lock) {
      return Error{ErrorCode::unavailable, fmt::format("{}: a stamp went back", to_string(group))};
    }
    TRY(get_past(group, *result.lock, deadline));
  }
}

Result<Answer> Coordinator::work_on(GroupId group, const CommandRequest& request,
                                    Deadline deadline) {
  if (!decode_command(request.entry)) {
    return Error{ErrorCode::invalid_argument, "no command of this version"};
  }
  for (int locks_met = 1;; ++locks_met) {
    TRY(const Bytes bytes, propose_stamped(group, request.entry, request.at_least, deadline));
    auto result = decode_command_result(bytes);
    CHECK(result.has_value());  // This node has applied it.
    if (result->status == CommandResult::Status::rejected) {
      return Error{ErrorCode::unavailable, fmt::format("{}: a stamp went back", to_string(group))};
    }
    if (result->status != CommandResult::Status::locked || locks_met == kLocksMetByPrepare) {
      return Answer(*std::move(result));
    }
    const auto is_gone = resolver_.resolve(group, *result->lock, deadline);
    if (!is_gone || !*is_gone) env_.scheduler.sleep_for(kLockPatience * locks_met);
  }
}

// --- reading ---

Result<Answer> Coordinator::work_on(GroupId group, const ReadRequest& asked, Deadline deadline) {
  ReadRequest request = asked;
  if (request.at) {
    TRY(request, begin_read(group, std::move(request), deadline));
  }
  // What is stamped from here on is after the snapshot; what was stamped before must be there.
  const raft::LogIndex stamped_before = raft_.core(group).last_log_index();
  while (true) {
    TRY(raft_.linearizable_read(group, deadline));
    if (request.at) TRY(raft_.wait_until_applied(group, stamped_before, deadline));
    auto outcome = state_.read(group, request);
    if (!outcome && outcome.error().code == ErrorCode::conflict) return outcome.error();
    if (!outcome) raft_.end_with_damaged_state(outcome.error());
    if (outcome->reply) return Answer(*std::move(outcome->reply));
    if (!outcome->lock) return has_moved(group);
    TRY(get_past(group, *outcome->lock, deadline));
  }
}

// Chooses the snapshot, if the reader has none yet.
Result<ReadRequest> Coordinator::begin_read(GroupId group, ReadRequest request,
                                            Deadline deadline) {
  timestamps_.note_reader(group);
  std::optional<Stamp> stamp = timestamps_.stamp(group, *request.at);
  while (!stamp) {
    TRY(timestamps_.prepare(group, *request.at, deadline));
    stamp = timestamps_.stamp(group, *request.at);
  }
  if (*request.at == Timestamp()) request.at = stamp->at;
  CHECK(*request.at <= stamp->at);
  return request;
}

// Its errors say that nothing happened: what met the lock was refused.
Result<void> Coordinator::get_past(GroupId group, const Lock& lock, Deadline deadline) {
  Duration patience = kLockPatience;
  while (true) {
    const auto is_gone = resolver_.resolve(group, lock, deadline);
    if (is_gone && *is_gone) return {};
    SOMETIMES(env_.marks, "kv: waited for a lock");
    if (env_.clock.now() + patience >= deadline.at) {
      return Error{ErrorCode::unavailable, fmt::format("{}: locked", to_string(group))};
    }
    env_.scheduler.sleep_for(patience);
    if (!leads(group)) {
      return Error{ErrorCode::not_leader, fmt::format("not leader of {}", to_string(group))};
    }
    patience = std::min(2 * patience, kLockPatienceMax);
  }
}

// --- the ceiling ---

Result<Answer> Coordinator::work_on(GroupId group, const CeilingRequest& request,
                                    Deadline deadline) {
  if (group != default_group()) return Error{ErrorCode::invalid_argument, "no ceiling is here"};
  if (!request.begins_to_lead) {
    TRY(raft_.linearizable_read(group, deadline));
    const Timestamp ceiling = state_.memory(group).clock.ceiling;
    if (timestamps_.is_high_enough(ceiling, request.at_least)) {
      return Answer(CeilingReply{.previous = ceiling, .ceiling = ceiling});
    }
  }
  TRY(const Bytes bytes,
      raft_.propose(group, encode_command(Command(timestamps_.proposal(request.at_least))),
                    deadline));
  const auto result = decode_command_result(bytes);
  CHECK(result.has_value() && result->status == CommandResult::Status::done);
  return Answer(CeilingReply{.previous = result->previous, .ceiling = result->at});
}

void Coordinator::renew_loop() {
  const Duration interval = timestamps_.ahead() / 3;
  while (true) {
    timestamps_.renew_if_leading(Deadline::in(env_.clock, interval));
    env_.scheduler.sleep_for(interval);
  }
}

}  // namespace keelson::kv

// Tested by tests/core/node/coordinator_test.cc.
#include "core/kv/coordinator.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/kv/batch.h"

namespace keelson::kv {

namespace {

// A forwarded request is one hop from its client's node, and goes no further.
constexpr std::uint32_t kHopsMax = 1;

bool outcome_is_unknown(ErrorCode code) {
  return code == ErrorCode::timed_out || code == ErrorCode::connection_lost;
}

std::size_t size_of(const Batch& batch) {
  std::size_t size = batch.token.size();
  for (const Condition& condition : batch.conditions) size += condition.key.size();
  for (const Mutation& mutation : batch.mutations) {
    size += mutation.key.size() + (mutation.value ? mutation.value->size() : 0);
  }
  return size;
}

}  // namespace

Coordinator::Coordinator(Env& env, CoordinatorOptions options, raft::RaftNode& raft,
                         PeerCaller& peers, StateStore& state)
    : env_(env), options_(std::move(options)), raft_(raft), peers_(peers), state_(state) {
  CHECK(!options_.groups.empty());
  CHECK(std::is_sorted(options_.groups.begin(), options_.groups.end()));
}

GroupId Coordinator::group_of(BytesView route) const {
  return options_.groups[hash64(route) % options_.groups.size()];
}

// --- Store ---

Result<BatchOutcome> Coordinator::execute(BytesView route, Batch batch, Deadline deadline) {
  if (const std::size_t size = size_of(batch); size > options_.batch_bytes_max) {
    return Error{ErrorCode::invalid_argument,
                 fmt::format("batch of {} bytes, {} are allowed", size, options_.batch_bytes_max)};
  }
  TRY(Answer answer, work_with_retries(route, std::move(batch), deadline));
  return std::get<BatchOutcome>(answer);
}

Result<GetReply> Coordinator::get(BytesView route, std::vector<Bytes> keys, Deadline deadline) {
  TRY(Answer answer, work_with_retries(route, GetRequest{std::move(keys)}, deadline));
  return std::get<GetReply>(std::move(answer));
}

Result<Coordinator::Answer> Coordinator::work_with_retries(BytesView route, const Work& work,
                                                           Deadline deadline) {
  const GroupId group = group_of(route);
  const Batch* const batch = std::get_if<Batch>(&work);
  const bool may_repeat = batch == nullptr || !batch->token.empty();
  bool may_have_happened = false;
  while (true) {
    auto answer = try_once(group, route, work, deadline);
    if (answer) return answer;
    Error error = std::move(answer).error();
    if (outcome_is_unknown(error.code)) {
      may_have_happened = may_have_happened || batch != nullptr;
      if (!may_repeat) return Error{ErrorCode::timed_out, std::move(error.message)};
      SOMETIMES(env_.marks, "kv: repeated after an unknown outcome");
    } else if (error.code != ErrorCode::not_leader && error.code != ErrorCode::unavailable) {
      // A later refusal says nothing about what an earlier attempt may have done.
      if (may_have_happened) return Error{ErrorCode::timed_out, std::move(error.message)};
      return error;
    }
    if (env_.clock.now() + options_.retry_interval >= deadline.at) {
      return Error{may_have_happened ? ErrorCode::timed_out : ErrorCode::unavailable,
                   std::move(error.message)};
    }
    // Whatever ends the wait, the next attempt looks again.
    (void)raft_.wait_for_leader_change(group, Deadline::in(env_.clock, options_.retry_interval));
  }
}

Result<Coordinator::Answer> Coordinator::try_once(GroupId group, BytesView route, const Work& work,
                                                  Deadline deadline) {
  const raft::Raft& core = raft_.core(group);
  if (core.role() == raft::Role::leader) return work_here(group, work, deadline);
  const auto leader = core.leader();
  if (!leader || *leader == options_.self) {
    return Error{ErrorCode::unavailable, fmt::format("{} has no leader", to_string(group))};
  }
  return forward(*leader, group, route, work, deadline);
}

Result<Coordinator::Answer> Coordinator::work_here(GroupId group, const Work& work,
                                                   Deadline deadline) {
  if (const Batch* const batch = std::get_if<Batch>(&work)) {
    TRY(const Bytes outcome, raft_.propose(group, encode(*batch), deadline));
    return Answer(decode_outcome(outcome));
  }
  TRY(raft_.linearizable_read(group, deadline));
  auto values = state_.get(group, std::get<GetRequest>(work).keys);
  if (!values) raft_.end_with_damaged_state(values.error());
  return Answer(*std::move(values));
}

// --- forwarding ---

Result<Coordinator::Answer> Coordinator::forward(NodeId leader, GroupId group, BytesView route,
                                                 const Work& work, Deadline deadline) {
  const ForwardRequest request{.request_id = next_request_id_++,
                               .group = group,
                               .route = Bytes(route),
                               .remaining = deadline.at - env_.clock.now(),
                               .hops = 1,
                               .work = work};
  TRY(const Bytes bytes, peers_.call(leader, to_bytes(request), deadline));
  SOMETIMES(env_.marks, "kv: forwarded to the leader");
  auto reply = forward_reply_from_bytes(bytes);
  if (!reply || reply->request_id != request.request_id) {
    return Error{ErrorCode::timed_out, fmt::format("{} gave no usable reply", to_string(leader))};
  }
  if (auto* const error = std::get_if<Error>(&reply->result)) return std::move(*error);
  if (auto* const outcome = std::get_if<BatchOutcome>(&reply->result)) return Answer(*outcome);
  return Answer(std::get<GetReply>(std::move(reply->result)));
}

Bytes Coordinator::serve_forwarded(BytesView bytes) {
  ForwardReply reply;
  auto request = forward_request_from_bytes(bytes);
  if (!request) {
    reply.result = std::move(request).error();
    return to_bytes(reply);
  }
  reply.request_id = request->request_id;
  const bool is_known = std::binary_search(options_.groups.begin(), options_.groups.end(),
                                           request->group);
  if (!is_known || request->hops > kHopsMax || group_of(request->route) != request->group) {
    reply.result = Error{ErrorCode::invalid_argument, "not routed as this node routes"};
    return to_bytes(reply);
  }
  const Deadline deadline = Deadline::in(env_.clock, request->remaining);
  auto answer = work_here(request->group, request->work, deadline);
  if (!answer) {
    SOMETIMES(env_.marks, "kv: forwarded request refused");
    reply.result = std::move(answer).error();
  } else if (auto* const outcome = std::get_if<BatchOutcome>(&*answer)) {
    reply.result = *outcome;
  } else {
    reply.result = std::get<GetReply>(*std::move(answer));
  }
  const raft::Raft& core = raft_.core(request->group);
  reply.term = core.current_term();
  reply.leader = core.leader();
  return to_bytes(reply);
}

// --- Leadership ---

bool Coordinator::is_leader() const {
  // A leader that hands over is one no more for those who ask.
  return raft_.core(default_group()).role() == raft::Role::leader &&
         !raft_.is_transferring(default_group());
}

Result<void> Coordinator::verify_leader(Deadline deadline) {
  if (draining_) return Error{ErrorCode::not_leader, "draining"};
  const auto confirmed = raft_.confirm_leadership(default_group(), deadline);
  if (!confirmed) return confirmed.error();
  // The answer is used after a suspension: what was confirmed may be over.
  if (draining_ || !is_leader()) return Error{ErrorCode::not_leader, "no longer leader"};
  return {};
}

std::optional<NodeId> Coordinator::leader_hint() const {
  return raft_.core(default_group()).leader();
}

raft::Term Coordinator::term() const { return raft_.core(default_group()).current_term(); }

bool Coordinator::is_ready() const {
  if (draining_) return false;
  for (const GroupId group : options_.groups) {
    const raft::Raft& core = raft_.core(group);
    if (!core.leader()) return false;
    if (core.commit_index().value - raft_.last_applied(group).value > options_.ready_lag_max) {
      return false;
    }
  }
  return true;
}

void Coordinator::begin_drain() {
  if (draining_) return;
  draining_ = true;
  env_.log.event("kv", "draining: probes are red");
}

}  // namespace keelson::kv

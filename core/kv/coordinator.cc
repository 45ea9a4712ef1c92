// Finding the leader, and asking it. What the leader does: leader_work.cc. Tested by
// tests/core/node/coordinator_test.cc.
#include "core/kv/coordinator.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/check.h"

namespace keelson::kv {

namespace {

// A forwarded request is one hop from its client's node, and goes no further.
constexpr std::uint32_t kHopsMax = 1;

bool outcome_is_unknown(ErrorCode code) {
  return code == ErrorCode::timed_out || code == ErrorCode::connection_lost;
}

// Of a command that is not a batch: what it says of itself beside the rows it carries.
constexpr std::size_t kCommandOverheadMax = 64 << 10;

Result<void> check_size(const Batch& batch, std::size_t allowed) {
  std::size_t size = batch.token.size();
  for (const Condition& condition : batch.conditions) {
    size += condition.key.size() + condition.end.size();
  }
  for (const Mutation& mutation : batch.mutations) {
    size += mutation.key.size() + (mutation.value ? mutation.value->size() : 0);
  }
  if (size <= allowed) return {};
  return Error{ErrorCode::invalid_argument,
               fmt::format("batch of {} bytes, {} are allowed", size, allowed)};
}

// Whether the work changes anything, and may then be done twice with the effect of once.
bool changes_something(const Work& work) {
  return std::holds_alternative<Batch>(work) || std::holds_alternative<CommandRequest>(work);
}
bool may_be_repeated(const Work& work) {
  const Batch* const batch = std::get_if<Batch>(&work);
  return batch == nullptr || !batch->token.empty();
}

Error unavailable_because(Error error) {
  return {ErrorCode::unavailable, std::move(error.message)};
}

}  // namespace

Coordinator::Coordinator(Env& env, CoordinatorOptions options, raft::RaftNode& raft,
                         PeerCaller& peers, StateStore& state)
    : env_(env), options_(std::move(options)), raft_(raft), peers_(peers), state_(state),
      timestamps_(env, options_.timestamps, raft, *this), resolver_(env, *this),
      shard_mover_(env, *this, raft), initial_shards_(ShardMap::initial(options_.groups)),
      fibers_(env.scheduler) {
  CHECK(!options_.groups.empty());
  CHECK(std::is_sorted(options_.groups.begin(), options_.groups.end()));
}

void Coordinator::start() {
  fibers_.spawn("ceiling", [this] { renew_loop(); });
  resolver_.start();
  shard_mover_.start();
}

void Coordinator::stop() {
  shard_mover_.stop();
  resolver_.stop();
  fibers_.stop();
}

bool Coordinator::leads(GroupId group) const {
  return raft_.core(group).role() == raft::Role::leader;
}

// --- Store ---

Result<BatchOutcome> Coordinator::execute(Batch batch, Deadline deadline) {
  TRY(check_size(batch, options_.batch_bytes_max));
  const Work work(std::move(batch));
  while (true) {
    const Batch& whole = std::get<Batch>(work);
    Result<BatchOutcome> outcome(BatchOutcome{});
    if (const auto group = only_group_of(whole)) {
      auto answer = work_with_retries(*group, work, deadline);
      if (answer) return std::get<BatchOutcome>(*answer);
      outcome = std::move(answer).error();
    } else {
      outcome = execute_across(whole, deadline);
    }
    if (outcome || outcome.error().code != ErrorCode::conflict) return outcome;
    if (!wait_for_shards(deadline)) return unavailable_because(outcome.error());
  }
}

Result<std::vector<std::optional<VersionedValue>>> Coordinator::get(std::vector<Bytes> keys,
                                                                    Deadline deadline) {
  const Work work(ReadRequest{.keys = std::move(keys)});
  while (true) {
    const std::vector<Bytes>& all = std::get<ReadRequest>(work).keys;
    Result<std::vector<std::optional<VersionedValue>>> values(
        std::vector<std::optional<VersionedValue>>{});
    if (const auto group = only_group_of(all)) {
      auto answer = work_with_retries(*group, work, deadline);
      if (answer) return std::get<ReadReply>(*std::move(answer)).values;
      values = std::move(answer).error();
    } else {
      values = get_across(all, deadline);
    }
    if (values || values.error().code != ErrorCode::conflict) return values;
    if (!wait_for_shards(deadline)) return unavailable_because(values.error());
  }
}

Result<ScanReply> Coordinator::scan(ScanRequest request, Deadline deadline) {
  CHECK(request.rows_limit > 0 && (request.to.empty() || request.from < request.to));
  CHECK(!request.folding || !request.folding->delimiter.empty());
  while (true) {
    auto reply = scan_all(request, deadline);
    if (reply || reply.error().code != ErrorCode::conflict) return reply;
    if (!wait_for_shards(deadline)) return unavailable_because(reply.error());
  }
}

// After a conflict: mostly a group knew of a move before this node did. False when there is no time
// for another try.
bool Coordinator::wait_for_shards(Deadline deadline) {
  SOMETIMES(env_.marks, "kv: looked again where a key is");
  if (env_.clock.now() + options_.retry_interval >= deadline.at) return false;
  env_.scheduler.sleep_for(options_.retry_interval);
  return true;
}

// --- shards ---

const ShardMap& Coordinator::shards() const {
  const ShardMap& known = state_.memory(default_group()).shards;
  return known.version() == 0 ? initial_shards_ : known;
}

Result<void> Coordinator::change_shards(const ShardChange& change, std::uint64_t version,
                                        Deadline deadline) {
  ShardMap next = shards();
  if (next.version() != version) {
    return Error{ErrorCode::conflict, fmt::format("the shard map has version {}, not {}",
                                                  next.version(), version)};
  }
  if (version == 0 && !std::holds_alternative<FoundShards>(change)) {
    return Error{ErrorCode::unavailable,
                 "the shard map is not written down yet: that needs every member of the default "
                 "group, of a version that knows shards"};
  }
  TRY(next.apply(change));
  if (const auto* const move = std::get_if<MoveShard>(&change);
      move != nullptr && std::find(options_.groups.begin(), options_.groups.end(), move->to) ==
                             options_.groups.end()) {
    return Error{ErrorCode::invalid_argument, fmt::format("there is no {}", to_string(move->to))};
  }
  TRY(const CommandResult result,
      command_in(default_group(), ChangeShards{.version = version, .change = change}, {},
                 deadline));
  if (result.status == CommandResult::Status::done) return {};
  return Error{ErrorCode::conflict, "the shard map is another one by now"};
}

// --- of one group ---

Result<BatchOutcome> Coordinator::execute_in(GroupId group, Batch batch, Deadline deadline) {
  TRY(check_size(batch, options_.batch_bytes_max));
  TRY(Answer answer, work_with_retries(group, std::move(batch), deadline));
  return std::get<BatchOutcome>(answer);
}

Result<ReadReply> Coordinator::read_in(GroupId group, ReadRequest request, Deadline deadline) {
  TRY(Answer answer, work_with_retries(group, std::move(request), deadline));
  return std::get<ReadReply>(std::move(answer));
}

Result<CommandResult> Coordinator::command_in(GroupId group, const Command& command,
                                              Timestamp at_least, Deadline deadline) {
  CommandRequest request{.entry = encode_command(command), .at_least = at_least};
  if (request.entry.size() > options_.batch_bytes_max + kCommandOverheadMax) {
    return Error{ErrorCode::unavailable, "larger than is allowed"};
  }
  TRY(Answer answer, work_with_retries(group, std::move(request), deadline));
  return std::get<CommandResult>(std::move(answer));
}

Result<CeilingReply> Coordinator::raise_ceiling(const CeilingRequest& request, Deadline deadline) {
  TRY(Answer answer, work_with_retries(default_group(), request, deadline));
  return std::get<CeilingReply>(answer);
}

// --- finding the leader ---

Result<Answer> Coordinator::work_with_retries(GroupId group, const Work& work,
                                              Deadline deadline) {
  bool may_have_happened = false;
  while (true) {
    auto answer = try_once(group, work, deadline);
    if (answer) return answer;
    Error error = std::move(answer).error();
    if (outcome_is_unknown(error.code)) {
      may_have_happened = may_have_happened || changes_something(work);
      if (!may_be_repeated(work)) return Error{ErrorCode::timed_out, std::move(error.message)};
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

Result<Answer> Coordinator::try_once(GroupId group, const Work& work, Deadline deadline) {
  if (leads(group)) return work_here(group, work, deadline);
  const auto leader = raft_.core(group).leader();
  if (!leader || *leader == options_.self) {
    return Error{ErrorCode::unavailable, fmt::format("{} has no leader", to_string(group))};
  }
  return forward(*leader, group, work, deadline);
}

Result<Answer> Coordinator::forward(NodeId leader, GroupId group, const Work& work,
                                    Deadline deadline) {
  Circuit& circuit = circuits_[group];
  const raft::Term term = raft_.core(group).current_term();
  if (circuit.leader != leader || circuit.term != term) circuit = {.leader = leader, .term = term};
  if (circuit.open_until > env_.clock.now()) {
    SOMETIMES(env_.marks, "kv: a leader that does not answer was not asked");
    ++counts_.refused_by_open_circuit;
    return Error{ErrorCode::unavailable, fmt::format("{} does not answer", to_string(leader))};
  }
  const ForwardRequest request{.request_id = next_request_id_++,
                               .group = group,
                               .remaining = deadline.at - env_.clock.now(),
                               .hops = 1,
                               .now = timestamps_.now(),
                               .work = work};
  ++counts_.forwarded;
  auto bytes = peers_.call(leader, to_bytes(request), deadline);
  // Another call may have learned of a newer leader meanwhile.
  const bool is_the_same = circuit.leader == leader && circuit.term == term;
  if (!bytes) {
    ++counts_.forwards_failed;
    if (is_the_same && ++circuit.failures >= options_.failures_to_open) {
      circuit.failures = 0;
      circuit.open_until = env_.clock.now() + options_.open_for;
    }
    return std::move(bytes).error();
  }
  if (is_the_same) circuit.failures = 0;
  SOMETIMES(env_.marks, "kv: forwarded to the leader");
  auto reply = forward_reply_from_bytes(*bytes);
  if (!reply || reply->request_id != request.request_id ||
      (reply->result && reply->result->index() != work.index())) {
    return Error{ErrorCode::timed_out, fmt::format("{} gave no usable reply", to_string(leader))};
  }
  timestamps_.observe(reply->now);
  return std::move(reply->result);
}

// Whether the group still has the keys, the group knows best.
bool Coordinator::is_for_this_node(const ForwardRequest& request) const {
  return request.hops <= kHopsMax &&
         std::binary_search(options_.groups.begin(), options_.groups.end(), request.group);
}

Bytes Coordinator::serve_forwarded(BytesView bytes) {
  ForwardReply reply;
  auto request = forward_request_from_bytes(bytes);
  if (!request) {
    reply.result = std::move(request).error();
    return to_bytes(reply);
  }
  ++counts_.served;
  reply.request_id = request->request_id;
  timestamps_.observe(request->now);
  if (!is_for_this_node(*request)) {
    reply.result = Error{ErrorCode::invalid_argument, "not for this node"};
    return to_bytes(reply);
  }
  reply.result = work_here(request->group, request->work,
                           Deadline::in(env_.clock, request->remaining));
  if (!reply.result) SOMETIMES(env_.marks, "kv: forwarded request refused");
  const raft::Raft& core = raft_.core(request->group);
  reply.now = timestamps_.now();
  reply.term = core.current_term();
  reply.leader = core.leader();
  return to_bytes(reply);
}

// --- Leadership ---

bool Coordinator::is_leader() const { return is_leader_of(default_group()); }

// A leader that hands over is one no more for those who ask.
bool Coordinator::is_leader_of(GroupId group) const {
  return leads(group) && !raft_.is_transferring(group);
}

Result<void> Coordinator::verify_leader(Deadline deadline) {
  return verify_leader_of(default_group(), deadline);
}

Result<void> Coordinator::verify_leader_of(GroupId group, Deadline deadline) {
  if (draining_) return Error{ErrorCode::not_leader, "draining"};
  const auto confirmed = raft_.confirm_leadership(group, deadline);
  if (!confirmed) return confirmed.error();
  // The answer is used after a suspension: what was confirmed may be over.
  if (draining_ || !is_leader_of(group)) {
    return Error{ErrorCode::not_leader, "no longer leader"};
  }
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

bool Coordinator::is_leader_for_key(BytesView key) const { return is_leader_of(group_of(key)); }

Result<void> Coordinator::verify_leader_for_key(BytesView key, Deadline deadline) {
  return verify_leader_of(group_of(key), deadline);
}

std::optional<NodeId> Coordinator::leader_hint_for_key(BytesView key) const {
  return raft_.core(group_of(key)).leader();
}

void Coordinator::begin_drain() {
  if (draining_) return;
  draining_ = true;
  env_.log.event("kv", "draining: probes are red");
}

}  // namespace keelson::kv

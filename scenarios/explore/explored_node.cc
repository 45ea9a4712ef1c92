// Tested by tests/scenarios/explore/explored_cluster_test.cc.
#include "scenarios/explore/explored_node.h"

#include <fmt/format.h>

#include <utility>

#include "core/base/check.h"

namespace keelson::scenarios {

namespace {

// Replaces what there is from the first of `entries` on.
void overwrite(std::vector<raft::Entry>& log, const std::vector<raft::Entry>& entries) {
  if (entries.empty()) return;
  CHECK(entries.front().index.value <= log.size() + 1);
  log.erase(log.begin() + static_cast<std::ptrdiff_t>(entries.front().index.value - 1), log.end());
  log.insert(log.end(), entries.begin(), entries.end());
}

std::vector<std::uint64_t> hashes_of_prefixes(const std::vector<raft::Entry>& log) {
  std::vector<std::uint64_t> hashes;
  hashes.reserve(log.size());
  for (const raft::Entry& entry : log) {
    hashes.push_back(hash_of_prefix(hashes.empty() ? 0 : hashes.back(), entry));
  }
  return hashes;
}

void append_entries(Bytes& out, const std::vector<raft::Entry>& entries) {
  append_u64(out, entries.size());
  for (const raft::Entry& entry : entries) {
    append_u64(out, entry.term.value);
    append_u64(out, entry.index.value);
    append_u64(out, hash64(entry.data, static_cast<std::uint64_t>(entry.kind)));
  }
}

void append_hard_state(Bytes& out, const raft::HardState& state) {
  append_u64(out, state.current_term.value);
  append_u64(out, state.voted_for ? state.voted_for->value : 0);
}

}  // namespace

ExploredNode::ExploredNode(const NodeMaterial& material, NodeId id)
    : material_(&material), id_(id) {
  CHECK(material.random != nullptr && material.marks != nullptr);
  CHECK(material.options.lease == Duration::zero());  // Clocks are not to be trusted here.
  observed_.node = id;
  start();
}

void ExploredNode::start() {
  raft::Options options = material_->options;
  options.id = id_;
  // A node that is added later is told of the members by the log.
  raft::Configuration founders = material_->founders;
  if (!founders.find(id_)) founders = {};
  core_.emplace(options,
                raft::Recovered{.hard_state = hard_state_,
                                .start = {},
                                .log = durable_log_,
                                .state = {.index = {}, .term = {}, .configuration = founders}},
                *material_->random, *material_->marks, now_);
  log_ = durable_log_;
  after_input();
}

void ExploredNode::step(NodeId from, const raft::Message& message) {
  core_->step(from, message, now_);
  after_input();
}

bool ExploredNode::has_timer() const { return core_->next_deadline() < Deadline::never().at; }

void ExploredNode::timeout() {
  CHECK(has_timer());
  now_ = core_->next_deadline();
  core_->tick(now_);
  after_input();
}

void ExploredNode::propose(const Bytes& command) {
  (void)core_->propose(command, now_);
  after_input();
}

void ExploredNode::propose_members(const std::map<NodeId, raft::Member>& members) {
  (void)core_->propose_configuration(members, now_);
  after_input();
}

std::optional<raft::ReadToken> ExploredNode::probe() {
  const auto token = core_->read_index(now_);
  after_input();
  return token;
}

void ExploredNode::complete_write() {
  finish_write();
  after_input();
}

void ExploredNode::crash_and_restart() {
  writes_.clear();
  observed_.applied = observed_.applied_prefix = 0;
  start();
  effects_.commit_before = raft::LogIndex(0);
  effects_.is_restart = true;
}

ExploredNode::Effects ExploredNode::effects() {
  Effects effects = std::exchange(effects_, {});
  effects_.commit_before = core_->commit_index();
  return effects;
}

// Carries out what the core asks for.
void ExploredNode::after_input() {
  while (core_->has_ready()) {
    raft::Ready ready = core_->take_ready();
    CHECK(!ready.log_restart && ready.snapshot_chunks.empty() && ready.snapshots_wanted.empty());
    for (raft::Outgoing& message : ready.messages) effects_.sent.push_back(std::move(message));
    overwrite(log_, ready.entries);
    if (ready.write) {
      writes_.push_back({.id = *ready.write,
                         .hard_state = ready.hard_state,
                         .entries = std::move(ready.entries),
                         .after_sync = std::move(ready.after_sync)});
    }
    for (raft::Entry& entry : ready.committed) effects_.applied.push_back(std::move(entry));
    for (const raft::ReadResult& read : ready.reads) effects_.reads.push_back(read);
    while (!material_->disks_are_slow && has_write()) finish_write();
  }
  pass_time();
  observe();
}

void ExploredNode::finish_write() {
  CHECK(has_write());
  Write write = std::move(writes_.front());
  writes_.erase(writes_.begin());
  if (write.hard_state) hard_state_ = *write.hard_state;
  overwrite(durable_log_, write.entries);
  core_->persisted(write.id, now_);
  for (raft::Outgoing& message : write.after_sync) effects_.sent.push_back(std::move(message));
}

void ExploredNode::pass_time() {
  if (leads()) return;
  const Instant almost{core_->next_deadline().ns - 1};
  if (!has_timer()) {
    now_ = now_ + material_->options.election_timeout;  // Its patience ends without a timer, too.
  } else if (now_ < almost) {
    now_ = almost;
  }
}

void ExploredNode::observe() {
  observed_.durable = hard_state_;
  observed_.log = hashes_of_prefixes(log_);
  observed_.durable_log = hashes_of_prefixes(durable_log_);
  observed_.terms.clear();
  for (const raft::Entry& entry : log_) observed_.terms.push_back(entry.term);
  observed_.commit_index = core_->commit_index();
  observed_.term = core_->current_term();
}

void ExploredNode::note_applied(const raft::Entry& entry) {
  observed_.applied = entry.index.value;
  observed_.applied_prefix = hash_of_prefix(observed_.applied_prefix, entry);
}

raft::Configuration ExploredNode::configuration() const {
  for (std::size_t i = log_.size(); i > 0; --i) {
    if (!is_configuration(log_[i - 1].kind)) continue;
    auto decoded = raft::decode_configuration(log_[i - 1].data);
    CHECK(decoded.has_value());
    return *std::move(decoded);
  }
  return material_->founders;
}

std::uint64_t ExploredNode::hash() const {
  Bytes bytes;
  bytes.reserve(512);
  core_->append_state(bytes, now_);
  append_hard_state(bytes, hard_state_);
  append_entries(bytes, durable_log_);
  append_u64(bytes, writes_.size());
  for (const Write& write : writes_) {
    append_u64(bytes, write.hard_state ? 1 : 0);
    if (write.hard_state) append_hard_state(bytes, *write.hard_state);
    append_entries(bytes, write.entries);
    append_u64(bytes, write.after_sync.size());
    for (const raft::Outgoing& message : write.after_sync) {
      append_u64(bytes, message.to.value);
      encode(message.message, bytes);
    }
  }
  return hash64(bytes, id_.value);
}

std::string ExploredNode::describe() const {
  std::string text = fmt::format("{}: {} of term {}, log", to_string(id_),
                                 name_of(core_->role()), core_->current_term().value);
  for (const raft::Entry& entry : log_) text += fmt::format(" {}", entry.term.value);
  text += fmt::format(", committed {}", core_->commit_index().value);
  if (has_write()) text += fmt::format(", {} writes under way", writes_.size());
  return text;
}

}  // namespace keelson::scenarios

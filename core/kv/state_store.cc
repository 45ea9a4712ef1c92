// Applying and reading. Tested by tests/core/kv/state_store_test.cc.
#include "core/kv/state_store.h"

#include <utility>

#include "core/kv/command.h"
#include "core/kv/state_digest.h"
#include "core/kv/state_parts.h"
#include "core/raft/messages.h"

namespace keelson::kv {

// One call of apply(): what it changes is in memory, and in the database with the next save().
class StateStore::Application {
 public:
  explicit Application(Parts& parts) : parts_(parts) {}

  Result<Bytes> apply(GroupId id, const raft::Entry& entry) {
    GroupState& group = group_of(id);
    CHECK(entry.index == group.label.index.next());
    CHECK(entry.term >= group.label.term);
    group.label.index = entry.index;
    group.label.term = entry.term;
    group.is_saved = false;
    FieldDigest digest(group.digest);
    digest.add(entry.index.value);
    group.digest = digest.value();
    switch (entry.kind) {
      case raft::EntryKind::no_op: return Bytes();
      case raft::EntryKind::configuration:
      case raft::EntryKind::joint_configuration: {
        auto configuration = raft::decode_configuration(entry.data);
        CHECK(configuration.has_value());  // Consensus has acted on it already.
        group.configuration = raft::encode(*configuration);
        group.label.configuration = *std::move(configuration);
        return Bytes();
      }
      case raft::EntryKind::command: break;
    }
    return apply_command(group, entry.data);
  }

 private:
  GroupState& group_of(GroupId id) {
    const auto found = parts_.groups_.find(id);
    if (found != parts_.groups_.end()) return found->second;
    GroupState& made =
        parts_.groups_.emplace(id, parts_.options_.tokens_remembered).first->second;
    made.configuration = raft::encode(raft::Configuration{});
    made.store = parts_.next_store_++;
    return made;
  }

  Result<Bytes> apply_command(GroupState& group, BytesView data) {
    FieldDigest digest(group.digest);
    digest.add(data);
    auto stamped = decode_command(data);
    Bytes result;
    if (!stamped) {
      // A version before or after this one proposed it. It is the same nothing for every node.
      SOMETIMES(parts_.env_.marks, "kv: an entry that is no command");
      result = encode(CommandResult{});
    } else {
      StoreRows rows(parts_, group.store);
      GroupMachine machine(rows, group.memory, parts_.env_.marks);
      const bool is_taken = machine.take_stamp(*stamped);
      if (!is_taken) SOMETIMES(parts_.env_.marks, "kv: a stamp that went back");
      if (Batch* const batch = std::get_if<Batch>(&stamped->command)) {
        BatchResult done;
        if (is_taken) {
          TRY(done, apply_batch(group, machine, stamped->stamp, *batch));
        }
        result = encode(done);
      } else {
        CommandResult done;
        if (is_taken) {
          TRY(done, machine.apply(stamped->stamp, stamped->command));
        }
        result = encode(done);
      }
    }
    digest.add(BytesView(result));
    group.digest = digest.value();
    return result;
  }

  Result<BatchResult> apply_batch(GroupState& group, GroupMachine& machine, const Stamp& stamp,
                                  Batch& batch) {
    TRY(std::optional<BatchOutcome> before, remembered(group, batch.token));
    if (before) {
      SOMETIMES(parts_.env_.marks, "kv: retried token answered from memory");
      return BatchResult{.outcome = *before};
    }
    TRY(BatchResult result, machine.apply(stamp, batch));
    if (result.outcome && !batch.token.empty()) {
      remember(group, std::move(batch.token), *result.outcome);
    }
    return result;
  }

  // The first outcome of a batch whose token is remembered.
  Result<std::optional<BatchOutcome>> remembered(const GroupState& group, const Bytes& token) {
    if (token.empty()) return std::optional<BatchOutcome>();
    for (const std::uint64_t number : group.tokens.find(TokenIndex::hash_of(token))) {
      TRY(const auto outcome, parts_.find_outcome(group.store, number, token));
      if (outcome) return outcome;
    }
    return std::optional<BatchOutcome>();
  }

  // The oldest token makes room, by its place in the ring: age is the order of the log, so all
  // nodes forget the same one.
  void remember(GroupState& group, Bytes token, const BatchOutcome& outcome) {
    CHECK(!token.empty());
    const std::uint64_t number = group.tokens.next();
    group.tokens.add(TokenIndex::hash_of(token), number);
    parts_.unsaved_.put_token(
        group.store, {number, std::move(token), encode(BatchResult{.outcome = outcome})});
  }

  Parts& parts_;
};

StateStore::StateStore(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

StateStore::~StateStore() = default;

Result<std::vector<Bytes>> StateStore::apply(const std::vector<raft::Committed>& entries) {
  // First, so that nothing is applied when there is no space.
  TRY(parts_->make_room());
  const FiberLock::Hold applying(parts_->apply_lock_);
  if (parts_->write_lock_.is_held()) {
    SOMETIMES(parts_->env_.marks, "kv: applied while the state was saved");
  }
  std::vector<Bytes> results;
  results.reserve(entries.size());
  Application application(*parts_);
  for (const raft::Committed& committed : entries) {
    TRY(Bytes result, application.apply(committed.group, committed.entry));
    results.push_back(std::move(result));
  }
  return results;
}

// --- reading ---

raft::StateLabel StateStore::label(GroupId group) const {
  const GroupState* const found = parts_->find(group);
  return found == nullptr ? raft::StateLabel{} : found->label;
}

std::uint64_t StateStore::digest(GroupId group) const {
  const GroupState* const found = parts_->find(group);
  return found == nullptr ? 0 : found->digest;
}

std::uint64_t StateStore::tokens_remembered(GroupId group) const {
  const GroupState* const found = parts_->find(group);
  return found == nullptr ? 0 : found->tokens.count();
}

StateStoreSizes StateStore::sizes() const {
  const auto size = [](const Result<std::uint64_t>& result) { return result ? *result : 0; };
  return {.database_bytes = size(parts_->files_->database_size()),
          .wal_bytes = size(parts_->files_->wal_size()),
          .open_snapshots = parts_->open_snapshots_};
}

Result<ReadOutcome> StateStore::read(GroupId group, const ReadRequest& request) {
  const FiberLock::Hold reading(parts_->apply_lock_);
  const GroupState* const found = parts_->find(group);
  // Nothing is applied while the lock is held: what is read one by one is one moment.
  StoreRows rows(*parts_, found == nullptr ? 0 : found->store);
  return kv::read(rows, memory(group), request);
}

Result<std::vector<Row>> StateStore::scan(GroupId group, BytesView from, BytesView to,
                                          std::size_t limit) {
  const FiberLock::Hold reading(parts_->apply_lock_);
  const GroupState* const found = parts_->find(group);
  if (found == nullptr) return std::vector<Row>();
  return parts_->scan(found->store, from, to, limit);
}

const GroupMemory& StateStore::memory(GroupId group) const {
  const GroupState* const found = parts_->find(group);
  return found == nullptr ? parts_->nothing_ : found->memory;
}

Result<std::uint64_t> StateStore::content_digest(GroupId group) {
  const FiberLock::Hold writing(parts_->write_lock_);
  const FiberLock::Hold applying(parts_->apply_lock_);
  TRY(parts_->save_everything());
  const GroupState* const found = parts_->find(group);
  FieldDigest digest(0);
  if (found == nullptr) return digest.value();
  SqliteStatement& walk = parts_->walk_content_;
  walk.bind(1, found->store);
  while (true) {
    TRY(const bool is_row, walk.step());
    if (!is_row) break;
    digest.add(walk.bytes(0));
    digest.add(walk.bytes(2));
    digest.add(walk.integer(1));
  }
  walk.reset();
  TRY(parts_->walk_tokens(found->store, found->tokens.next(),
                          [&](std::uint64_t, BytesView token, BytesView outcome) {
                            digest.add(token);
                            digest.add(*decode_batch_result(outcome).outcome);
                          }));
  return digest.value();
}

}  // namespace keelson::kv

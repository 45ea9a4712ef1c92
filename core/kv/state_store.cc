// Applying and reading. Tested by tests/core/kv/state_store_test.cc.
#include "core/kv/state_store.h"

#include <utility>

#include "core/kv/batch.h"
#include "core/kv/state_digest.h"
#include "core/kv/state_parts.h"
#include "core/raft/messages.h"

namespace keelson::kv {

Bytes encode(const BatchOutcome& outcome) {
  Bytes bytes(1, outcome.applied ? '\1' : '\0');
  append_u32(bytes, static_cast<std::uint32_t>(outcome.failed_condition));
  append_u64(bytes, outcome.version);
  return bytes;
}

BatchOutcome decode_outcome(BytesView bytes) {
  CHECK(bytes.size() == 13);
  return {.applied = bytes[0] != '\0',
          .failed_condition = read_u32(bytes.substr(1)),
          .version = read_u64(bytes.substr(5))};
}

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
    auto batch = decode_batch(entry.data);
    if (!batch) {
      // A version before or after this one proposed it. It is the same nothing for every node.
      SOMETIMES(parts_.env_.marks, "kv: an entry that is no batch");
      return encode(BatchOutcome{});
    }
    TRY(const BatchOutcome outcome, apply(group, *batch));
    return encode(outcome);
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

  Result<BatchOutcome> apply(GroupState& group, Batch& batch) {
    FieldDigest digest(group.digest);
    digest.add(batch);
    TRY(std::optional<BatchOutcome> outcome, remembered(group, batch.token));
    if (outcome) {
      SOMETIMES(parts_.env_.marks, "kv: retried token answered from memory");
    } else {
      TRY(outcome, decide_and_mutate(group, batch));
      if (!batch.token.empty()) remember(group, std::move(batch.token), *outcome);
    }
    CHECK(outcome->version <= group.label.index.value);
    digest.add(*outcome);
    group.digest = digest.value();
    return *outcome;
  }

  Result<BatchOutcome> decide_and_mutate(const GroupState& group, Batch& batch) {
    for (std::size_t i = 0; i < batch.conditions.size(); ++i) {
      TRY(const bool holds, this->holds(group, batch.conditions[i]));
      if (!holds) {
        SOMETIMES(parts_.env_.marks, "kv: condition failed");
        return BatchOutcome{.applied = false, .failed_condition = i, .version = 0};
      }
    }
    const std::uint64_t version = group.label.index.value;
    for (Mutation& mutation : batch.mutations) {
      std::optional<VersionedValue> value;
      if (mutation.value) value = VersionedValue{*std::move(mutation.value), version};
      parts_.versions_.forget(group.store, mutation.key);
      parts_.unsaved_.put(group.store, mutation.key, std::move(value));
    }
    return BatchOutcome{.applied = true, .failed_condition = 0, .version = version};
  }

  Result<bool> holds(const GroupState& group, const Condition& condition) {
    std::optional<std::uint64_t> version;
    if (const auto* const unsaved = parts_.find_unsaved(group.store, condition.key)) {
      if (*unsaved) version = (*unsaved)->version;
    } else {
      TRY(version, parts_.find_version(group.store, condition.key));
    }
    switch (condition.kind) {
      case Condition::Kind::exists: return version.has_value();
      case Condition::Kind::absent: return !version.has_value();
      case Condition::Kind::version_is: return version == condition.version;
    }
    CHECK(false);  // decode_batch() lets no other kind through.
    return false;
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
    parts_.unsaved_.put_token(group.store, {number, std::move(token), encode(outcome)});
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

Result<std::vector<std::optional<VersionedValue>>> StateStore::get(GroupId group,
                                                                   const std::vector<Bytes>& keys) {
  const FiberLock::Hold reading(parts_->apply_lock_);
  std::vector<std::optional<VersionedValue>> values;
  values.reserve(keys.size());
  const GroupState* const found = parts_->find(group);
  // Nothing is applied while the lock is held: what is read one by one is one moment.
  for (const Bytes& key : keys) {
    std::optional<VersionedValue> value;
    const auto* const unsaved =
        found == nullptr ? nullptr : parts_->find_unsaved(found->store, key);
    if (unsaved != nullptr) {
      value = *unsaved;
    } else if (found != nullptr) {
      TRY(value, parts_->find_value(found->store, key));
    }
    values.push_back(std::move(value));
  }
  return values;
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
                            digest.add(decode_outcome(outcome));
                          }));
  return digest.value();
}

}  // namespace keelson::kv

// Applying and reading. Tested by tests/core/kv/state_store_test.cc.
#include "core/kv/state_store.h"

#include <algorithm>
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

namespace {

// What a group is going to be when the transaction commits.
struct Ahead {
  std::uint64_t store = 0;
  raft::LogIndex index;
  raft::Term term;
  std::uint64_t digest = 0;
  std::optional<raft::Configuration> configuration;  // If an entry changes it.
};

}  // namespace

// One call of apply(): tokens are remembered at once and taken back on failure, all else is put
// into memory after the commit.
class StateStore::Application {
 public:
  explicit Application(Parts& parts) : parts_(parts) {}

  Result<std::vector<Bytes>> run(const std::vector<raft::Committed>& entries) {
    std::vector<Bytes> results;
    results.reserve(entries.size());
    std::optional<std::uint64_t> swept;
    const auto done = parts_.in_transaction([&]() -> Result<void> {
      for (const raft::Committed& committed : entries) {
        TRY(Bytes result, apply(committed.group, committed.entry));
        results.push_back(std::move(result));
      }
      TRY(swept, parts_.sweep(Parts::kSweptByApply));
      return save_groups();
    });
    if (!done) {
      take_tokens_back();
      return done.error();
    }
    parts_.forget_garbage(swept);
    advance_groups();
    CHECK(results.size() == entries.size());
    return results;
  }

 private:
  struct Remembered {
    GroupState* group;
    std::uint64_t number;
    std::uint64_t forgotten;
  };

  GroupState& group_of(GroupId id) {
    const auto found = parts_.groups_.find(id);
    if (found != parts_.groups_.end()) return found->second;
    GroupState& made =
        parts_.groups_.emplace(id, parts_.options_.tokens_remembered).first->second;
    made.configuration = raft::encode(raft::Configuration{});
    made.store = parts_.next_store_++;
    return made;
  }

  Result<Bytes> apply(GroupId id, const raft::Entry& entry) {
    GroupState& group = group_of(id);
    const auto [found, is_first] = ahead_.try_emplace(id);
    Ahead& ahead = found->second;
    if (is_first) {
      ahead = {.store = group.store, .index = group.label.index, .term = group.label.term,
               .digest = group.digest, .configuration = std::nullopt};
    }
    CHECK(entry.index == ahead.index.next());
    CHECK(entry.term >= ahead.term);
    ahead.index = entry.index;
    ahead.term = entry.term;
    FieldDigest digest(ahead.digest);
    digest.add(entry.index.value);
    ahead.digest = digest.value();
    switch (entry.kind) {
      case raft::EntryKind::no_op: return Bytes();
      case raft::EntryKind::configuration: {
        auto configuration = raft::decode_configuration(entry.data);
        CHECK(configuration.has_value());  // Consensus has acted on it already.
        ahead.configuration = *std::move(configuration);
        return Bytes();
      }
      case raft::EntryKind::command: break;
    }
    const auto batch = decode_batch(entry.data);
    if (!batch) {
      // A version before or after this one proposed it. It is the same nothing for every node.
      SOMETIMES(parts_.env_.marks, "kv: an entry that is no batch");
      return encode(BatchOutcome{});
    }
    TRY(const BatchOutcome outcome, apply(group, ahead, *batch));
    return encode(outcome);
  }

  Result<BatchOutcome> apply(GroupState& group, Ahead& ahead, const Batch& batch) {
    TRY(std::optional<BatchOutcome> outcome, remembered(group, batch.token));
    if (outcome) {
      SOMETIMES(parts_.env_.marks, "kv: retried token answered from memory");
    } else {
      TRY(outcome, decide_and_mutate(ahead, batch));
      if (!batch.token.empty()) TRY(remember(group, batch.token, *outcome));
    }
    CHECK(outcome->version <= ahead.index.value);
    FieldDigest digest(ahead.digest);
    digest.add(batch);
    digest.add(*outcome);
    ahead.digest = digest.value();
    return *outcome;
  }

  Result<BatchOutcome> decide_and_mutate(const Ahead& ahead, const Batch& batch) {
    for (std::size_t i = 0; i < batch.conditions.size(); ++i) {
      TRY(const bool holds, this->holds(ahead, batch.conditions[i]));
      if (!holds) {
        SOMETIMES(parts_.env_.marks, "kv: condition failed");
        return BatchOutcome{.applied = false, .failed_condition = i, .version = 0};
      }
    }
    for (const Mutation& mutation : batch.mutations) {
      if (mutation.value) {
        TRY(parts_.put(ahead.store, mutation.key, ahead.index.value, *mutation.value));
      } else {
        TRY(parts_.remove_.bind(1, ahead.store).bind(2, BytesView(mutation.key)).run());
      }
    }
    return BatchOutcome{.applied = true, .failed_condition = 0, .version = ahead.index.value};
  }

  Result<bool> holds(const Ahead& ahead, const Condition& condition) {
    TRY(const std::optional<std::uint64_t> version,
        parts_.find_version(ahead.store, condition.key));
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
      SqliteStatement& find = parts_.find_token_;
      find.bind(1, group.store).bind(2, number % parts_.options_.tokens_remembered);
      TRY(const bool is_row, find.step());
      CHECK(is_row);
      std::optional<BatchOutcome> outcome;
      if (find.bytes(0) == token) outcome = decode_outcome(find.bytes(1));
      find.reset();
      if (outcome) return outcome;
    }
    return std::optional<BatchOutcome>();
  }

  // The oldest token makes room, by its place in the ring: age is the order of the log, so all
  // nodes forget the same one.
  Result<void> remember(GroupState& group, const Bytes& token, const BatchOutcome& outcome) {
    CHECK(!token.empty());
    const std::uint64_t number = group.tokens.next();
    const std::uint64_t forgotten = group.tokens.add(TokenIndex::hash_of(token), number);
    remembered_.push_back({&group, number, forgotten});
    return parts_.put_token(group.store, number, token, encode(outcome));
  }

  void take_tokens_back() {
    for (auto it = remembered_.rbegin(); it != remembered_.rend(); ++it) {
      it->group->tokens.take_back(it->number, it->forgotten);
    }
  }

  Result<void> save_groups() {
    for (auto& [id, ahead] : ahead_) {
      const GroupState& group = parts_.groups_.at(id);
      TRY(parts_.save_group(
          id, ahead.store, ahead.index, ahead.term,
          ahead.configuration ? raft::encode(*ahead.configuration) : group.configuration,
          ahead.digest, group.tokens.next()));
    }
    return {};
  }

  void advance_groups() {
    for (auto& [id, ahead] : ahead_) {
      GroupState& group = parts_.groups_.at(id);
      CHECK(group.store == ahead.store && group.label.index < ahead.index);
      group.label.index = ahead.index;
      group.label.term = ahead.term;
      group.digest = ahead.digest;
      if (!ahead.configuration) continue;
      group.configuration = raft::encode(*ahead.configuration);
      group.label.configuration = *std::move(ahead.configuration);
    }
  }

  Parts& parts_;
  std::map<GroupId, Ahead> ahead_;
  std::vector<Remembered> remembered_;
};

StateStore::StateStore(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

StateStore::~StateStore() = default;

Result<std::vector<Bytes>> StateStore::apply(const std::vector<raft::Committed>& entries) {
  const FiberLock::Hold hold(parts_->main_lock_);
  return Application(*parts_).run(entries);
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
  const FiberLock::Hold hold(parts_->main_lock_);
  std::vector<std::optional<VersionedValue>> values;
  values.reserve(keys.size());
  const GroupState* const found = parts_->find(group);
  // Nobody else writes while the lock is held: what is read one by one is one moment.
  for (const Bytes& key : keys) {
    std::optional<VersionedValue> value;
    if (found != nullptr) {
      TRY(value, parts_->find_value(found->store, key));
    }
    values.push_back(std::move(value));
  }
  return values;
}

Result<std::uint64_t> StateStore::content_digest(GroupId group) {
  const FiberLock::Hold hold(parts_->main_lock_);
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

// Tested by tests/core/kv/map_store_test.cc.
#include "tests/core/kv/map_store.h"

#include <utility>

#include "core/base/check.h"

namespace keelson::kv {

namespace {

// A hash over fields in order; each is told from its neighbours by its size.
class Digest {
 public:
  explicit Digest(std::uint64_t start) : value_(start) {}

  void add(std::uint64_t number) {
    field_.clear();
    append_u64(field_, number);
    value_ = hash64(field_, value_);
  }
  void add(BytesView bytes) {
    add(bytes.size());
    value_ = hash64(bytes, value_);
  }

  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_;
  Bytes field_;  // Eight octets: within the string itself.
};

void add(Digest& digest, const Batch& batch) {
  digest.add(batch.token);
  digest.add(batch.conditions.size());
  for (const Condition& condition : batch.conditions) {
    digest.add(condition.key);
    digest.add(static_cast<std::uint64_t>(condition.kind));
    digest.add(condition.version);
  }
  digest.add(batch.mutations.size());
  for (const Mutation& mutation : batch.mutations) {
    digest.add(mutation.key);
    digest.add(std::uint64_t{mutation.value.has_value()});
    if (mutation.value) digest.add(*mutation.value);
  }
}

void add(Digest& digest, const BatchOutcome& outcome) {
  digest.add(std::uint64_t{outcome.applied});
  digest.add(std::uint64_t{outcome.failed_condition});
  digest.add(outcome.version);
}

}  // namespace

MapStore::MapStore(Marks& marks, std::size_t tokens_remembered)
    : marks_(marks), tokens_limit_(tokens_remembered) {
  CHECK(tokens_limit_ > 0);
}

BatchOutcome MapStore::apply(raft::LogIndex index, const Batch& batch) {
  advance_to(index);
  BatchOutcome outcome;
  const auto remembered =
      batch.token.empty() ? outcomes_.end() : outcomes_.find(BytesView(batch.token));
  if (remembered != outcomes_.end()) {
    SOMETIMES(marks_, "kv: retried token answered from memory");
    outcome = remembered->second;
  } else {
    outcome = decide_and_mutate(index, batch);
    if (!batch.token.empty()) remember(batch.token, outcome);
  }
  CHECK(outcome.version <= index.value);

  Digest digest(digest_);
  add(digest, batch);
  add(digest, outcome);
  digest_ = digest.value();
  return outcome;
}

void MapStore::apply_no_op(raft::LogIndex index) { advance_to(index); }

BatchOutcome MapStore::decide_and_mutate(raft::LogIndex index, const Batch& batch) {
  for (std::size_t i = 0; i < batch.conditions.size(); ++i) {
    if (!holds(batch.conditions[i])) {
      SOMETIMES(marks_, "kv: condition failed");
      return {.applied = false, .failed_condition = i, .version = 0};
    }
  }
  for (const Mutation& mutation : batch.mutations) {
    if (mutation.value) {
      content_.insert_or_assign(mutation.key, VersionedValue{*mutation.value, index.value});
    } else {
      content_.erase(mutation.key);
    }
  }
  return {.applied = true, .failed_condition = 0, .version = index.value};
}

bool MapStore::holds(const Condition& condition) const {
  const VersionedValue* const found = find(condition.key);
  switch (condition.kind) {
    case Condition::Kind::exists: return found != nullptr;
    case Condition::Kind::absent: return found == nullptr;
    case Condition::Kind::version_is:
      return found != nullptr && found->version == condition.version;
  }
  CHECK(false);  // decode_batch() lets no other kind through.
  return false;
}

// The oldest token makes room. Age is the order of the log, so all nodes forget the same one.
void MapStore::remember(const Bytes& token, const BatchOutcome& outcome) {
  if (by_age_.size() == tokens_limit_) {
    outcomes_.erase(by_age_.front());
    by_age_.pop_front();
  }
  const auto [place, is_new] = outcomes_.emplace(token, outcome);
  CHECK(is_new);
  by_age_.push_back(place);
  CHECK(by_age_.size() == outcomes_.size());
}

void MapStore::advance_to(raft::LogIndex index) {
  CHECK(index == last_applied_.next());
  last_applied_ = index;
  Digest digest(digest_);
  digest.add(index.value);
  digest_ = digest.value();
}

const VersionedValue* MapStore::find(BytesView key) const {
  const auto found = content_.find(key);
  return found == content_.end() ? nullptr : &found->second;
}

std::optional<VersionedValue> MapStore::get(BytesView key) const {
  const VersionedValue* const found = find(key);
  if (found == nullptr) return std::nullopt;
  return *found;
}

std::uint64_t MapStore::content_digest() const {
  Digest digest(0);
  for (const auto& [key, value] : content_) {
    digest.add(key);
    digest.add(value.value);
    digest.add(value.version);
  }
  return digest.value();
}

}  // namespace keelson::kv

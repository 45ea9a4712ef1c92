// Tested by tests/core/kv/map_store_test.cc.
#include "tests/core/kv/map_store.h"

#include <utility>

#include "core/base/check.h"
#include "core/kv/command.h"

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

}  // namespace

MapStore::MapStore(Marks& marks, std::size_t tokens_remembered)
    : marks_(marks), tokens_limit_(tokens_remembered), machine_(rows_, group_, marks) {
  CHECK(tokens_limit_ > 0);
}

BatchOutcome MapStore::apply(raft::LogIndex index, const Batch& batch) {
  Bytes entry = encode_command(batch);
  set_stamp(entry, {.at = Timestamp(index.value), .safe_point = Timestamp(index.value)});
  return *decode_batch_result(apply(index, entry)).outcome;
}

Bytes MapStore::apply(raft::LogIndex index, BytesView data) {
  advance_to(index);
  Bytes result = encode(CommandResult{});
  if (auto stamped = decode_command(data)) {
    const bool is_taken = machine_.take_stamp(*stamped);
    if (Batch* const batch = std::get_if<Batch>(&stamped->command)) {
      result = encode(is_taken ? apply_batch(stamped->stamp, *batch) : BatchResult{});
    } else if (is_taken) {
      result = encode(*machine_.apply(stamped->stamp, stamped->command));
    }
  }
  Digest digest(digest_);
  digest.add(data);
  digest.add(BytesView(result));
  digest_ = digest.value();
  return result;
}

BatchResult MapStore::apply_batch(const Stamp& stamp, Batch& batch) {
  const auto before =
      batch.token.empty() ? outcomes_.end() : outcomes_.find(BytesView(batch.token));
  if (before != outcomes_.end()) {
    SOMETIMES(marks_, "kv: retried token answered from memory");
    return {.outcome = before->second};
  }
  const Bytes token = batch.token;
  const BatchResult result = *machine_.apply(stamp, batch);
  if (result.outcome && !token.empty()) remember(token, *result.outcome);
  return result;
}

void MapStore::apply_no_op(raft::LogIndex index) { advance_to(index); }

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
  const auto found = rows_.map().find(key);
  return found == rows_.map().end() ? nullptr : &found->second;
}

std::optional<VersionedValue> MapStore::get(BytesView key) const {
  const VersionedValue* const found = find(key);
  if (found == nullptr) return std::nullopt;
  return *found;
}

std::uint64_t MapStore::content_digest() const {
  Digest digest(0);
  MapRows rows = rows_;
  if (last_applied_ > raft::LogIndex()) rows.put(kClockRow, {.value = encode(group_.clock)});
  for (const auto& [key, value] : rows.map()) {
    digest.add(BytesView(key));
    digest.add(BytesView(value.value));
    digest.add(value.version);
  }
  return digest.value();
}

}  // namespace keelson::kv

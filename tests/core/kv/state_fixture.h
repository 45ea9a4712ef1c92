// A state store on a simulated machine, compared with the model.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/core/kv/state_model.h"
#include "tests/core/storage/one_machine.h"

namespace keelson::kv {

inline constexpr GroupId kGroup{1};
inline constexpr std::size_t kTokens = 7;

inline StateStoreOptions small_options() {
  StateStoreOptions options;
  options.tokens_remembered = kTokens;
  options.chunk_bytes = 100;
  options.cache_bytes = 256 * 1024;
  options.wal_bytes_limit = 200'000;
  options.unsaved_bytes_limit = 0;  // What one call has applied is saved by the next.
  return options;
}

inline std::unique_ptr<StateStore> opened(Env& env, StateStoreOptions options = small_options()) {
  auto store = StateStore::open(env, std::move(options), Deadline::never());
  if (!store) ADD_FAILURE() << store.error().message;
  CHECK(store.has_value());
  return *std::move(store);
}

// The entries of a group's log after its label.
inline std::vector<raft::Committed> next_entries(const StateStore& store, std::uint64_t seed,
                                                 std::uint64_t count, GroupId group = kGroup) {
  std::vector<raft::Committed> entries;
  const std::uint64_t from = store.label(group).index.value;
  for (std::uint64_t i = 1; i <= count; ++i) entries.push_back({group, entry_of(seed, from + i)});
  return entries;
}

// The store has of the group what the model has after the entries that the label names.
inline void expect_model(StateStore& store, std::uint64_t seed, GroupId group = kGroup) {
  const raft::StateLabel label = store.label(group);
  const auto model = model_of(seed, label.index, kTokens);
  EXPECT_TRUE(label == model->label()) << label.index.value;
  EXPECT_EQ(store.digest(group), model->store().digest());
  EXPECT_EQ(store.tokens_remembered(group), model->store().tokens_remembered());
  EXPECT_EQ(store.memory(group).clock, model->store().memory().clock);
  EXPECT_EQ(store.memory(group).locks.locks(), model->store().memory().locks.locks());
  EXPECT_EQ(store.memory(group).ownership, model->store().memory().ownership);
  EXPECT_EQ(store.memory(group).shards, model->store().memory().shards);
  const auto digest = store.content_digest(group);
  ASSERT_TRUE(digest.has_value()) << digest.error().message;
  EXPECT_EQ(*digest, model->content_digest());
}

// The values of the keys as they are now, of keys that nobody has locked.
inline Result<std::vector<std::optional<VersionedValue>>> values_of(StateStore& store,
                                                                    GroupId group,
                                                                    std::vector<Bytes> keys) {
  auto outcome = store.read(group, {.keys = std::move(keys)});
  if (!outcome) return std::move(outcome).error();
  if (!outcome->reply) return Error{ErrorCode::unavailable, "locked"};
  return std::move(outcome->reply->values);
}

// An entry's data, stamped with the number of its index in milliseconds.
inline Bytes stamped(const Batch& batch, std::uint64_t index) {
  Bytes data = encode_command(batch);
  const Timestamp at = timestamp_of(static_cast<std::int64_t>(10 * index));
  set_stamp(data, {at, at});
  return data;
}

// All that the group has now, as a snapshot's chunks.
inline std::vector<raft::SnapshotChunk> read_all(raft::Snapshot& snapshot) {
  std::vector<raft::SnapshotChunk> chunks;
  do {
    auto chunk = snapshot.read(chunks.size());
    CHECK(chunk.has_value());
    chunks.push_back(*std::move(chunk));
  } while (!chunks.back().is_last);
  return chunks;
}

}  // namespace keelson::kv

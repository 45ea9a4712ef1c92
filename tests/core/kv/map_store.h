// MapStore: what core/kv/state_store.h keeps of a group, as a map in memory: slow in no way but to
// restart, simple, and never used but to compare with. The same entries in the same order give the
// same state and outcomes. What a command does to rows is core/kv/group_machine.h's, which has
// tests of its own; rows, tokens and digests are kept in another way here.
#pragma once

#include <cstdint>
#include <deque>
#include <map>

#include "core/base/event_log.h"
#include "core/kv/group_machine.h"
#include "core/raft/types.h"
#include "tests/core/kv/map_rows.h"

namespace keelson::kv {

class MapStore {
 public:
  // Retried tokens are recognised while they are among the newest so many; part of the replicated
  // state, hence the same for every node of a group and for all time.
  static constexpr std::size_t kTokensRemembered = 10'000;

  explicit MapStore(Marks& marks, std::size_t tokens_remembered = kTokensRemembered);
  MapStore(const MapStore&) = delete;
  MapStore& operator=(const MapStore&) = delete;

  // Applies an entry that carries a command, or what should be one; gives its encoded result.
  // REQUIRES: index == last_applied().next().
  Bytes apply(raft::LogIndex index, BytesView data);
  // Applies one command that is stamped with its index, and keeps no old versions: its index is the
  // version of every key it writes. Mutations of one key take effect in order. A token that is
  // remembered changes nothing and gives the first outcome, be it that a condition did not hold.
  BatchOutcome apply(raft::LogIndex index, const Batch& batch);
  // Applies an entry that is no command. REQUIRES: as apply().
  void apply_no_op(raft::LogIndex index);

  // The value, or nullptr; valid until the next apply().
  const VersionedValue* find(BytesView key) const;
  std::optional<VersionedValue> get(BytesView key) const;

  raft::LogIndex last_applied() const { return last_applied_; }
  const GroupMemory& memory() const { return group_; }

  // A chain over every entry applied and its outcome: equal on two nodes with equal last_applied(),
  // or their state machines have parted.
  std::uint64_t digest() const { return digest_; }
  // Over keys, values and versions, in order; walks the whole map.
  std::uint64_t content_digest() const;

  std::size_t size() const { return rows_.map().size(); }
  std::size_t tokens_remembered() const { return by_age_.size(); }
  // In the order of keys.
  const MapRows::Map& content() const { return rows_.map(); }

 private:
  using Outcomes = std::map<Bytes, BatchOutcome, std::less<>>;

  BatchResult apply_batch(const Stamp& stamp, Batch& batch);
  void remember(const Bytes& token, const BatchOutcome& outcome);
  void advance_to(raft::LogIndex index);

  Marks& marks_;
  const std::size_t tokens_limit_;

  MapRows rows_;
  GroupMemory group_;
  GroupMachine machine_;
  raft::LogIndex last_applied_;
  std::uint64_t digest_ = 0;

  // Outcomes by token, and the same tokens oldest first. Invariant: equal sizes <= tokens_limit_.
  Outcomes outcomes_;
  std::deque<Outcomes::iterator> by_age_;
};

}  // namespace keelson::kv

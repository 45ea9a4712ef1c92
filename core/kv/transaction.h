// Transaction: reads and writes of keys of any groups that happen together or not at all.
//
// What it promises. Transactions, batches and reads are serializable in the order of timestamps; a
// transaction's is its commit's, or its snapshot's if it has written nothing. Among transactions
// that write, and all batches and reads, that is also the order of real time. One that only reads
// sees whatever had been answered before it began of the keys it asks for, but if two writers were
// at work meanwhile, one after the other, in groups whose clocks were apart, it may see the later
// one only. (One that must not: let it write a key.)
//
// How. Optimistic. The first read takes the snapshot: the time of the leader it asks, after all
// that group has stamped. Every read is of that time: a group's leader first pushes its clock past
// it, and lets what it had stamped before be applied, so nothing will be added to what is read. A
// group that cannot be read at that time (core/kv/timestamps.h) moves the snapshot on to its own,
// if all keys that were read before are the same then. Writes are kept here. What the transaction
// has read is at last turned into conditions: this version of the key, this content of the range.
//   One group: a batch with these conditions, one entry of its log, applied once (its token).
//   Several: every group is prepared: the conditions are checked and everything read and written
// is locked. From the last prepare to the decision all of it is locked at once and as it was read,
// and the decision, an entry of the primary's log, is stamped after all prepares: at that time the
// transaction happens. The other groups are told afterwards.
//   Why timestamps order what conflicts. Two writers of a key, or a writer and a reader of what it
// writes: the later one was validated in that group after the earlier one's locks were gone there,
// with an entry that was stamped after the earlier one's commit. A reader at a time: who commits at
// that time or before was prepared before, and its lock is met and resolved.
//   Nothing strands. A lock names the primary, where whoever meets it after its time has run out
// (by the primary's stamps, not by a clock) has the transaction rolled back, or learns that it was
// committed and carries that out (core/kv/resolver.h). A leader also looks after what nobody meets.
//
// A shard may move to another group while a transaction is at work (core/kv/shard_map.h). What was
// read is validated in the group that was asked, and a group refuses to validate what it has given
// away; what was promised of it before, locks and times, has ended before another group has it.
//
// What it answers: committed, aborted, or an honest unknown. A request that is repeated acts once:
// prepares and decisions name the transaction, a batch has a token.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "core/kv/forward.h"
#include "core/kv/group_commit.h"
#include "core/kv/store.h"
#include "core/runtime/env.h"

namespace keelson::kv {

class Transaction {
 public:
  // `coordinator` outlives it.
  explicit Transaction(Coordinator& coordinator);
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  // What is written here is read back. Both may suspend. Errors: conflict (begin anew: somebody was
  // faster), unavailable, timed_out, invalid_argument (a key that is empty or begins with the octet
  // 0). After an error there is no commit.
  Result<std::optional<Bytes>> get(BytesView key, Deadline deadline);
  // The first rows, at most `limit`, from `from` to before `to` (empty: no end).
  Result<std::vector<std::pair<Bytes, Bytes>>> scan(BytesView from, BytesView to,
                                                    std::size_t limit, Deadline deadline);

  // Never suspend. REQUIRES: a key that may be a user's.
  void put(BytesView key, Bytes value);
  void remove(BytesView key);

  // Suspends. REQUIRES: not called before.
  CommitOutcome commit(Deadline deadline);

  // Nothing before the first read.
  std::optional<Timestamp> snapshot() const { return snapshot_; }

 private:
  struct Read {
    GroupId group;  // That was asked.
    std::optional<VersionedValue> value;
  };
  struct RangeRead {
    GroupId group;
    Condition condition;
  };

  Result<ReadReply> read(GroupId group, ReadRequest request, Deadline deadline);
  Result<ReadReply> read_at(Timestamp at, GroupId group, ReadRequest request, Deadline deadline);
  bool take_later_snapshot(GroupId group, Deadline deadline);
  Result<Bytes> scan_part(const KeyRange& range, std::size_t limit, std::map<Bytes, Bytes>& found,
                          Deadline deadline);
  CommitOutcome commit_in_one(GroupId group, GroupCommit::Part part, Deadline deadline);

  Coordinator& coordinator_;
  const Bytes id_;
  std::optional<Timestamp> snapshot_;
  std::map<GroupId, Timestamp> uncertain_until_;
  std::map<Bytes, Read, std::less<>> reads_;
  std::vector<RangeRead> ranges_;
  std::map<Bytes, std::optional<Bytes>, std::less<>> writes_;
  bool has_failed_ = false;
  bool is_over_ = false;
};

}  // namespace keelson::kv

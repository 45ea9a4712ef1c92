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
// it, and lets what it had stamped before be applied, so nothing will be added to what is read.
// Writes are kept here. What the transaction has read is at last turned into conditions: this
// version of the key, this content of the range.
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
// What it answers: committed, aborted, or an honest unknown. A request that is repeated acts once:
// prepares and decisions name the transaction, a batch has a token.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "core/kv/forward.h"
#include "core/kv/store.h"
#include "core/runtime/env.h"

namespace keelson::kv {

class Coordinator;

struct CommitOutcome {
  enum class Kind { committed, aborted, unknown };
  Kind kind = Kind::aborted;
  Timestamp at = {};  // Where it stands among the others, if it was committed.
  std::string why = {};  // Otherwise.
};

class Transaction {
 public:
  // `coordinator` outlives it.
  explicit Transaction(Coordinator& coordinator);
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  // What is written here is read back. `route` names the group, as in Store. All may suspend.
  // Errors: conflict (begin anew: somebody was faster), unavailable, timed_out, invalid_argument
  // (a key that is empty or begins with the octet 0). After an error there is no commit.
  Result<std::optional<Bytes>> get(BytesView route, BytesView key, Deadline deadline);
  // The first rows, at most `limit`, from `from` to before `to` (empty: no end) of that group.
  Result<std::vector<std::pair<Bytes, Bytes>>> scan(BytesView route, BytesView from, BytesView to,
                                                    std::size_t limit, Deadline deadline);

  // Never suspend. REQUIRES: a key that may be a user's.
  void put(BytesView route, BytesView key, Bytes value);
  void remove(BytesView route, BytesView key);

  // Suspends. REQUIRES: not called before.
  CommitOutcome commit(Deadline deadline);

  // Nothing before the first read.
  std::optional<Timestamp> snapshot() const { return snapshot_; }

 private:
  struct Part {
    // As read: nothing where there was none.
    std::map<Bytes, std::optional<VersionedValue>, std::less<>> reads;
    std::vector<Condition> ranges;
    std::map<Bytes, std::optional<Bytes>, std::less<>> writes;
    Timestamp uncertain_until;
  };

  Result<ReadReply> read(GroupId group, ReadRequest request, Deadline deadline);
  static std::vector<Condition> conditions_of(const Part& part);
  static std::vector<Mutation> mutations_of(const Part& part);
  CommitOutcome commit_in_one(GroupId group, const Part& part, Deadline deadline);
  CommitOutcome commit_in_many(Deadline deadline);
  // All prepared: the greatest of their times, and the primary's. Otherwise why not.
  struct Prepared {
    Timestamp last;
    Timestamp primary;
  };
  Result<Prepared> prepare_all(GroupId primary, Deadline deadline);
  std::vector<GroupId> groups() const;

  Coordinator& coordinator_;
  const Bytes id_;
  std::optional<Timestamp> snapshot_;
  std::map<GroupId, Part> parts_;
  bool has_failed_ = false;
  bool is_over_ = false;
};

}  // namespace keelson::kv

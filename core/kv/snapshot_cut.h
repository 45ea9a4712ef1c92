// SnapshotCut: a snapshot's stream on its way into a backup, taken back to what the group's keys
// were at one timestamp. The groups of a backup are cut at the same one, at which no transaction
// was half done (core/kv/transaction.h: each happens at one time): so each transaction is in the
// backup with all that it wrote, in whatever groups, or not at all.
//
// Keys that were changed since have their old versions in the stream, before all keys of users, so
// they are kept in memory until their place comes. What nobody needs in a new cluster goes: other
// old versions, and what transactions that have not happened yet have left, locks and records. The
// tokens stay, also those of batches since; nobody will repeat these in another cluster.
#pragma once

#include <map>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/kv/hlc.h"
#include "core/kv/snapshot_format.h"
#include "core/kv/store.h"

namespace keelson::kv {

class SnapshotCut {
 public:
  // REQUIRES: in the state that the stream is of, everything stamped up to `at` was applied, no
  // lock of a transaction that writes and was prepared up to then is left, and the safe point is
  // not after it.
  explicit SnapshotCut(Timestamp at) : at_(at) {}

  // Takes the next bytes of the stream, cut anywhere, and appends the records to `out` that stay of
  // those that are whole by now. Errors: invalid_argument (no such stream, or one that breaks the
  // rule above).
  Result<void> put(BytesView bytes, Bytes& out);

 private:
  Result<void> take(const snapshot::Record& record, Bytes& out);
  Result<void> take_key(const snapshot::Key& key, Bytes& out);
  Result<void> remember(const snapshot::Key& row);
  void append_old_before(BytesView key, Bytes& out);
  void append_old(Bytes& out);

  const Timestamp at_;
  Bytes rest_;  // Of a record whose end has not come.
  std::uint64_t checksum_ = 0;
  std::uint64_t cut_checksum_ = 0;
  // What was there at the time and was replaced or removed since; of keys whose place has not come.
  std::map<Bytes, VersionedValue, std::less<>> old_;
};

}  // namespace keelson::kv

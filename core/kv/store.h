// What the protocol adapters and the leader probe need of the cluster, and no more: Store holds the
// data, Leadership answers who leads the default group. The coordinator (core/kv/coordinator.h)
// is both; a test may put a std::map in its place.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/raft/types.h"
#include "core/runtime/clock.h"

namespace keelson::kv {

// What must hold of a key, where the batch has its place in the order of the log, for it to be
// applied.
struct Condition {
  enum class Kind {
    exists,
    absent,
    version_is,
    range_is,  // The keys from `key` to before `end` and their versions have `version` as digest.
  };
  Bytes key;
  Kind kind = Kind::exists;
  std::uint64_t version = 0;  // For version_is; for range_is, the RangeDigest of what was there.
  Bytes end = {};             // For range_is; empty: no end.
};

// Tells the content of one range of keys from any other, for Condition::Kind::range_is.
class RangeDigest {
 public:
  // In the order of keys.
  void add(BytesView key, std::uint64_t version) { value_ = hash64(key, value_ ^ version); }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 1;
};

// That there are no keys from `from` to before `to` (empty: no end).
inline Condition nothing_between(Bytes from, Bytes to) {
  return {.key = std::move(from),
          .kind = Condition::Kind::range_is,
          .version = RangeDigest().value(),
          .end = std::move(to)};
}

// A new value for a key, or its removal.
struct Mutation {
  Bytes key;
  std::optional<Bytes> value;
};

// Applied at one moment: all mutations if every condition holds, otherwise none. As one entry of
// one group's log if one group has all its keys, otherwise as a transaction over several.
// REQUIRES: a range_is is a nothing_between(); what was read of a range is for transactions
// (core/kv/transaction.h), which know what part of it each group has.
struct Batch {
  // Idempotency: a batch whose token was applied before is not applied again and gives the first
  // outcome. RandomSource::identifier(), once per client request; empty asks for no protection, and
  // then the batch is not tried again when its outcome is unknown.
  Bytes token = {};
  std::vector<Condition> conditions = {};
  std::vector<Mutation> mutations = {};
};

struct BatchOutcome {
  bool applied = false;
  std::size_t failed_condition = 0;  // Position of the first that did not hold, unless applied.
  std::uint64_t version = 0;         // Given to every key written; grows within a group.
};

struct VersionedValue {
  Bytes value;
  std::uint64_t version = 0;
};

// Keys of a scan that are one row in its reply: those that are alike up to and with the first
// `delimiter` behind their first `after` octets.
struct Folding {
  std::size_t after = 0;
  Bytes delimiter;  // Not empty.
};

// Which rows a reader wants, in the order of keys.
struct ScanRequest {
  Bytes from;
  Bytes to;                    // Empty: no end.
  std::size_t rows_limit = 1;  // At least 1.
  // So much of each value from its beginning. All rows together should be less than some MiB.
  std::size_t value_octets = SIZE_MAX;
  std::optional<Folding> folding = {};
};

struct ScannedRow {
  Bytes key;  // If it is folded, what its keys have in common.
  VersionedValue value;
  bool is_folded = false;  // Then there is no value.
};

struct ScanReply {
  std::vector<ScannedRow> rows;  // All there are of the range up to `covered_to`.
  Bytes covered_to;  // Where to go on from; the end of the range if there is nothing more.
};

class Store {
 public:
  virtual ~Store() = default;

  // Errors: timed_out (may have happened), unavailable (surely did not), invalid_argument (too
  // large).
  virtual Result<BatchOutcome> execute(Batch batch, Deadline deadline) = 0;

  // Linearizable: one consistent moment between call and return. A value for each key, in order, or
  // nothing where the key is absent. Errors: timed_out, unavailable.
  virtual Result<std::vector<std::optional<VersionedValue>>> get(std::vector<Bytes> keys,
                                                                 Deadline deadline) = 0;

  // Linearizable, as get(): all rows are of one moment. Errors: timed_out, unavailable.
  virtual Result<ScanReply> scan(ScanRequest request, Deadline deadline) = 0;
};

// Who leads the default group: what leader probes and admin writes key off.
class Leadership {
 public:
  virtual ~Leadership() = default;

  // Local and free; may be out of date by the time it returns.
  virtual bool is_leader() const = 0;

  // A quorum round begun after this call: on success this node was the rightful leader at a moment
  // between call and return, and had committed an entry of its term. Concurrent calls share rounds.
  // Errors: not_leader, timed_out; any error means "not leader" to a probe.
  virtual Result<void> verify_leader(Deadline deadline) = 0;

  // For people debugging.
  virtual std::optional<NodeId> leader_hint() const = 0;
  virtual raft::Term term() const = 0;

  // True once this node drains or hands leadership over: probes turn red first.
  virtual bool is_draining() const = 0;

  // Has a leader it can reach and is caught up; local.
  virtual bool is_ready() const = 0;
};

}  // namespace keelson::kv

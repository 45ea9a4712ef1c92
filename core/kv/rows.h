// Rows: the state of one group as an ordered map, as its rules (core/kv/group_machine.h) see it.
// The state store is one (core/kv/state_store.h); tests have a std::map.
//
// Keys of users do not begin with the octet 0. What the rules keep beside them does, so that
// whatever copies, digests or counts rows carries it along:
//   0 "c"                         the group's clock: last timestamp, safe point, ceiling
//   0 "h" key' end:u64 (big)      an old version of a key, which `end` has ended: as its version
//                                 says, it had begun at that timestamp. key' is the key with each
//                                 octet 0 as 0 255, and 0 1 at the end: the order of keys is kept
//   0 "m"                         of the default group: the shard map
//   0 "o"                         what the group does not serve (core/kv/ownership.h)
//   0 "p" transaction             a Prepare that was not decided here yet; its version is when
//   0 "r" transaction             in its primary, a transaction's Record; its version is when
#pragma once

#include <optional>
#include <vector>

#include "core/kv/hlc.h"
#include "core/kv/key_range.h"
#include "core/kv/store.h"

namespace keelson::kv {

struct Row {
  Bytes key;
  VersionedValue value;
};

class Rows {
 public:
  virtual ~Rows() = default;

  // May suspend, all three. Errors: io_error, corrupt.
  virtual Result<std::optional<VersionedValue>> get(BytesView key) = 0;
  // Without the value, which costs less.
  virtual Result<std::optional<std::uint64_t>> version(BytesView key) = 0;
  // The first rows, at most `limit`, of those from `from` to before `to`; an empty `to` is no end.
  virtual Result<std::vector<Row>> scan(BytesView from, BytesView to, std::size_t limit) = 0;

  virtual void put(BytesView key, VersionedValue value) = 0;
  virtual void remove(BytesView key) = 0;
};

// What a client may name a key, or the ends of a range.
inline bool is_user_key(BytesView key) { return !key.empty() && key.front() != '\0'; }

// The first key from this one on that may be a user's.
inline Bytes first_user_key(BytesView from) {
  return is_user_key(from) ? Bytes(from) : Bytes(1, '\1');
}

// The rows of the rules.
inline constexpr BytesView kClockRow{"\0c", 2};
inline constexpr BytesView kHistoryRows{"\0h", 2};
inline constexpr BytesView kShardMapRow{"\0m", 2};
inline constexpr BytesView kOwnershipRow{"\0o", 2};
inline constexpr BytesView kPreparedRows{"\0p", 2};
inline constexpr BytesView kRecordRows{"\0r", 2};

// The row kClockRow.
struct GroupClock {
  Timestamp last;        // Of the newest command.
  Timestamp safe_point;  // Nobody reads before it; never goes back.
  Timestamp ceiling;     // Of the default group: see core/kv/hlc.h.

  bool operator==(const GroupClock&) const = default;
};
Bytes encode(const GroupClock& clock);
// Errors: corrupt.
Result<GroupClock> decode_clock(BytesView bytes);

}  // namespace keelson::kv

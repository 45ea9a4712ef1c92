// Tested by tests/core/kv/group_machine_test.cc.
#include "core/kv/rows.h"

namespace keelson::kv {

Bytes encode(const GroupClock& clock) {
  Bytes bytes;
  append_u64(bytes, clock.last.value);
  append_u64(bytes, clock.safe_point.value);
  append_u64(bytes, clock.ceiling.value);
  return bytes;
}

Result<GroupClock> decode_clock(BytesView bytes) {
  if (bytes.size() != 24) return Error{ErrorCode::corrupt, "a group's clock"};
  return GroupClock{.last = Timestamp(read_u64(bytes)),
                    .safe_point = Timestamp(read_u64(bytes.substr(8))),
                    .ceiling = Timestamp(read_u64(bytes.substr(16)))};
}

}  // namespace keelson::kv

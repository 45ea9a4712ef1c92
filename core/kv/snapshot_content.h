// A snapshot's stream read once more on its way into or out of a backup: what its content is, apart
// from which log it was a state of and who belonged to the group; and the same content as the
// beginning of another cluster.
#pragma once

#include "core/base/bytes.h"
#include "core/base/result.h"

namespace keelson::kv {

class SnapshotContent {
 public:
  // Takes the next bytes of the stream, cut anywhere. Appends to `renewed`, unless it is null, the
  // records that are whole by now, of a configuration without members. Errors: invalid_argument (no
  // such stream: the message says why).
  Result<void> put(BytesView bytes, Bytes* renewed);

  // The stream has come to its end, and its checksum is right.
  bool is_complete() const { return is_complete_; }

  // Over all keys, versions, values and remembered tokens in order: equal for two states exactly
  // when these are. Not over what a cluster renews by itself, the group's clock and old versions
  // (core/kv/rows.h), which only the stream's checksum covers. REQUIRES: is_complete().
  std::uint64_t digest() const;

 private:
  Bytes rest_;  // Of a record whose end has not come.
  Bytes scratch_;
  std::uint64_t checksum_ = 0;
  std::uint64_t renewed_checksum_ = 0;
  std::uint64_t digest_ = 0;
  bool has_header_ = false;
  bool is_complete_ = false;
};

}  // namespace keelson::kv

// The rows of old versions (core/kv/rows.h): how they are named.
#pragma once

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/kv/hlc.h"

namespace keelson::kv {

// Of the old versions of a key, the first that ended at `end` or later is at this row or the next.
Bytes history_row(BytesView key, Timestamp end);

struct OldVersion {
  Bytes key;
  Timestamp end;
};

// REQUIRES: the row is among kHistoryRows. Errors: corrupt.
Result<OldVersion> parse_history_row(BytesView row);

}  // namespace keelson::kv

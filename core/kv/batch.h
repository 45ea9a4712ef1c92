// The bytes of a Batch in a log entry (message Batch of core/kv/kv.proto).
#pragma once

#include "core/kv/store.h"

namespace keelson::kv {

// The same batch gives the same bytes on every node.
Bytes encode(const Batch& batch);

// Errors: corrupt (not a batch, or with a condition this version does not know).
Result<Batch> decode_batch(BytesView bytes);

}  // namespace keelson::kv

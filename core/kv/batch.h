// The bytes of a Batch: the body of its log entry (message Batch of core/kv/kv.proto).
#pragma once

#include "core/kv/store.h"

namespace keelson::kv {

// The same batch gives the same bytes on every node.
Bytes encode(const Batch& batch);
// Behind what `out` has.
void append(Bytes& out, const Batch& batch);

// Errors: corrupt (not a batch, or with a condition this version does not know).
Result<Batch> decode_batch(BytesView bytes);

}  // namespace keelson::kv

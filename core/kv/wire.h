// The step between the structs of this folder and their protobuf messages. For .cc files of core/kv
// only: nothing that others include knows of protobuf.
#pragma once

#include <climits>
#include <string>

#include "core/kv/kv.pb.h"
#include "core/kv/rows.h"
#include "core/kv/store.h"

namespace keelson::kv {

void to_wire(const Condition& condition, wire::Condition& message);
void to_wire(const Mutation& mutation, wire::Mutation& message);
void to_wire(const Batch& batch, wire::Batch& message);
void to_wire(const Row& row, wire::FoundRow& message);
// Errors: corrupt.
Result<Condition> from_wire(wire::Condition&& message);
Mutation from_wire(wire::Mutation&& message);
Row from_wire(wire::FoundRow&& message);
// Errors: corrupt.
Result<Batch> from_wire(wire::Batch&& message);

template <typename Message>
Bytes serialize(const Message& message) {
  Bytes bytes;
  const bool written = message.SerializeToString(&bytes);
  CHECK(written);  // Fails only beyond 2 GiB; callers bound what they send.
  return bytes;
}

// Into a message of the caller's, as to move one costs nearly as much as to make one. `what` is for
// the error. Errors: corrupt.
template <typename Message>
Result<void> parse(BytesView bytes, const char* what, Message& message) {
  if (bytes.size() > INT_MAX ||
      !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Error{ErrorCode::corrupt, std::string(what) + ": " + std::to_string(bytes.size()) +
                                         " bytes that are not one"};
  }
  return {};
}

}  // namespace keelson::kv

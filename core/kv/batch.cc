// Tested by tests/core/kv/batch_test.cc.
#include "core/kv/batch.h"

#include <utility>

#include "core/kv/wire.h"

namespace keelson::kv {

namespace {

wire::ConditionKind to_wire(Condition::Kind kind) {
  switch (kind) {
    case Condition::Kind::exists: return wire::CONDITION_KIND_EXISTS;
    case Condition::Kind::absent: return wire::CONDITION_KIND_ABSENT;
    case Condition::Kind::version_is: return wire::CONDITION_KIND_VERSION_IS;
    case Condition::Kind::range_is: return wire::CONDITION_KIND_RANGE_IS;
  }
  CHECK(false);
  return wire::CONDITION_KIND_UNSPECIFIED;
}

}  // namespace

Result<Condition> from_wire(wire::Condition&& message) {
  const auto with = [&](Condition::Kind kind) {
    return Condition{.key = std::move(*message.mutable_key()),
                     .kind = kind,
                     .version = message.version(),
                     .end = std::move(*message.mutable_end())};
  };
  switch (message.kind()) {
    case wire::CONDITION_KIND_EXISTS: return with(Condition::Kind::exists);
    case wire::CONDITION_KIND_ABSENT: return with(Condition::Kind::absent);
    case wire::CONDITION_KIND_VERSION_IS: return with(Condition::Kind::version_is);
    case wire::CONDITION_KIND_RANGE_IS: return with(Condition::Kind::range_is);
    default: break;
  }
  return Error{ErrorCode::corrupt,
               "batch: condition of unknown kind " + std::to_string(int{message.kind()})};
}

Mutation from_wire(wire::Mutation&& message) {
  Mutation mutation{.key = std::move(*message.mutable_key()), .value = std::nullopt};
  if (message.has_value()) mutation.value = std::move(*message.mutable_value());
  return mutation;
}

void to_wire(const Condition& condition, wire::Condition& message) {
  message.set_key(condition.key);
  message.set_kind(to_wire(condition.kind));
  message.set_version(condition.version);
  if (!condition.end.empty()) message.set_end(condition.end);
}

void to_wire(const Mutation& mutation, wire::Mutation& message) {
  message.set_key(mutation.key);
  if (mutation.value) message.set_value(*mutation.value);
}

void to_wire(const Row& row, wire::FoundRow& message) {
  message.set_key(row.key);
  message.set_value(row.value.value);
  message.set_version(row.value.version);
}

Row from_wire(wire::FoundRow&& message) {
  Row row;
  row.key = std::move(*message.mutable_key());
  row.value = {std::move(*message.mutable_value()), message.version()};
  return row;
}

void to_wire(const Batch& batch, wire::Batch& message) {
  message.set_token(batch.token);
  for (const Condition& condition : batch.conditions) {
    to_wire(condition, *message.add_conditions());
  }
  for (const Mutation& mutation : batch.mutations) to_wire(mutation, *message.add_mutations());
}

Result<Batch> from_wire(wire::Batch&& message) {
  Batch batch;
  batch.token = std::move(*message.mutable_token());
  batch.conditions.reserve(static_cast<std::size_t>(message.conditions_size()));
  for (wire::Condition& condition : *message.mutable_conditions()) {
    TRY(Condition read, from_wire(std::move(condition)));
    batch.conditions.push_back(std::move(read));
  }
  batch.mutations.reserve(static_cast<std::size_t>(message.mutations_size()));
  for (wire::Mutation& mutation : *message.mutable_mutations()) {
    batch.mutations.push_back(from_wire(std::move(mutation)));
  }
  return batch;
}

Bytes encode(const Batch& batch) {
  Bytes bytes;
  append(bytes, batch);
  return bytes;
}

void append(Bytes& out, const Batch& batch) {
  wire::Batch message;
  to_wire(batch, message);
  const bool written = message.AppendToString(&out);
  CHECK(written);  // Callers bound what they send.
}

Result<Batch> decode_batch(BytesView bytes) {
  wire::Batch message;
  TRY(parse(bytes, "batch", message));
  return from_wire(std::move(message));
}

}  // namespace keelson::kv

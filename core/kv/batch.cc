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
  }
  CHECK(false);
  return wire::CONDITION_KIND_UNSPECIFIED;
}

Result<Condition> from_wire(const wire::Condition& message) {
  const auto with = [&](Condition::Kind kind) {
    return Condition{.key = message.key(), .kind = kind, .version = message.version()};
  };
  switch (message.kind()) {
    case wire::CONDITION_KIND_EXISTS: return with(Condition::Kind::exists);
    case wire::CONDITION_KIND_ABSENT: return with(Condition::Kind::absent);
    case wire::CONDITION_KIND_VERSION_IS: return with(Condition::Kind::version_is);
    default: break;
  }
  return Error{ErrorCode::corrupt,
               "batch: condition of unknown kind " + std::to_string(int{message.kind()})};
}

}  // namespace

void to_wire(const Batch& batch, wire::Batch& message) {
  message.set_token(batch.token);
  for (const Condition& condition : batch.conditions) {
    wire::Condition& added = *message.add_conditions();
    added.set_key(condition.key);
    added.set_kind(to_wire(condition.kind));
    added.set_version(condition.version);
  }
  for (const Mutation& mutation : batch.mutations) {
    wire::Mutation& added = *message.add_mutations();
    added.set_key(mutation.key);
    if (mutation.value) added.set_value(*mutation.value);
  }
}

Result<Batch> from_wire(wire::Batch&& message) {
  Batch batch;
  batch.token = std::move(*message.mutable_token());
  batch.conditions.reserve(static_cast<std::size_t>(message.conditions_size()));
  for (const wire::Condition& condition : message.conditions()) {
    TRY(Condition read, from_wire(condition));
    batch.conditions.push_back(std::move(read));
  }
  batch.mutations.reserve(static_cast<std::size_t>(message.mutations_size()));
  for (wire::Mutation& mutation : *message.mutable_mutations()) {
    Mutation& added = batch.mutations.emplace_back();
    added.key = std::move(*mutation.mutable_key());
    if (mutation.has_value()) added.value = std::move(*mutation.mutable_value());
  }
  return batch;
}

Bytes encode(const Batch& batch) {
  wire::Batch message;
  to_wire(batch, message);
  return serialize(message);
}

Result<Batch> decode_batch(BytesView bytes) {
  TRY(wire::Batch message, parse<wire::Batch>(bytes, "batch"));
  return from_wire(std::move(message));
}

}  // namespace keelson::kv

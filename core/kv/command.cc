// Tested by tests/core/kv/command_test.cc.
#include "core/kv/command.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/kv/batch.h"
#include "core/kv/wire.h"

namespace keelson::kv {

namespace {

// Fixed for all time: they are in logs.
enum class CommandKind : char {
  batch = 1,
  prepare = 2,
  decide = 3,
  finish = 4,
  forget = 5,
  collect_garbage = 6,
  raise_ceiling = 7,
  change_shards = 8,
  fence_range = 9,
  receive_rows = 10,
  own_range = 11,
  drop_range = 12,
};

constexpr std::size_t kHeadBytes = 17;
constexpr char kResultLocked = 2;
constexpr char kResultRejected = 3;
constexpr char kResultMoved = 4;
constexpr std::size_t kOutcomeBytes = 13;

std::uint64_t whole_ms(Duration span) {
  CHECK(span >= Duration::zero());
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(span).count());
}

// What no clock will show is cut off.
Duration duration_of_ms(std::uint64_t ms) {
  constexpr std::uint64_t kMost = 1'000'000'000;
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::min(ms, kMost)));
}

wire::Decision to_wire(Decide::Kind kind) {
  switch (kind) {
    case Decide::Kind::commit: return wire::DECISION_COMMIT;
    case Decide::Kind::abort: return wire::DECISION_ABORT;
    case Decide::Kind::abort_if_expired: return wire::DECISION_ABORT_IF_EXPIRED;
  }
  CHECK(false);
  return wire::DECISION_UNSPECIFIED;
}

void to_wire(const Lock& lock, wire::Lock& message) {
  message.set_transaction(lock.transaction);
  message.set_primary(lock.primary.value);
  message.set_prepared_at(lock.prepared_at.value);
  message.set_expires_at(lock.expires_at.value);
}

Lock from_wire(wire::Lock&& message) {
  return {.transaction = std::move(*message.mutable_transaction()),
          .primary = GroupId(message.primary()),
          .prepared_at = Timestamp(message.prepared_at()),
          .expires_at = Timestamp(message.expires_at())};
}

void to_wire(const FoundShards& found, wire::ChangeShards& message) {
  for (const GroupId group : found.groups) message.mutable_found()->add_groups(group.value);
}
void to_wire(const SplitShard& split, wire::ChangeShards& message) { message.set_split(split.at); }
void to_wire(const MoveShard& moved, wire::ChangeShards& message) {
  message.mutable_move()->set_from(moved.from);
  message.mutable_move()->set_to(moved.to.value);
}
void to_wire(const SwitchShard& switched, wire::ChangeShards& message) {
  message.set_switch_move(switched.move);
}
void to_wire(const EndMove& ended, wire::ChangeShards& message) {
  message.set_end_move(ended.move);
}

// One overload for each alternative of Command.
struct BodyWriter {
  Bytes& out;

  void operator()(const Batch& batch) const {
    write(CommandKind::batch, {});
    append(out, batch);
  }
  void operator()(const Prepare& prepare) const {
    wire::Prepare message;
    message.set_transaction(prepare.transaction);
    message.set_primary(prepare.primary.value);
    for (const GroupId group : prepare.participants) message.add_participants(group.value);
    message.set_begun(prepare.begun.value);
    message.set_ttl_ms(whole_ms(prepare.ttl));
    for (const Condition& condition : prepare.conditions) {
      kv::to_wire(condition, *message.add_conditions());
    }
    for (const Mutation& mutation : prepare.mutations) {
      kv::to_wire(mutation, *message.add_mutations());
    }
    write(CommandKind::prepare, serialize(message));
  }
  void operator()(const Decide& decide) const {
    wire::Decide message;
    message.set_transaction(decide.transaction);
    message.set_decision(to_wire(decide.kind));
    message.set_prepared_at(decide.prepared_at.value);
    message.set_expires_at(decide.expires_at.value);
    write(CommandKind::decide, serialize(message));
  }
  void operator()(const Finish& finish) const {
    wire::Finish message;
    message.set_transaction(finish.transaction);
    message.set_committed_at(finish.committed_at.value);
    write(CommandKind::finish, serialize(message));
  }
  void operator()(const Forget& forget) const {
    wire::Forget message;
    message.set_transaction(forget.transaction);
    write(CommandKind::forget, serialize(message));
  }
  void operator()(const CollectGarbage& collect) const {
    wire::CollectGarbage message;
    message.set_from(collect.from);
    write(CommandKind::collect_garbage, serialize(message));
  }
  void operator()(const RaiseCeiling& raise) const {
    wire::RaiseCeiling message;
    message.set_at_least(raise.at_least.value);
    message.set_step_ms(whole_ms(raise.step));
    write(CommandKind::raise_ceiling, serialize(message));
  }
  void operator()(const ChangeShards& change) const {
    wire::ChangeShards message;
    message.set_version(change.version);
    std::visit([&message](const auto& one) { to_wire(one, message); }, change.change);
    write(CommandKind::change_shards, serialize(message));
  }
  void operator()(const FenceRange& fence) const {
    wire::MoveStep message = step(fence.move);
    message.set_from(fence.range.from);
    message.set_to(fence.range.to);
    write(CommandKind::fence_range, serialize(message));
  }
  void operator()(const ReceiveRows& receive) const {
    wire::MoveStep message = step(receive.move);
    message.set_from(receive.range.from);
    message.set_to(receive.range.to);
    for (const Row& row : receive.rows) kv::to_wire(row, *message.add_rows());
    write(CommandKind::receive_rows, serialize(message));
  }
  void operator()(const OwnRange& own) const {
    write(CommandKind::own_range, serialize(step(own.move)));
  }
  void operator()(const DropRange& drop) const {
    write(CommandKind::drop_range, serialize(step(drop.move)));
  }

  static wire::MoveStep step(std::uint64_t move) {
    wire::MoveStep message;
    message.set_move(move);
    return message;
  }

  void write(CommandKind kind, BytesView body) const {
    out.reserve(kHeadBytes + body.size());
    out.push_back(static_cast<char>(kind));
    out.append(kHeadBytes - 1, '\0');
    out.append(body);
  }
};

Result<Command> parse_prepare(BytesView body) {
  wire::Prepare message;
  TRY(parse(body, "prepare", message));
  Prepare prepare{.transaction = std::move(*message.mutable_transaction()),
                  .primary = GroupId(message.primary()),
                  .participants = {},
                  .begun = Timestamp(message.begun()),
                  .ttl = duration_of_ms(message.ttl_ms()),
                  .conditions = {},
                  .mutations = {}};
  for (const std::uint64_t group : message.participants()) {
    prepare.participants.push_back(GroupId(group));
  }
  for (wire::Condition& condition : *message.mutable_conditions()) {
    TRY(Condition read, kv::from_wire(std::move(condition)));
    prepare.conditions.push_back(std::move(read));
  }
  for (wire::Mutation& mutation : *message.mutable_mutations()) {
    prepare.mutations.push_back(kv::from_wire(std::move(mutation)));
  }
  return Command(std::move(prepare));
}

Result<Command> parse_decide(BytesView body) {
  wire::Decide message;
  TRY(parse(body, "decide", message));
  Decide decide{.transaction = std::move(*message.mutable_transaction()),
                .kind = Decide::Kind::commit,
                .prepared_at = Timestamp(message.prepared_at()),
                .expires_at = Timestamp(message.expires_at())};
  switch (message.decision()) {
    case wire::DECISION_COMMIT: return Command(std::move(decide));
    case wire::DECISION_ABORT: decide.kind = Decide::Kind::abort; return Command(std::move(decide));
    case wire::DECISION_ABORT_IF_EXPIRED:
      decide.kind = Decide::Kind::abort_if_expired;
      return Command(std::move(decide));
    default: break;
  }
  return Error{ErrorCode::corrupt, "decide: of unknown kind"};
}

Result<ShardChange> parse_change(wire::ChangeShards& message) {
  switch (message.change_case()) {
    case wire::ChangeShards::kFound: {
      FoundShards found;
      for (const std::uint64_t group : message.found().groups()) {
        found.groups.push_back(GroupId(group));
      }
      return ShardChange(std::move(found));
    }
    case wire::ChangeShards::kSplit:
      return ShardChange(SplitShard{std::move(*message.mutable_split())});
    case wire::ChangeShards::kMove:
      return ShardChange(MoveShard{std::move(*message.mutable_move()->mutable_from()),
                                   GroupId(message.move().to())});
    case wire::ChangeShards::kSwitchMove: return ShardChange(SwitchShard{message.switch_move()});
    case wire::ChangeShards::kEndMove: return ShardChange(EndMove{message.end_move()});
    case wire::ChangeShards::CHANGE_NOT_SET: break;
  }
  return Error{ErrorCode::corrupt, "change of shards: of unknown kind"};
}

Result<Command> parse_step(CommandKind kind, BytesView body) {
  wire::MoveStep message;
  TRY(parse(body, "step of a move", message));
  const std::uint64_t move = message.move();
  KeyRange range{std::move(*message.mutable_from()), std::move(*message.mutable_to())};
  if (kind == CommandKind::fence_range) return Command(FenceRange{move, std::move(range)});
  if (kind == CommandKind::own_range) return Command(OwnRange{move});
  if (kind == CommandKind::drop_range) return Command(DropRange{move});
  ReceiveRows receive{.move = move, .range = std::move(range), .rows = {}};
  for (wire::FoundRow& row : *message.mutable_rows()) {
    receive.rows.push_back(kv::from_wire(std::move(row)));
  }
  return Command(std::move(receive));
}

Result<Command> parse_body(CommandKind kind, BytesView body) {
  switch (kind) {
    case CommandKind::batch: {
      TRY(Batch batch, decode_batch(body));
      return Command(std::move(batch));
    }
    case CommandKind::prepare: return parse_prepare(body);
    case CommandKind::decide: return parse_decide(body);
    case CommandKind::finish: {
      wire::Finish message;
      TRY(parse(body, "finish", message));
      return Command(Finish{.transaction = std::move(*message.mutable_transaction()),
                            .committed_at = Timestamp(message.committed_at())});
    }
    case CommandKind::forget: {
      wire::Forget message;
      TRY(parse(body, "forget", message));
      return Command(Forget{std::move(*message.mutable_transaction())});
    }
    case CommandKind::collect_garbage: {
      wire::CollectGarbage message;
      TRY(parse(body, "collect garbage", message));
      return Command(CollectGarbage{std::move(*message.mutable_from())});
    }
    case CommandKind::raise_ceiling: {
      wire::RaiseCeiling message;
      TRY(parse(body, "raise ceiling", message));
      return Command(RaiseCeiling{.at_least = Timestamp(message.at_least()),
                                  .step = duration_of_ms(message.step_ms())});
    }
    case CommandKind::change_shards: {
      wire::ChangeShards message;
      TRY(parse(body, "change of shards", message));
      TRY(ShardChange change, parse_change(message));
      return Command(ChangeShards{.version = message.version(), .change = std::move(change)});
    }
    case CommandKind::fence_range:
    case CommandKind::receive_rows:
    case CommandKind::own_range:
    case CommandKind::drop_range: return parse_step(kind, body);
  }
  return Error{ErrorCode::corrupt, "command: of unknown kind"};
}

wire::CommandStatus to_wire(CommandResult::Status status) {
  switch (status) {
    case CommandResult::Status::done: return wire::COMMAND_STATUS_DONE;
    case CommandResult::Status::conflict: return wire::COMMAND_STATUS_CONFLICT;
    case CommandResult::Status::locked: return wire::COMMAND_STATUS_LOCKED;
    case CommandResult::Status::moved: return wire::COMMAND_STATUS_MOVED;
    case CommandResult::Status::pending: return wire::COMMAND_STATUS_PENDING;
    case CommandResult::Status::aborted: return wire::COMMAND_STATUS_ABORTED;
    case CommandResult::Status::rejected: return wire::COMMAND_STATUS_REJECTED;
  }
  CHECK(false);
  return wire::COMMAND_STATUS_UNSPECIFIED;
}

Result<CommandResult::Status> from_wire(wire::CommandStatus status) {
  switch (status) {
    case wire::COMMAND_STATUS_DONE: return CommandResult::Status::done;
    case wire::COMMAND_STATUS_CONFLICT: return CommandResult::Status::conflict;
    case wire::COMMAND_STATUS_LOCKED: return CommandResult::Status::locked;
    case wire::COMMAND_STATUS_MOVED: return CommandResult::Status::moved;
    case wire::COMMAND_STATUS_PENDING: return CommandResult::Status::pending;
    case wire::COMMAND_STATUS_ABORTED: return CommandResult::Status::aborted;
    case wire::COMMAND_STATUS_REJECTED: return CommandResult::Status::rejected;
    default: break;
  }
  return Error{ErrorCode::corrupt, "result of a command: unknown status"};
}

}  // namespace

Bytes encode_command(const Batch& batch) {
  Bytes entry;
  BodyWriter{entry}(batch);
  return entry;
}

Bytes encode_command(const Command& command) {
  Bytes entry;
  std::visit(BodyWriter{entry}, command);
  return entry;
}

void set_stamp(Bytes& entry, const Stamp& stamp) {
  CHECK(entry.size() >= kHeadBytes);
  CHECK(stamp.safe_point <= stamp.at);
  for (std::size_t i = 0; i < 8; ++i) {
    entry[1 + i] = static_cast<char>(stamp.at.value >> 8 * i);
    entry[9 + i] = static_cast<char>(stamp.safe_point.value >> 8 * i);
  }
}

Result<StampedCommand> decode_command(BytesView entry) {
  if (entry.size() < kHeadBytes) return Error{ErrorCode::corrupt, "command: too short"};
  const Stamp stamp{.at = Timestamp(read_u64(entry.substr(1))),
                    .safe_point = Timestamp(read_u64(entry.substr(9)))};
  if (stamp.safe_point > stamp.at) return Error{ErrorCode::corrupt, "command: its stamp is none"};
  TRY(Command command, parse_body(CommandKind{entry.front()}, entry.substr(kHeadBytes)));
  return StampedCommand{stamp, std::move(command)};
}

Bytes encode(const BatchResult& result) {
  if (result.outcome) {
    Bytes bytes(1, result.outcome->applied ? '\1' : '\0');
    append_u32(bytes, static_cast<std::uint32_t>(result.outcome->failed_condition));
    append_u64(bytes, result.outcome->version);
    return bytes;
  }
  if (result.has_moved) return Bytes(1, kResultMoved);
  if (!result.lock) return Bytes(1, kResultRejected);
  wire::Lock message;
  to_wire(*result.lock, message);
  return kResultLocked + serialize(message);
}

BatchResult decode_batch_result(BytesView bytes) {
  CHECK(!bytes.empty());
  if (bytes.front() == kResultRejected) return {};
  if (bytes.front() == kResultMoved) return {.has_moved = true};
  if (bytes.front() == kResultLocked) {
    wire::Lock message;
    const auto parsed = parse(bytes.substr(1), "lock", message);
    CHECK(parsed.has_value());
    return {.lock = from_wire(std::move(message))};
  }
  CHECK(bytes.size() == kOutcomeBytes);
  return {.outcome = BatchOutcome{.applied = bytes[0] != '\0',
                                  .failed_condition = read_u32(bytes.substr(1)),
                                  .version = read_u64(bytes.substr(5))}};
}

Bytes encode(const CommandResult& result) {
  wire::CommandResult message;
  message.set_status(to_wire(result.status));
  message.set_at(result.at.value);
  message.set_previous(result.previous.value);
  message.set_failed_condition(result.failed_condition);
  if (result.lock) to_wire(*result.lock, *message.mutable_lock());
  message.set_next(result.next);
  return serialize(message);
}

Result<CommandResult> decode_command_result(BytesView bytes) {
  wire::CommandResult message;
  TRY(parse(bytes, "result of a command", message));
  CommandResult result;
  TRY(result.status, from_wire(message.status()));
  result.at = Timestamp(message.at());
  result.previous = Timestamp(message.previous());
  result.failed_condition = static_cast<std::size_t>(message.failed_condition());
  if (message.has_lock()) result.lock = from_wire(std::move(*message.mutable_lock()));
  result.next = std::move(*message.mutable_next());
  return result;
}

Bytes encode(const Record& record) {
  wire::Record message;
  message.set_committed_at(record.committed_at.value);
  for (const GroupId group : record.participants) message.add_participants(group.value);
  return serialize(message);
}

Result<Record> decode_record(BytesView bytes) {
  wire::Record message;
  TRY(parse(bytes, "record of a transaction", message));
  Record record{.committed_at = Timestamp(message.committed_at()), .participants = {}};
  for (const std::uint64_t group : message.participants()) {
    record.participants.push_back(GroupId(group));
  }
  return record;
}

}  // namespace keelson::kv

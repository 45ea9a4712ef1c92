// Tested by tests/core/kv/forward_test.cc.
#include "core/kv/forward.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/kv/wire.h"

namespace keelson::kv {

namespace {

wire::FailureCode to_wire(ErrorCode code) {
  switch (code) {
    case ErrorCode::timed_out: return wire::FAILURE_CODE_TIMED_OUT;
    case ErrorCode::unavailable: return wire::FAILURE_CODE_UNAVAILABLE;
    case ErrorCode::connection_lost: return wire::FAILURE_CODE_CONNECTION_LOST;
    case ErrorCode::not_leader: return wire::FAILURE_CODE_NOT_LEADER;
    case ErrorCode::invalid_argument: return wire::FAILURE_CODE_INVALID_ARGUMENT;
    case ErrorCode::not_found: return wire::FAILURE_CODE_NOT_FOUND;
    case ErrorCode::io_error: return wire::FAILURE_CODE_IO_ERROR;
    case ErrorCode::no_space: return wire::FAILURE_CODE_NO_SPACE;
    case ErrorCode::corrupt: return wire::FAILURE_CODE_CORRUPT;
    case ErrorCode::conflict: return wire::FAILURE_CODE_CONFLICT;
    case ErrorCode::unsupported: return wire::FAILURE_CODE_UNSUPPORTED;
  }
  CHECK(false);
  return wire::FAILURE_CODE_UNSPECIFIED;
}

ErrorCode from_wire(wire::FailureCode code) {
  switch (code) {
    case wire::FAILURE_CODE_TIMED_OUT: return ErrorCode::timed_out;
    case wire::FAILURE_CODE_UNAVAILABLE: return ErrorCode::unavailable;
    case wire::FAILURE_CODE_CONNECTION_LOST: return ErrorCode::connection_lost;
    case wire::FAILURE_CODE_NOT_LEADER: return ErrorCode::not_leader;
    case wire::FAILURE_CODE_INVALID_ARGUMENT: return ErrorCode::invalid_argument;
    case wire::FAILURE_CODE_NOT_FOUND: return ErrorCode::not_found;
    case wire::FAILURE_CODE_IO_ERROR: return ErrorCode::io_error;
    case wire::FAILURE_CODE_NO_SPACE: return ErrorCode::no_space;
    case wire::FAILURE_CODE_CORRUPT: return ErrorCode::corrupt;
    case wire::FAILURE_CODE_CONFLICT: return ErrorCode::conflict;
    case wire::FAILURE_CODE_UNSUPPORTED: return ErrorCode::unsupported;
    default: return ErrorCode::timed_out;  // Not understood: it may have happened.
  }
}

Duration duration_of(std::uint64_t microseconds) {
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max() / 1000);
  return std::chrono::microseconds(static_cast<std::int64_t>(std::min(microseconds, kMax)));
}

ReadRequest from_wire(wire::GetRequest&& message) {
  ReadRequest request;
  for (Bytes& key : *message.mutable_keys()) request.keys.push_back(std::move(key));
  if (message.has_range()) {
    request.range = KeyRange{std::move(*message.mutable_from()), std::move(*message.mutable_to())};
    request.rows_limit = std::max<std::size_t>(1, message.rows_limit());
    if (message.has_value_octets()) request.value_octets = message.value_octets();
    if (!message.fold_delimiter().empty()) {
      request.folding = Folding{message.fold_after(), std::move(*message.mutable_fold_delimiter())};
    }
  }
  if (message.has_at()) request.at = Timestamp(message.at());
  request.uncertain_until = Timestamp(message.uncertain_until());
  return request;
}

ReadReply from_wire(wire::GetReply&& message) {
  ReadReply reply;
  reply.values.reserve(static_cast<std::size_t>(message.values_size()));
  for (wire::FoundValue& value : *message.mutable_values()) {
    std::optional<VersionedValue>& added = reply.values.emplace_back();
    if (value.found()) added = VersionedValue{std::move(*value.mutable_value()), value.version()};
  }
  for (wire::FoundRow& row : *message.mutable_rows()) {
    reply.rows.push_back(kv::from_wire(std::move(row)));
  }
  reply.covered_to = std::move(*message.mutable_covered_to());
  reply.at = Timestamp(message.at());
  reply.uncertain_until = Timestamp(message.uncertain_until());
  return reply;
}

// One overload for each alternative of Work.
struct WorkWriter {
  wire::ForwardRequest& message;

  void operator()(const Batch& batch) const { kv::to_wire(batch, *message.mutable_batch()); }
  void operator()(const ReadRequest& request) const {
    wire::GetRequest& get = *message.mutable_get();
    for (const Bytes& key : request.keys) get.add_keys(key);
    if (request.range) {
      get.set_has_range(true);
      get.set_from(request.range->from);
      get.set_to(request.range->to);
      get.set_rows_limit(request.rows_limit);
      if (request.value_octets != SIZE_MAX) get.set_value_octets(request.value_octets);
      if (request.folding) {
        get.set_fold_delimiter(request.folding->delimiter);
        get.set_fold_after(request.folding->after);
      }
    }
    if (request.at) get.set_at(request.at->value);
    get.set_uncertain_until(request.uncertain_until.value);
  }
  void operator()(const CommandRequest& request) const {
    message.mutable_command()->set_entry(request.entry);
    message.mutable_command()->set_at_least(request.at_least.value);
  }
  void operator()(const CeilingRequest& request) const {
    message.mutable_ceiling()->set_at_least(request.at_least.value);
    message.mutable_ceiling()->set_begins_to_lead(request.begins_to_lead);
  }
};

// One overload for each alternative of Answer.
struct AnswerWriter {
  wire::ForwardReply& message;

  void operator()(const BatchOutcome& outcome) const {
    wire::BatchOutcome& written = *message.mutable_outcome();
    written.set_applied(outcome.applied);
    written.set_failed_condition(outcome.failed_condition);
    written.set_version(outcome.version);
  }
  void operator()(const ReadReply& reply) const {
    wire::GetReply& written = *message.mutable_values();
    for (const std::optional<VersionedValue>& value : reply.values) {
      wire::FoundValue& added = *written.add_values();
      added.set_found(value.has_value());
      if (!value) continue;
      added.set_value(value->value);
      added.set_version(value->version);
    }
    for (const Row& row : reply.rows) {
      kv::to_wire(row, *written.add_rows());
    }
    written.set_covered_to(reply.covered_to);
    written.set_at(reply.at.value);
    written.set_uncertain_until(reply.uncertain_until.value);
  }
  void operator()(const CommandResult& result) const {
    message.set_command_result(encode(result));
  }
  void operator()(const CeilingReply& reply) const {
    message.mutable_ceiling()->set_previous(reply.previous.value);
    message.mutable_ceiling()->set_ceiling(reply.ceiling.value);
  }
};

}  // namespace

Bytes to_bytes(const ForwardRequest& request) {
  wire::ForwardRequest message;
  message.set_request_id(request.request_id);
  message.set_group(request.group.value);
  const auto microseconds =
      std::chrono::duration_cast<std::chrono::microseconds>(request.remaining).count();
  message.set_remaining_us(static_cast<std::uint64_t>(std::max<std::int64_t>(microseconds, 0)));
  message.set_hops(request.hops);
  message.set_now(request.now.value);
  std::visit(WorkWriter{message}, request.work);
  return serialize(message);
}

Bytes to_bytes(const ForwardReply& reply) {
  wire::ForwardReply message;
  message.set_request_id(reply.request_id);
  if (reply.result) {
    std::visit(AnswerWriter{message}, *reply.result);
  } else {
    message.mutable_failure()->set_code(to_wire(reply.result.error().code));
    message.mutable_failure()->set_message(reply.result.error().message);
  }
  message.set_term(reply.term.value);
  message.set_leader(reply.leader.value_or(NodeId(0)).value);
  message.set_now(reply.now.value);
  return serialize(message);
}

Result<ForwardRequest> forward_request_from_bytes(BytesView bytes) {
  wire::ForwardRequest message;
  TRY(parse(bytes, "forwarded request", message));
  ForwardRequest request;
  request.request_id = message.request_id();
  request.group = GroupId(message.group());
  request.remaining = duration_of(message.remaining_us());
  request.hops = message.hops();
  request.now = Timestamp(message.now());
  switch (message.work_case()) {
    case wire::ForwardRequest::kBatch: {
      TRY(request.work, kv::from_wire(std::move(*message.mutable_batch())));
      break;
    }
    case wire::ForwardRequest::kGet:
      request.work = from_wire(std::move(*message.mutable_get()));
      break;
    case wire::ForwardRequest::kCommand:
      request.work = CommandRequest{std::move(*message.mutable_command()->mutable_entry()),
                                    Timestamp(message.command().at_least())};
      break;
    case wire::ForwardRequest::kCeiling:
      request.work = CeilingRequest{Timestamp(message.ceiling().at_least()),
                                    message.ceiling().begins_to_lead()};
      break;
    case wire::ForwardRequest::WORK_NOT_SET:
      return Error{ErrorCode::corrupt, "forwarded request: asks for nothing"};
  }
  return request;
}

Result<ForwardReply> forward_reply_from_bytes(BytesView bytes) {
  wire::ForwardReply message;
  TRY(parse(bytes, "reply to a forwarded request", message));
  ForwardReply reply;
  reply.request_id = message.request_id();
  switch (message.result_case()) {
    case wire::ForwardReply::kOutcome:
      reply.result = Answer(BatchOutcome{
          .applied = message.outcome().applied(),
          .failed_condition = static_cast<std::size_t>(message.outcome().failed_condition()),
          .version = message.outcome().version()});
      break;
    case wire::ForwardReply::kValues:
      reply.result = Answer(from_wire(std::move(*message.mutable_values())));
      break;
    case wire::ForwardReply::kFailure:
      reply.result = Error{from_wire(message.failure().code()),
                           std::move(*message.mutable_failure()->mutable_message())};
      break;
    case wire::ForwardReply::kCommandResult: {
      TRY(CommandResult result, decode_command_result(message.command_result()));
      reply.result = Answer(std::move(result));
      break;
    }
    case wire::ForwardReply::kCeiling:
      reply.result = Answer(CeilingReply{Timestamp(message.ceiling().previous()),
                                         Timestamp(message.ceiling().ceiling())});
      break;
    case wire::ForwardReply::RESULT_NOT_SET:
      return Error{ErrorCode::corrupt, "reply to a forwarded request: no result"};
  }
  reply.term = raft::Term(message.term());
  reply.now = Timestamp(message.now());
  if (message.leader() != 0) reply.leader = NodeId(message.leader());
  return reply;
}

}  // namespace keelson::kv

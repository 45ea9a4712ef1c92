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

GetReply from_wire(wire::GetReply&& message) {
  GetReply values;
  values.reserve(static_cast<std::size_t>(message.values_size()));
  for (wire::FoundValue& value : *message.mutable_values()) {
    std::optional<VersionedValue>& added = values.emplace_back();
    if (value.found()) added = VersionedValue{std::move(*value.mutable_value()), value.version()};
  }
  return values;
}

// One overload for each alternative of ForwardReply::result.
struct ResultWriter {
  wire::ForwardReply& message;

  void operator()(const BatchOutcome& outcome) const {
    wire::BatchOutcome& written = *message.mutable_outcome();
    written.set_applied(outcome.applied);
    written.set_failed_condition(outcome.failed_condition);
    written.set_version(outcome.version);
  }
  void operator()(const GetReply& values) const {
    wire::GetReply& written = *message.mutable_values();
    for (const std::optional<VersionedValue>& value : values) {
      wire::FoundValue& added = *written.add_values();
      added.set_found(value.has_value());
      if (!value) continue;
      added.set_value(value->value);
      added.set_version(value->version);
    }
  }
  void operator()(const Error& error) const {
    message.mutable_failure()->set_code(to_wire(error.code));
    message.mutable_failure()->set_message(error.message);
  }
};

}  // namespace

Bytes to_bytes(const ForwardRequest& request) {
  wire::ForwardRequest message;
  message.set_request_id(request.request_id);
  message.set_group(request.group.value);
  message.set_route(request.route);
  const auto microseconds =
      std::chrono::duration_cast<std::chrono::microseconds>(request.remaining).count();
  message.set_remaining_us(static_cast<std::uint64_t>(std::max<std::int64_t>(microseconds, 0)));
  message.set_hops(request.hops);
  if (const Batch* const batch = std::get_if<Batch>(&request.work)) {
    to_wire(*batch, *message.mutable_batch());
  } else {
    wire::GetRequest& get = *message.mutable_get();
    for (const Bytes& key : std::get_if<GetRequest>(&request.work)->keys) get.add_keys(key);
  }
  return serialize(message);
}

Bytes to_bytes(const ForwardReply& reply) {
  wire::ForwardReply message;
  message.set_request_id(reply.request_id);
  std::visit(ResultWriter{message}, reply.result);
  message.set_term(reply.term.value);
  message.set_leader(reply.leader.value_or(NodeId(0)).value);
  return serialize(message);
}

Result<ForwardRequest> forward_request_from_bytes(BytesView bytes) {
  TRY(wire::ForwardRequest message, parse<wire::ForwardRequest>(bytes, "forwarded request"));
  ForwardRequest request;
  request.request_id = message.request_id();
  request.group = GroupId(message.group());
  request.route = std::move(*message.mutable_route());
  request.remaining = duration_of(message.remaining_us());
  request.hops = message.hops();
  if (message.has_batch()) {
    TRY(request.work, from_wire(std::move(*message.mutable_batch())));
  } else if (message.has_get()) {
    GetRequest get;
    for (Bytes& key : *message.mutable_get()->mutable_keys()) get.keys.push_back(std::move(key));
    request.work = std::move(get);
  } else {
    return Error{ErrorCode::corrupt, "forwarded request: neither a batch nor a get"};
  }
  return request;
}

Result<ForwardReply> forward_reply_from_bytes(BytesView bytes) {
  TRY(wire::ForwardReply message, parse<wire::ForwardReply>(bytes, "reply to a forwarded request"));
  ForwardReply reply;
  reply.request_id = message.request_id();
  if (message.has_outcome()) {
    reply.result = BatchOutcome{
        .applied = message.outcome().applied(),
        .failed_condition = static_cast<std::size_t>(message.outcome().failed_condition()),
        .version = message.outcome().version()};
  } else if (message.has_values()) {
    reply.result = from_wire(std::move(*message.mutable_values()));
  } else if (message.has_failure()) {
    reply.result = Error{from_wire(message.failure().code()),
                         std::move(*message.mutable_failure()->mutable_message())};
  } else {
    return Error{ErrorCode::corrupt, "reply to a forwarded request: no result"};
  }
  reply.term = raft::Term(message.term());
  if (message.leader() != 0) reply.leader = NodeId(message.leader());
  return reply;
}

}  // namespace keelson::kv

// Tested by tests/tools/show/recorder_test.cc.
#include "scenarios/client_trace.h"

#include <fmt/format.h>

namespace keelson::scenarios {

std::uint64_t trace_call(sim::Machine& client, std::string_view what, std::string_view node) {
  sim::Trace& trace = client.world().trace();
  trace.record(client.index(), sim::Kind::invoke, hash64(what, hash64(node)),
               [&] { return fmt::format("{} at {}", what, node); });
  return trace.events_recorded();
}

void trace_return(sim::Machine& client, std::uint64_t call, Outcome outcome,
                  std::string_view answer) {
  client.world().trace().record(
      client.index(), sim::Kind::respond,
      hash64(answer, call * 4 + static_cast<std::uint64_t>(outcome)),
      [&] { return fmt::format("#{} {}: {}", call, name_of(outcome), answer); });
}

void trace_return(sim::Machine& client, std::uint64_t call, const Error* failed) {
  if (failed == nullptr) return trace_return(client, call, Outcome::ok, "done");
  const bool may_happen =
      failed->code == ErrorCode::timed_out || failed->code == ErrorCode::connection_lost;
  trace_return(client, call, may_happen ? Outcome::unknown : Outcome::fail, failed->message);
}

}  // namespace keelson::scenarios

// Tested by tests/sim/world_test.cc.
#include "sim/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/check.h"

namespace keelson::sim {

std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::step: return "step";
    case Kind::log: return "log";
    case Kind::note: return "note";
    case Kind::start:
    case Kind::end:
    case Kind::pause:
    case Kind::resume: return "machine";
    case Kind::clock: return "clock";
    case Kind::net_connect:
    case Kind::net_send:
    case Kind::net_deliver:
    case Kind::net_close:
    case Kind::net_reset:
    case Kind::net_fault: return "net";
    case Kind::disk_write:
    case Kind::disk_sync:
    case Kind::disk_fault: return "disk";
    case Kind::invoke:
    case Kind::respond: return "client";
  }
  return "?";
}

void Trace::line(std::uint32_t machine, Kind kind, std::string_view component,
                 std::string_view text) {
  extend(machine, kind, hash64(text, hash64(component)));
  if (is_told(kind)) tell(machine, kind, component, text);
}

void Trace::set_listener(Listener listener, Detail detail) {
  listener_ = std::move(listener);
  detail_ = detail;
}

void Trace::tell(std::uint32_t machine, Kind kind, std::string_view component,
                 std::string_view detail) {
  CHECK(machine < machine_names_.size());
  listener_({.number = number_,
             .at = events_.now(),
             .machine = machine,
             .machine_name = machine_names_[machine],
             .kind = kind,
             .component = component,
             .detail = detail});
}

std::string to_line(const TraceEvent& event) {
  const std::int64_t ms = event.at.ns / 1'000'000;
  return fmt::format("[{:3}.{:03}s] {} {}: {}", ms / 1000, ms % 1000, event.machine_name,
                     event.component, event.detail);
}

Trace::Listener print_to(std::ostream& out) {
  return [&out](const TraceEvent& event) { out << to_line(event) << '\n'; };
}

std::optional<std::size_t> first_difference(const std::vector<std::uint64_t>& a,
                                            const std::vector<std::uint64_t>& b) {
  const auto [in_a, in_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (in_a == a.end() && in_b == b.end()) return std::nullopt;
  return static_cast<std::size_t>(in_a - a.begin());
}

}  // namespace keelson::sim

// Tested by tests/sim/network_test.cc.
#include "sim/sim_network.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/check.h"
#include "sim/choices.h"
#include "sim/machine.h"
#include "sim/sim_connection.h"
#include "sim/world.h"

namespace keelson::sim {

SimNetwork::SimNetwork(World& world) : world_(world) {}
SimNetwork::~SimNetwork() = default;

// --- hosts, links and wires ---

Host& SimNetwork::host(const std::string& name) {
  auto& known = hosts_by_name_[name];
  if (known == nullptr) {
    known = std::make_unique<Host>(name, hosts_.size());
    hosts_.push_back(known.get());
    for (auto& row : links_) row.resize(hosts_.size());
    links_.emplace_back(hosts_.size());
  }
  return *known;
}

bool SimNetwork::knows(const std::string& name) const {
  return hosts_by_name_.contains(name) || world_.find_machine(name) != nullptr;
}

Host& SimNetwork::host_of(const Machine& machine) { return host(machine.name()); }

Link& SimNetwork::link(const Host& from, const Host& to) {
  auto& known = links_[from.index][to.index];
  if (known == nullptr) {
    known = std::make_unique<Link>(from.name, to.name, world_.choices(), world_.ledger());
    known->set_conditions(conditions_);
    if (&from != &to && (from.is_isolated || to.is_isolated)) known->cut(Link::Cut::partition);
  }
  return *known;
}

Link& SimNetwork::link(const Machine& from, const Machine& to) {
  return link(host_of(from), host_of(to));
}

Wire& SimNetwork::take_wire(Host& connector, std::uint16_t connector_port, Host& acceptor,
                            std::uint16_t acceptor_port) {
  if (free_wires_.empty()) {
    wires_.push_back(std::make_unique<Wire>(*this));
    free_wires_.push_back(wires_.back().get());
  }
  Wire& wire = *free_wires_.back();
  free_wires_.pop_back();
  ++wires_in_use_;
  Wire::End connecting;
  connecting.host = &connector;
  connecting.port = connector_port;
  connecting.is_known = true;
  Wire::End accepting;
  accepting.host = &acceptor;
  accepting.port = acceptor_port;
  wire.begin(next_connection_++, connecting, accepting);
  return wire;
}

void SimNetwork::give_back_wire(Wire& wire) {
  CHECK(!wire.is_in_use());
  CHECK(wires_in_use_ > 0);
  --wires_in_use_;
  free_wires_.push_back(&wire);
}

// Visits wires in the order in which they were first made, and the end that is at `a`.
template <typename Visit>
void SimNetwork::for_each_wire_between(const Host& a, const Host& b, Visit visit) {
  for (const auto& wire : wires_) {
    if (!wire->is_in_use()) continue;
    for (const std::size_t end : {std::size_t{0}, std::size_t{1}}) {
      if (wire->end(end).host == &a && wire->end(1 - end).host == &b) {
        visit(*wire, end);
        break;
      }
    }
  }
}

void SimNetwork::retry_between(const Host& a, const Host& b) {
  for_each_wire_between(a, b, [](Wire& wire, std::size_t) {
    wire.out_of(0).retry();
    wire.out_of(1).retry();
  });
}

void SimNetwork::note_fault(const std::string& text) {
  world_.trace().line(0, Kind::net_fault, "net", text);
}

// --- machines come and go ---

std::unique_ptr<Network> SimNetwork::endpoint(Machine& machine) {
  Host& self = host_of(machine);
  CHECK(self.machine == nullptr || self.machine == &machine);
  self.machine = &machine;
  self.is_on = true;
  for (Host* const other : hosts_) retry_between(self, *other);
  return std::make_unique<SimEndpoint>(*this, self);
}

void SimNetwork::machine_gone(Machine& machine, bool silently) {
  Host& self = host_of(machine);
  for (const auto& [port, listener] : self.listeners) listener->detach();
  self.listeners.clear();
  if (silently) self.is_on = false;
  for (const auto& wire : wires_) {
    for (const std::size_t end : {std::size_t{0}, std::size_t{1}}) {
      if (wire->is_in_use() && wire->end(end).host == &self) wire->lose_machine(end, silently);
    }
  }
  CHECK(self.live_connections == 0);
}

// --- conditions ---

void SimNetwork::set_conditions(const LinkConditions& conditions) {
  conditions_ = conditions;
  for (const auto& row : links_) {
    for (const auto& each : row) {
      if (each != nullptr) each->set_conditions(conditions);
    }
  }
}

void SimNetwork::set_conditions(const Machine& from, const Machine& to,
                                const LinkConditions& conditions) {
  link(from, to).set_conditions(conditions);
}

const LinkConditions& SimNetwork::conditions(const Machine& from, const Machine& to) {
  return link(from, to).conditions();
}

// --- faults ---

void SimNetwork::cut(const Machine& from, const Machine& to) {
  note_fault(fmt::format("cut {}>{}", from.name(), to.name()));
  world_.ledger().injected("net.cut_one_way");
  link(from, to).cut(Link::Cut::one_way);
}

void SimNetwork::heal(const Machine& from, const Machine& to) {
  note_fault(fmt::format("heal {}>{}", from.name(), to.name()));
  heal_link(host_of(from), host_of(to));
}

void SimNetwork::heal_link(Host& from, Host& to) {
  from.is_isolated = false;
  to.is_isolated = false;
  if (link(from, to).heal()) retry_between(from, to);
}

void SimNetwork::cut_both_ways(const Host& a, const Host& b) {
  if (&a == &b) return;
  link(a, b).cut(Link::Cut::partition);
  link(b, a).cut(Link::Cut::partition);
}

void SimNetwork::partition(std::span<Machine* const> left, std::span<Machine* const> right) {
  note_fault(fmt::format("partition {} | {}", names_of(left), names_of(right)));
  world_.ledger().injected("net.partition");
  for (const Machine* const a : left) {
    for (const Machine* const b : right) cut_both_ways(host_of(*a), host_of(*b));
  }
}

void SimNetwork::isolate(const Machine& machine) {
  note_fault(fmt::format("isolate {}", machine.name()));
  world_.ledger().injected("net.partition");
  Host& self = host_of(machine);
  self.is_isolated = true;
  for (const Host* const other : hosts_) cut_both_ways(self, *other);
}

void SimNetwork::ring(std::span<Machine* const> machines) {
  note_fault(fmt::format("ring {}", names_of(machines)));
  world_.ledger().injected("net.partition");
  const std::size_t count = machines.size();
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t j = i + 1; j < count; ++j) {
      const std::size_t distance = std::min(j - i, count - (j - i));
      if (distance > 1) cut_both_ways(host_of(*machines[i]), host_of(*machines[j]));
    }
  }
}

void SimNetwork::bridge(std::span<Machine* const> left, const Machine& bridge,
                        std::span<Machine* const> right) {
  CHECK(std::find(left.begin(), left.end(), &bridge) == left.end());
  CHECK(std::find(right.begin(), right.end(), &bridge) == right.end());
  partition(left, right);
}

void SimNetwork::clog(const Machine& from, const Machine& to, Duration extra_delay) {
  note_fault(fmt::format("clog {}>{} {} ns", from.name(), to.name(), extra_delay.count()));
  link(from, to).clog(extra_delay);
}

void SimNetwork::hold(const Machine& from, const Machine& to) {
  note_fault(fmt::format("hold {}>{}", from.name(), to.name()));
  bool is_first = true;
  for_each_wire_between(host_of(from), host_of(to), [&](Wire& wire, std::size_t end) {
    wire.out_of(end).hold();
    if (is_first) world_.ledger().injected("net.hold");
    is_first = false;
  });
}

void SimNetwork::release(const Machine& from, const Machine& to) {
  note_fault(fmt::format("release {}>{}", from.name(), to.name()));
  for_each_wire_between(host_of(from), host_of(to),
                        [](Wire& wire, std::size_t end) { wire.out_of(end).release(); });
}

std::size_t SimNetwork::reset_connections(const Machine& a, const Machine& b,
                                          std::uint32_t share_per_million) {
  return reset_some(a, b, share_per_million, true);
}

std::size_t SimNetwork::reset_one_side(const Machine& victim, const Machine& peer,
                                       std::uint32_t share_per_million) {
  return reset_some(victim, peer, share_per_million, false);
}

std::size_t SimNetwork::reset_some(const Machine& victim, const Machine& peer,
                                   std::uint32_t share_per_million, bool both_sides) {
  const char* const kind = both_sides ? "net.reset" : "net.reset_one_side";
  note_fault(fmt::format("{} {}>{}", kind, victim.name(), peer.name()));
  ChoiceStream& choices =
      world_.choices().stream("net/" + victim.name() + ">" + peer.name() + "/reset");
  std::size_t count = 0;
  for_each_wire_between(host_of(victim), host_of(peer), [&](Wire& wire, std::size_t end) {
    if (!wire.end(end).is_known || !wire.end(end).is_open) return;
    if (!choices.chance(share_per_million)) return;
    ++count;
    world_.ledger().injected(kind);
    world_.ledger().effective(kind);
    // In events of their own: nodes act on a break, and this may be called from anywhere.
    wire.out_of(end).break_soon(end);
    if (both_sides) wire.out_of(end).break_soon(1 - end);
  });
  return count;
}

void SimNetwork::heal_all() {
  note_fault("heal all");
  conditions_ = healthy(conditions_);
  for (Host* const each : hosts_) each->is_isolated = false;
  for (const auto& row : links_) {
    for (const auto& each : row) {
      if (each == nullptr) continue;
      each->set_conditions(healthy(each->conditions()));
      each->heal();
      if (each->clogged_by().count() > 0) each->clog(Duration{});
    }
  }
  for (const auto& wire : wires_) {
    if (!wire->is_in_use()) continue;
    for (const std::size_t end : {std::size_t{0}, std::size_t{1}}) {
      wire->out_of(end).release();
      wire->out_of(end).retry();
    }
  }
}

LinkConditions SimNetwork::healthy(const LinkConditions& conditions) {
  LinkConditions result;
  result.base_delay_least = conditions.base_delay_least;
  result.base_delay_most = conditions.base_delay_most;
  result.window_bytes = conditions.window_bytes;
  result.give_up_after = conditions.give_up_after;
  return result;
}

std::string SimNetwork::names_of(std::span<Machine* const> machines) {
  std::string names;
  for (const Machine* const each : machines) names += (names.empty() ? "" : " ") + each->name();
  return names;
}

// --- for oracles ---

LinkCounters SimNetwork::sent(const Machine& from, const Machine& to) {
  return link(from, to).counters();
}

std::size_t SimNetwork::live_connections(const Machine& machine) {
  return host_of(machine).live_connections;
}

}  // namespace keelson::sim

// SimNetwork: the network of a simulated world. Every machine gets a Network of its own; between
// them run ordered byte streams over links that delay, lose, stall, hold, split and cut.
//
// Addresses are "name:port" with the machine's name. Nothing that a node does here acts on another
// machine sooner than after the link's delay. What is undetermined is drawn from the streams
// "net/n1>n2/...". Faults are verbs, called outside any fiber of a machine; each is counted in the
// world's FaultLedger when it is injected and again whenever it had an effect.
//
// sim/links.h has what happens to bytes on the way, sim/wire.h how a stream lives and breaks,
// sim/sim_connection.h what nodes see of it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/runtime/network.h"
#include "sim/links.h"
#include "sim/wire.h"

namespace keelson::sim {

class Machine;
class SimListener;
class World;

// Watches what nodes say and hear, at the true moment. `connection` is the same number at both ends
// and unique in the world.
class NetworkTap {
 public:
  virtual ~NetworkTap() = default;

  // `bytes` were accepted from a write at `from`. A write that suspends comes in several parts.
  virtual void on_write(const Machine& from, const Machine& to, std::uint64_t connection,
                        BytesView bytes) = 0;
  // A read at `reader` returns `bytes`.
  virtual void on_read(const Machine& reader, const Machine& writer, std::uint64_t connection,
                       BytesView bytes) = 0;
};

// A machine as the network sees it, also before it was ever started and while it is without power.
struct Host {
  Host(std::string the_name, std::size_t the_index) : name(std::move(the_name)), index(the_index) {}

  const std::string name;
  const std::size_t index;
  Machine* machine = nullptr;
  bool is_on = false;        // Else nothing that is sent to it is answered.
  bool is_isolated = false;  // Links to machines that are yet to come are cut too.
  std::map<std::uint16_t, SimListener*> listeners;
  std::uint16_t next_listener_port = 20000;
  std::uint16_t next_client_port = 40000;
  std::size_t live_connections = 0;
};

class SimNetwork {
 public:
  // `world` outlives this object, and its events are not run after it.
  explicit SimNetwork(World& world);
  ~SimNetwork();
  SimNetwork(const SimNetwork&) = delete;
  SimNetwork& operator=(const SimNetwork&) = delete;

  // --- for the world ---

  // The network as the next incarnation of `machine` sees it; the machine is on from now. It and
  // what it made may outlive the incarnation, and are harmless then.
  std::unique_ptr<Network> endpoint(Machine& machine);

  // The incarnation is gone. Silently (power loss): no peer is told; what is sent to the machine
  // goes unanswered until it is started again, which answers with resets. Otherwise its kernel
  // closes all connections at once: peers are reset, connects are refused.
  void machine_gone(Machine& machine, bool silently);

  // --- conditions ---

  // For every link between two machines, those that are yet to come included.
  void set_conditions(const LinkConditions& conditions);
  void set_conditions(const Machine& from, const Machine& to, const LinkConditions& conditions);
  const LinkConditions& conditions(const Machine& from, const Machine& to);

  // --- faults ---

  // Nothing gets from `from` to `to`, and what is under way does not arrive either: it stalls until
  // heal(), or until the writer gives up after LinkConditions::give_up_after.
  void cut(const Machine& from, const Machine& to);
  // Undoes every cut of this direction. What stalled arrives after a link's delay.
  void heal(const Machine& from, const Machine& to);

  // Cuts every link between the two sets, both ways.
  void partition(std::span<Machine* const> left, std::span<Machine* const> right);
  // Cuts every link of the machine, both ways, to machines that are yet to come as well.
  void isolate(const Machine& machine);
  // Leaves each machine only the links to its two neighbours in this order.
  void ring(std::span<Machine* const> machines);
  // Cuts the two sets from each other; only `bridge`, which belongs to neither, hears both.
  void bridge(std::span<Machine* const> left, const Machine& bridge,
              std::span<Machine* const> right);

  // Everything written from now on takes `extra_delay` longer; 0 ends it.
  void clog(const Machine& from, const Machine& to, Duration extra_delay);

  // Keeps what the connections that exist now have under way or write from `from` to `to`, without
  // end and also after they were closed; connections made later pass by. release() lets it arrive:
  // so a request is carried out after its sender has reconnected and asked again.
  void hold(const Machine& from, const Machine& to);
  void release(const Machine& from, const Machine& to);

  // Breaks a share of the connections between two machines, chosen by draw, at both ends; returns
  // how many.
  std::size_t reset_connections(const Machine& a, const Machine& b,
                                std::uint32_t share_per_million);
  // The same, but only `victim` is told: the peer finds out by a reset when it writes.
  std::size_t reset_one_side(const Machine& victim, const Machine& peer,
                             std::uint32_t share_per_million);

  // Ends every cut, clog and hold, and every share and limit of the conditions. Base delays and
  // windows stay as they are.
  void heal_all();

  // --- for oracles, and for people ---

  // Null ends the watching.
  void set_tap(NetworkTap* tap) { tap_ = tap; }
  // A second pair of ears, for what shows a run to a person: told after the tap.
  void set_watcher(NetworkTap* watcher) { watcher_ = watcher; }
  // Whether anything that is written now gets through, and by how much it is clogged.
  bool is_cut(const Machine& from, const Machine& to) { return link(from, to).is_cut(); }
  Duration clogged_by(const Machine& from, const Machine& to) {
    return link(from, to).clogged_by();
  }
  LinkCounters sent(const Machine& from, const Machine& to);
  // Connections that the machine's node holds now, those that broke included.
  std::size_t live_connections(const Machine& machine);
  // Streams of which anything is left: an end that is held, or bytes under way.
  std::size_t wires_in_use() const { return wires_in_use_; }

  // --- for sim/wire.cc and sim/sim_connection.cc ---

  World& world() { return world_; }
  void tell_written(const Machine& from, const Machine& to, std::uint64_t connection,
                    BytesView bytes) {
    if (tap_ != nullptr) [[unlikely]] tap_->on_write(from, to, connection, bytes);
    if (watcher_ != nullptr) [[unlikely]] watcher_->on_write(from, to, connection, bytes);
  }
  void tell_read(const Machine& reader, const Machine& writer, std::uint64_t connection,
                 BytesView bytes) {
    if (tap_ != nullptr) [[unlikely]] tap_->on_read(reader, writer, connection, bytes);
    if (watcher_ != nullptr) [[unlikely]] watcher_->on_read(reader, writer, connection, bytes);
  }
  Host& host(const std::string& name);
  // Whether there is a machine of this name, started or not.
  bool knows(const std::string& name) const;
  Link& link(const Host& from, const Host& to);
  // A new stream; `connector` is end 0.
  Wire& take_wire(Host& connector, std::uint16_t connector_port, Host& acceptor,
                  std::uint16_t acceptor_port);
  // REQUIRES: the wire is taken and nothing is left of it.
  void give_back_wire(Wire& wire);

 private:
  Host& host_of(const Machine& machine);
  Link& link(const Machine& from, const Machine& to);
  void cut_both_ways(const Host& a, const Host& b);
  void heal_link(Host& from, Host& to);
  void retry_between(const Host& a, const Host& b);
  void note_fault(const std::string& text);
  static LinkConditions healthy(const LinkConditions& conditions);
  static std::string names_of(std::span<Machine* const> machines);
  template <typename Visit>
  void for_each_wire_between(const Host& a, const Host& b, Visit visit);
  std::size_t reset_some(const Machine& victim, const Machine& peer,
                         std::uint32_t share_per_million, bool both_sides);

  World& world_;
  NetworkTap* tap_ = nullptr;
  NetworkTap* watcher_ = nullptr;
  LinkConditions conditions_;
  std::map<std::string, std::unique_ptr<Host>> hosts_by_name_;
  std::vector<Host*> hosts_;                               // By index, in the order of appearance.
  std::vector<std::vector<std::unique_ptr<Link>>> links_;  // [from][to], made when first used.

  // Wires are events' targets, so they stay until the world ends and are used again.
  std::vector<std::unique_ptr<Wire>> wires_;
  std::vector<Wire*> free_wires_;
  std::size_t wires_in_use_ = 0;
  std::uint64_t next_connection_ = 1;
};

}  // namespace keelson::sim

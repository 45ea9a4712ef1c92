// World: machines, a network between them, and the loop that makes time pass. START HERE.
//
// A run is a function of its Choices. The world takes the next event, moves true time to it, lets
// its target act, and runs the fibers this made ready until every machine waits again. It does not
// know what the machines run: any void(Env&).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sim/event_queue.h"
#include "sim/fault_ledger.h"
#include "sim/trace.h"

namespace keelson {
class StackPool;
}

namespace keelson::sim {

class Choices;
class Machine;
class SimNetwork;

struct WorldOptions {
  // Fibers' stacks, to be reused from world to world, as mapping them is slow. It outlives the
  // world, which brings its own if there is none.
  StackPool* stacks = nullptr;
  // Lets the choices decide how often another ready fiber than the oldest runs, and which. Without,
  // and for one world in four, it is first in, first out.
  bool shuffle_fibers = true;
  // A machine's monotonic clock begins somewhere in [0, this] at each start.
  Duration uptime_limit = std::chrono::hours(1000);
  // What a right wall clock says at the beginning: 2026-01-01T00:00:00Z.
  std::int64_t wall_epoch_ms = 1'767'225'600'000;
};

class World {
 public:
  // `choices` outlives the world.
  explicit World(Choices& choices, WorldOptions options = {});
  // Kills every machine; on_ended is not called.
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // --- machines ---

  // A machine that runs nothing yet, known to the network by its name. Valid as long as the world.
  // REQUIRES: the name is new, not empty, and has none of ":", ">" and white space in it.
  Machine& add_machine(std::string name);
  // REQUIRES: there is one of this name.
  Machine& machine(std::string_view name);
  // Null when there is none.
  Machine* find_machine(std::string_view name);
  // In the order of add_machine.
  const std::vector<std::unique_ptr<Machine>>& machines() const { return machines_; }

  // --- the passing of time; none of these is called by a fiber or from within an event ---

  // Runs until now() == time and all that happens at that time has happened.
  void run_until(TrueTime time);
  void run_for(Duration span) { run_until(now() + span); }
  // Runs until the condition holds (true) or, at the latest, until `limit` has passed as above
  // (false). The condition is looked at first and after each event.
  bool run_until(const std::function<bool()>& condition, TrueTime limit);
  // The harness acts at that time, outside any fiber. REQUIRES: time >= now().
  void at(TrueTime time, std::function<void()> action);

  TrueTime now() const { return events_.now(); }

  // --- its parts; valid as long as the world ---

  EventQueue& events() { return events_; }
  Choices& choices() { return choices_; }
  FaultLedger& ledger() { return ledger_; }
  Trace& trace() { return trace_; }
  SimNetwork& network() { return *network_; }
  StackPool& stacks() { return *stacks_; }
  const WorldOptions& options() const { return options_; }
  // How often, in a million, another ready fiber than the oldest is to run: drawn once per world.
  std::uint32_t shuffle_per_million() const { return shuffle_per_million_; }

  // For Machine::touch.
  void will_run(Machine& machine) { touched_.push_back(&machine); }

 private:
  // What at() was given, by the number that its event carries.
  class Actions : public EventTarget {
   public:
    std::uint64_t add(std::function<void()> action);
    void on_event(std::uint64_t argument) override;

   private:
    std::uint64_t next_ = 0;
    std::map<std::uint64_t, std::function<void()>> waiting_;
  };

  void take_event();
  void run_touched();

  Choices& choices_;
  const WorldOptions options_;
  EventQueue events_;
  FaultLedger ledger_;
  Trace trace_;
  Actions actions_;
  std::unique_ptr<StackPool> own_stacks_;
  StackPool* const stacks_;
  const std::uint32_t shuffle_per_million_;
  std::unique_ptr<SimNetwork> network_;
  std::vector<std::unique_ptr<Machine>> machines_;

  std::vector<Machine*> touched_;  // To be run, in the order of touching.
  bool in_loop_ = false;
  std::uint64_t events_at_this_time_ = 0;
};

}  // namespace keelson::sim

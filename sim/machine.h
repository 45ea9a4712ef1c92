// Machine: a process, its clocks and its disk. The process may be gone and come back.
//
// Each start makes a new incarnation: a scheduler, an Env, and a root fiber that runs the program.
// The disk, the clocks' hardware and the marks stay from one incarnation to the next.
//
// How an incarnation ends, in this order:
//   1. its scheduler is halted: no fiber runs any more except to unwind;
//   2. SimNetwork::machine_gone(machine, silently) and SimDisk::power_loss() or process_gone()
//      revoke its Env: the objects that the program still holds become harmless shells;
//   3. its fibers unwind, youngest first, so destructors of connections and files run now;
//   4. the incarnation's Network and Disk handles and its scheduler are destroyed;
//   5. on_ended is called.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/event_log.h"
#include "sim/event_queue.h"
#include "sim/sim_clock.h"

namespace keelson {
struct Env;
class Scheduler;
}  // namespace keelson

namespace keelson::sim {

class SimDisk;
class SimSchedulePolicy;
class World;

enum class EndReason {
  returned,      // The program returned: an orderly stop.
  fail_stopped,  // The program called Process::fail_stop.
  crashed,       // Loss of power.
  killed,        // The process was killed; the machine went on.
};

const char* name_of(EndReason reason);

class Machine : public EventTarget {
 public:
  using Program = std::function<void(Env&)>;
  // `why` is fail_stop's reason, or what an orderly stop left behind ("3 fibers left"), or empty.
  using OnEnded = std::function<void(EndReason reason, std::string why)>;

  // Made by World::add_machine only.
  Machine(World& world, std::string name, std::uint32_t index);
  ~Machine() override;

  // --- the process; none of these is called by a fiber of this machine, except as said ---

  // Begins an incarnation that runs `program`; its first turn comes within the world's next loop.
  // REQUIRES: !is_running().
  void start(Program program);
  // Begins another incarnation of the program last started: memory lost, disk kept.
  // REQUIRES: !is_running(), and it was started before.
  void restart();
  // Asks for an orderly stop (SIGTERM). REQUIRES: is_running().
  void request_stop();
  // Loss of power: memory is gone, unsynced data at risk, and the peers are told nothing: they find
  // out when they send. A fiber of this machine may call it (a crash point in a disk or a link);
  // the machine then ends as soon as that fiber suspends. Nothing happens unless is_running().
  void crash();
  // SIGKILL: memory is gone, written data is kept, and the kernel resets the open connections. The
  // same holds about callers.
  void kill();
  // One more fiber of the running program, for what a harness asks of a node from outside. It dies
  // with the incarnation. REQUIRES: is_running(); `body` outlives nothing it refers to.
  void spawn(std::string name, Program body);
  // Called outside any fiber each time an incarnation has ended; it may restart the machine.
  void set_on_ended(OnEnded on_ended) { on_ended_ = std::move(on_ended); }

  // --- disturbances ---

  // SIGSTOP and SIGCONT: bytes arrive, timers come due and time passes, but no fiber runs.
  void pause();
  void resume();
  // Fibers run only this long after an event has made them ready; 0 is a fast machine.
  void set_slowness(Duration span);

  // --- questions ---

  bool is_running() const { return incarnation_ != nullptr; }
  bool is_paused() const { return paused_; }
  // How often it was started.
  std::uint64_t incarnation() const { return starts_; }
  std::size_t fiber_count() const;
  const std::string& name() const { return name_; }
  // From 1, in the order of add_machine.
  std::uint32_t index() const { return index_; }
  const Marks& marks() const { return marks_; }
  SimClock& clock() { return clock_; }
  SimDisk& disk() { return *disk_; }
  World& world() { return world_; }

  // --- for the network and the disk ---

  // Something was made ready on this machine's scheduler: its fibers run when the present event's
  // target has returned. Cheap; fine when it is not running or paused.
  void touch();
  // The scheduler of the present incarnation. REQUIRES: is_running().
  Scheduler& scheduler();

  // --- for World ---

  // Runs what is ready. Not for fibers.
  void run();
  void on_event(std::uint64_t argument) override;

 private:
  struct Incarnation;

  void end_by(EndReason reason, std::string why);
  void end(EndReason reason, const std::string& why);
  void revoke_env(EndReason reason);
  void arm_timer();
  bool waits_because_slow();

  World& world_;
  const std::string name_;
  const std::uint32_t index_;
  SimClock clock_;
  Marks marks_;
  std::unique_ptr<SimSchedulePolicy> schedule_;
  std::unique_ptr<SimDisk> disk_;
  Program program_;
  OnEnded on_ended_;

  std::unique_ptr<Incarnation> incarnation_;  // Null while the process is gone.
  std::uint64_t starts_ = 0;
  bool touched_ = false;  // In the world's list of machines to run.
  bool in_turn_ = false;  // run() is on the stack.
  bool paused_ = false;
  Duration slowness_{0};

  // Events of this machine in the world's queue carry a number each, from 1; one whose number is
  // neither of these two is out of date.
  std::uint64_t last_event_number_ = 0;
  std::uint64_t timer_event_ = 0;  // Will fire timers; 0 when none is pending.
  TrueTime timer_event_at_;
  std::uint64_t run_event_ = 0;    // Will let a slow machine run.
  bool run_is_due_ = false;
};

}  // namespace keelson::sim

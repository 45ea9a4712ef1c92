// Trace: what a run did, as a 64-bit digest that every event extends, and, when somebody listens,
// as lines a person can read: "[  1.200s] n2 raft: term 2 -> 3, follower -> candidate".
//
// Two runs of the same choices have the same digest; where they do not, the digests after each
// event (log_digests) tell the first event at which they part.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/event_queue.h"

namespace keelson::sim {

enum class Kind : std::uint8_t {
  step,          // The world took an event from its queue.
  log,           // A line of a node's event log.
  note,          // A line of the harness: a fault plan, a workload, an oracle.
  start,         // Machines.
  end,
  pause,
  resume,
  clock,         // A clock was disturbed.
  net_connect,   // The network.
  net_send,
  net_deliver,
  net_close,
  net_reset,
  net_fault,
  disk_write,    // Disks.
  disk_sync,
  disk_fault,
  invoke,        // Client operations.
  respond,
};

// The first word of the line: "machine", "net", "disk".
std::string_view name_of(Kind kind);

// What a listener is told. The views are valid during the call.
struct TraceEvent {
  std::uint64_t number;  // From 1, over all events, told or not.
  TrueTime at;
  std::uint32_t machine;  // Machine::index(); 0 is the world itself.
  std::string_view machine_name;
  Kind kind;
  std::string_view component;  // Of a log line: who speaks; else name_of(kind).
  std::string_view detail;
};

class Trace {
 public:
  using Listener = std::function<void(const TraceEvent&)>;
  // rare: logs, notes, machines, faults. all: messages, writes and client operations as well.
  enum class Detail { rare, all };

  explicit Trace(const EventQueue& events) : events_(events) {}

  // Extends the digest. `payload_hash` is made from what the event carries, never from an address.
  void record(std::uint32_t machine, Kind kind, std::uint64_t payload_hash) {
    extend(machine, kind, payload_hash);
  }
  // The same, and tells the listener; `detail` (a callable that returns the text) runs only if
  // there is one that wants it, and has no effect on the run.
  template <typename Text>
  void record(std::uint32_t machine, Kind kind, std::uint64_t payload_hash, Text&& detail) {
    extend(machine, kind, payload_hash);
    if (is_told(kind)) [[unlikely]] tell(machine, kind, name_of(kind), detail());
  }
  // A line of text, which is its own payload. Always in the digest.
  void line(std::uint32_t machine, Kind kind, std::string_view component, std::string_view text);
  // A line of the harness.
  void note(std::string_view text) { line(0, Kind::note, "world", text); }

  void set_listener(Listener listener, Detail detail = Detail::rare);
  bool is_told(Kind kind) const;

  std::uint64_t digest() const { return digest_; }
  std::uint64_t events_recorded() const { return number_; }

  // Appends the digest after each event to `log` from now on; nullptr ends it. `log` stays the
  // caller's.
  void log_digests(std::vector<std::uint64_t>* log) { digest_log_ = log; }

  // For World: machines in the order of their indexes, which begin at 1.
  void add_machine_name(std::string name) { machine_names_.push_back(std::move(name)); }

 private:
  void extend(std::uint32_t machine, Kind kind, std::uint64_t payload_hash);
  void tell(std::uint32_t machine, Kind kind, std::string_view component, std::string_view detail);

  const EventQueue& events_;
  std::uint64_t digest_ = 0x6b65656c736f6e00;  // "keelson"
  std::uint64_t number_ = 0;
  std::vector<std::uint64_t>* digest_log_ = nullptr;
  Listener listener_;
  Detail detail_ = Detail::rare;
  std::vector<std::string> machine_names_{"world"};
};

// "[  1.200s] n2 raft: elected", without the end of line.
std::string to_line(const TraceEvent& event);
// A listener that prints each line. `out` outlives the trace.
Trace::Listener print_to(std::ostream& out);

// The position (from 0) of the first event at which two digest logs differ; one that is the
// beginning of the other differs at its end. Nothing when they are equal.
std::optional<std::size_t> first_difference(const std::vector<std::uint64_t>& a,
                                            const std::vector<std::uint64_t>& b);

inline void Trace::extend(std::uint32_t machine, Kind kind, std::uint64_t payload_hash) {
  __extension__ using Wide = unsigned __int128;
  const std::uint64_t who = std::uint64_t{machine} << 8 | static_cast<std::uint8_t>(kind);
  // A 64 x 64 multiplication folded in half, as wyhash mixes; the constants are its odd primes.
  const std::uint64_t left = digest_ ^ payload_hash ^ 0xa0761d6478bd642f;
  const std::uint64_t right =
      (static_cast<std::uint64_t>(events_.now().ns) * 0x8ebc6af09c88c6e3 + who) ^
      0xe7037ed1a0b428db;
  const Wide product = static_cast<Wide>(left) * right;
  digest_ = (digest_ << 7 | digest_ >> 57) ^ static_cast<std::uint64_t>(product) ^
            static_cast<std::uint64_t>(product >> 64);
  ++number_;
  if (digest_log_ != nullptr) [[unlikely]] digest_log_->push_back(digest_);
}

inline bool Trace::is_told(Kind kind) const {
  if (!listener_) return false;
  if (kind <= Kind::clock || kind == Kind::net_fault || kind == Kind::disk_fault) {
    return kind != Kind::step;
  }
  return detail_ == Detail::all;
}

}  // namespace keelson::sim

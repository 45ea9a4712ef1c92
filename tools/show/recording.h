// Recording: a simulated run as a person sees it afterwards: machines, messages, what nodes thought
// of themselves, what went wrong, what clients asked. Values only; times are the simulator's own,
// in nanoseconds. recorder.h makes one, diagram.h and perfetto.h write it down.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::show {

constexpr std::int64_t kNever = -1;

// Texts by number: most are said many times.
class Texts {
 public:
  std::uint32_t add(std::string_view text);
  const std::vector<std::string>& all() const { return all_; }

 private:
  std::map<std::string, std::uint32_t, std::less<>> numbers_;
  std::vector<std::string> all_;
};

enum class MessageKind : std::uint8_t {
  heartbeat,  // An AppendEntries without entries.
  append,
  append_reply,
  pre_vote,
  pre_vote_reply,
  vote,
  vote_reply,
  snapshot,
  snapshot_reply,
  timeout_now,
  call,  // Requests between nodes that are not Raft's own.
  call_reply,
  session,  // Hello, proof, ping.
  http,
  bytes,  // Of a protocol that is not known here.
};
constexpr std::size_t kMessageKinds = 15;
// "AppendEntries", "pre-vote".
std::string_view name_of(MessageKind kind);

struct Message {
  MessageKind kind;
  std::uint32_t from = 0;  // Machine::index().
  std::uint32_t to = 0;
  std::int32_t group = -1;  // None.
  std::uint64_t term = 0;
  std::int64_t sent = 0;
  std::int64_t received = kNever;  // When its last octet was read.
  std::int64_t lost = kNever;      // When its connection broke. Neither: under way at the end.
  std::uint32_t text = 0;
};

// One change of what a node was in a group.
struct State {
  enum class Role : std::uint8_t { gone, starting, follower, pre_candidate, candidate, leader };

  std::int64_t at = 0;
  std::uint32_t machine = 0;
  std::int32_t group = 0;
  Role role = Role::gone;
  std::uint64_t term = 0;
  std::uint64_t leader = 0;  // A node's number; 0: it knows of none.
  std::uint64_t vote = 0;    // In this term, as far as it was heard; 0: none.
  std::uint64_t commit = 0;
  std::uint64_t applied = 0;
  std::uint64_t last = 0;
  std::uint32_t configuration = 0;  // A text.

  bool operator==(const State&) const = default;
};
std::string_view name_of(State::Role role);

enum class EventKind : std::uint8_t {
  log,
  note,
  start,
  end,
  pause,
  resume,
  clock,
  network_fault,
  connection_broken,
  disk_fault,
  sync,
  failed_sync,
};
constexpr std::size_t kEventKinds = 12;
std::string_view name_of(EventKind kind);

struct Event {
  std::int64_t at = 0;
  std::uint32_t machine = 0;  // 0: the world itself.
  EventKind kind;
  std::uint32_t text = 0;
};

struct Operation {
  std::uint32_t client = 0;
  std::uint32_t node = 0;  // 0: unknown.
  std::int64_t called = 0;
  std::int64_t returned = kNever;
  std::uint32_t what = 0;     // Texts.
  std::uint32_t outcome = 0;  // "ok", "fail", "unknown", "pending".
  std::uint32_t answer = 0;
};

// A direction between two machines that was cut, or slower by some time.
struct LinkTrouble {
  std::uint32_t from = 0;
  std::uint32_t to = 0;
  std::int64_t begin = 0;
  std::int64_t end = kNever;      // kNever: to the end of the run.
  std::int64_t clogged_by = 0;    // 0: cut.
};

struct Violation {
  std::string oracle;
  std::string message;
  std::int64_t at = 0;
};

struct Recording {
  struct Machine {
    std::string name;
    bool is_node = false;
  };

  std::string scenario;
  std::uint64_t seed = 0;
  std::string repeat;  // The command that repeats the run.
  std::uint64_t digest = 0;
  std::int64_t end = 0;
  std::optional<Violation> violation;

  std::vector<Machine> machines;  // By index; 0 is the world.
  std::int32_t groups = 0;        // g0, g1, ...
  Texts texts;
  std::vector<Message> messages;  // Each by its time.
  std::vector<State> states;
  std::vector<Event> events;
  std::vector<Operation> operations;
  std::vector<LinkTrouble> links;
};

}  // namespace keelson::show

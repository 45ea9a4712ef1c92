// History: what clients asked of objects and what they were told, as the checker takes it.
// Keelson's own tests make one in memory; keelson-check reads it from a file (history_reader.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scenarios/checker/linearizability.h"

namespace keelson::checker {

enum class Kind { read, write, remove, enqueue, dequeue };

enum class Outcome {
  ok,       // Answered, and the answer says what happened.
  fail,     // Surely did not happen: no evidence of anything.
  unknown,  // May have happened, or may yet happen.
};

struct Operation {
  std::string process;
  std::string key;  // Which object. Objects are linearizable on their own (Herlihy and Wing, 1990).
  Kind kind = Kind::read;
  Outcome outcome = Outcome::unknown;
  // Written or enqueued, or what a read or dequeue has returned; nothing: absent, or empty.
  std::optional<std::string> value;
  // A write or remove on the condition that `expected` is there (nothing: that nothing is).
  bool is_conditional = false;
  bool applied = true;  // False: the answer was that the condition did not hold.
  std::optional<std::string> expected;
  // Where it stands in a file, and when it was by the file's clock; 0 and nothing if not known.
  std::size_t called_line = 0;
  std::size_t returned_line = 0;
  std::optional<std::int64_t> called_at;
  std::optional<std::int64_t> returned_at;
};

// `events` are in the order in which they happened and name operations by position. An operation
// whose outcome is unknown has no return: it may take effect after its client gave up.
struct History {
  std::vector<Operation> operations;
  std::vector<HistoryEvent> events;
};

// Says in words what an operation (by position) is.
using Describe = std::function<std::string(std::size_t op)>;

// Which sequential specification the objects follow.
enum class ModelKind {
  objects,  // A value or none: read, write, remove; the latter two also under a condition.
  queues,   // First in, first out: enqueue, dequeue.
};

// "process 3 write 5 (lines 7 to 9)".
std::string describe(const Operation& operation);
// "refused", or what else is to be said of how it ended.
std::string describe_outcome(const Operation& operation);

}  // namespace keelson::checker

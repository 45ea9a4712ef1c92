// History: what clients asked of objects and what they were told, in true time.
//
// An object is a key with a value or none; an operation that failed surely changed nothing and is
// no evidence, and one of unknown outcome may take effect at any time after its call, or never.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "sim/true_time.h"

namespace keelson::scenarios {

enum class Outcome {
  pending,  // Not answered yet.
  ok,       // Answered, and the answer says what happened.
  fail,     // Surely did not happen.
  unknown,  // May have happened, or may yet happen.
};

const char* name_of(Outcome outcome);

struct Call {
  enum class Kind {
    get,
    put,
    put_if_absent,  // If-None-Match: *
    put_if_match,   // If-Match: the ETag of `expected`
    remove,
  };
  Kind kind = Kind::get;
  Bytes value;     // To put. Workloads put each value once, so that a read names its writer.
  Bytes expected;  // For put_if_match: the value whose ETag was given.
};

struct Answer {
  std::optional<Bytes> value;   // What a get returned; nothing says that the key was absent.
  bool condition_held = true;   // False when a conditional put was refused (412).
};

struct Operation {
  std::uint32_t client = 0;
  std::string key;
  Call call;
  Answer answer;  // Valid when outcome is ok.
  Outcome outcome = Outcome::pending;
  std::string where;  // Who was asked, for people ("n2").
  sim::TrueTime called;
  sim::TrueTime returned;
};

// "c2 put 'a7' to key x at n3 (1.200s to 1.310s): ok".
std::string describe(const Operation& operation);
// Its parts: what was asked, and what was answered.
std::string describe_call(const Operation& operation);
std::string describe_answer(const Operation& operation);

class History {
 public:
  using Id = std::size_t;

  // The order of calls to this object is the order in which things happened: it is kept, as one
  // true instant can see one operation return and the next begin.
  Id call(std::uint32_t client, std::string key, Call call, std::string where, sim::TrueTime now);
  // REQUIRES: called, and returned at most once. What never returns counts as unknown.
  void ok(Id id, Answer answer, sim::TrueTime now);
  void fail(Id id, sim::TrueTime now);
  void unknown(Id id, sim::TrueTime now);

  struct Event {
    Id op = 0;
    bool is_return = false;
  };
  const std::deque<Operation>& operations() const { return operations_; }
  const std::vector<Event>& events() const { return events_; }
  std::uint64_t count(Outcome outcome) const;

 private:
  void finish(Id id, Outcome outcome, sim::TrueTime now);

  std::deque<Operation> operations_;
  std::vector<Event> events_;
};

}  // namespace keelson::scenarios

// System: what a search can explore. A state in which certain events can happen, each of which
// leads to one other state. Nothing else is undetermined: the same events in the same order from
// the same beginning lead to the same state.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace keelson::sim {

// Something that can happen next. Its fields name it: an event that does not depend on another one
// that happens first can happen still, and is equal to what it was. What they mean is the system's.
struct Event {
  std::uint32_t kind = 0;
  std::uint32_t machine = 0;  // That it happens to.
  std::uint64_t detail = 0;

  auto operator<=>(const Event&) const = default;
};

// A promise that a state breaks.
struct Violation {
  std::string oracle;
  std::string message;

  bool operator==(const Violation&) const = default;
};

class System {
 public:
  virtual ~System() = default;

  // What can happen now, each once, in an order that depends on nothing but the state.
  virtual std::vector<Event> events() const = 0;

  // Makes it happen. Returns what it breaks. REQUIRES: `event` is one of events().
  virtual std::optional<Violation> take(const Event& event) = 0;

  // Whether both orders of these events lead from here to the same state, without either making the
  // other possible or impossible, or changing what is found broken. When in doubt: no. Symmetric.
  // REQUIRES: both are of events().
  virtual bool are_independent(const Event& one, const Event& other) const = 0;

  // Equal for states that have the same future, past violations aside. Nothing if states cannot be
  // told to be equal: then none is taken for one that was seen.
  virtual std::optional<std::uint64_t> hash() const = 0;

  // Another one in the same state. Null if that cannot be had: then the search makes it by
  // executing the schedule anew.
  virtual std::unique_ptr<System> copy() const = 0;

  // One line for a person: what the event is, here. REQUIRES: it is one of events().
  virtual std::string describe(const Event& event) const = 0;
  // One line for a person: the state of a machine that an event of events() happens to.
  virtual std::string describe_machine(std::uint32_t machine) const = 0;
};

// Makes a system in its first state.
using MakeSystem = std::function<std::unique_ptr<System>()>;

}  // namespace keelson::sim

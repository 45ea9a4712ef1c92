// Model: what one object (a key, a queue) is allowed to answer, as a sequential specification.
//
// The search in linearizability.h asks whether some order of the operations explains all answers;
// the model says what each operation does to a state, and may know enough of the whole history to
// spare the search what cannot matter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace keelson::checker {

class Model {
 public:
  // A state is a number; a model whose states are larger keeps them in a table of its own and hands
  // out positions. Equal states have equal numbers.
  using State = std::uint64_t;

  // What the search may take for granted about an operation.
  struct Traits {
    // If some order explains the history, then so does one in which it takes effect as soon as it
    // can: a read, a refused condition.
    bool is_eager = false;
    // It does the same to every state, so that nobody sees what was just before it.
    bool overwrites = false;
    // If some order explains the history, then so does one in which it takes effect just before the
    // next operation that overwrites: a write of a value that nothing shows.
    bool goes_unnoticed = false;
    // Operations of equal number, whose outcome is unknown, do the same to every state.
    std::size_t twins = 0;
  };

  virtual ~Model() = default;

  virtual State initial() const = 0;

  // The state after operation `op` (its position in the history), or nothing if in `state` it could
  // not have been answered as it was, or if no order that goes on so explains the history. An
  // operation of unknown outcome has a step only where it changes something: it need not happen.
  virtual std::optional<State> step(State state, std::size_t op) = 0;

  virtual Traits traits(std::size_t op) const = 0;

  // False if answers to operations that are called after the first `events` events of the history
  // need `state` to be there still, and nothing can bring it back.
  virtual bool may_leave(State state, std::size_t events) const = 0;

  virtual std::string describe_operation(std::size_t op) const = 0;
  virtual std::string describe_state(State state) const = 0;
};

}  // namespace keelson::checker

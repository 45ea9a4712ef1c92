// Model: what one object (a key, a queue) is allowed to answer, as a sequential specification.
//
// The search in linearizability.h asks whether some order of the operations explains all answers;
// the model says what each operation does to a state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace keelson::scenarios {

class Model {
 public:
  // A state is a number; a model whose states are larger keeps them in a table of its own and hands
  // out positions. Equal states have equal numbers.
  using State = std::uint64_t;

  virtual ~Model() = default;

  virtual State initial() const = 0;

  // The state after operation `op` (its position in the history), or nothing if in `state` it could
  // not have been answered as it was. An operation whose answer is unknown may do whatever it does.
  virtual std::optional<State> step(State state, std::size_t op) = 0;

  // True for an operation that changes no state in which it is possible (a read, a refused
  // condition). The search then needs not try it at more than one place.
  virtual bool never_changes(std::size_t op) const = 0;

  virtual std::string describe_operation(std::size_t op) const = 0;
  virtual std::string describe_state(State state) const = 0;
};

}  // namespace keelson::scenarios

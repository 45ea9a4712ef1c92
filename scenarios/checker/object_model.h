// One object that holds a value or none: a register, a key of a store, an S3 object. Reads, writes
// and removals, the latter two also under a condition on what is there (compare-and-set).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "scenarios/checker/history.h"
#include "scenarios/checker/model.h"

namespace keelson::checker {

class ObjectModel : public Model {
 public:
  struct Options {
    // Nothing is known of the state before the history: any read is explained until the first
    // write. For a part of a longer history.
    bool starts_anywhere = false;
    // Spares the search what answers to come rule out. Without it a refutation names the answer
    // that is wrong, and not the earlier one after which it could not be right any more.
    bool looks_ahead = true;
  };

  // `history` is that of one object and outlives the model, as does what `describe` needs.
  ObjectModel(const History& history, const Options& options, Describe describe);

  State initial() const override { return options_.starts_anywhere ? kAnything : kAbsent; }
  std::optional<State> step(State state, std::size_t op) override;
  Traits traits(std::size_t op) const override;
  bool may_leave(State state, std::size_t events) const override;
  std::string describe_operation(std::size_t op) const override { return describe_(op); }
  std::string describe_state(State state) const override;

 private:
  static constexpr State kAbsent = 0;
  static constexpr State kAnything = ~State{0};

  // An operation with its values as numbers, so that a step compares no strings.
  struct Numbered {
    Kind kind = Kind::read;
    bool is_known = false;
    bool is_conditional = false;
    bool applied = true;
    State value = kAbsent;  // What is there afterwards, or was read.
    State expected = kAbsent;
    std::size_t twins = 0;
    auto operator<=>(const Numbered&) const = default;
  };
  struct Value {
    std::size_t writers = 0;        // Operations that may bring it about.
    std::size_t last_read_call = 0;  // Position among the events, of reads that were answered.
    bool shows = false;             // Some answer or condition speaks of it.
  };

  State number_of(const std::optional<std::string>& value);
  void note(const Operation& operation);
  void find_twins();
  void note_reads(const std::vector<HistoryEvent>& events);

  const Options options_;
  const Describe describe_;
  std::map<std::string, State, std::less<>> numbers_;
  std::vector<std::string> names_;  // By number.
  std::vector<Value> values_;       // By number.
  std::vector<Numbered> operations_;
  bool has_refusals_ = false;
};

}  // namespace keelson::checker

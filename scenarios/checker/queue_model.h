// A queue: enqueue, and dequeue of what has been there longest, or the answer that it is empty.
//
// Many orders of overlapping enqueues explain the same dequeues, and a search that found out only
// at the dequeues would have to keep them all. So the model looks at the whole history first. Let
// each of two values be enqueued once and be dequeued by at most one operation that was answered.
// Then (Henzinger, Sezgin and Vafeiadis, "Aspect-oriented linearizability proofs", 2013) the one
// that left strictly earlier must have come earlier. And where neither the calls nor the returns
// order the two, neighbours in the queue may be exchanged: if some order explains the history, then
// so does one in which such neighbours stand by rank, those that nobody is known to have taken
// behind the others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "scenarios/checker/history.h"
#include "scenarios/checker/model.h"

namespace keelson::checker {

class QueueModel : public Model {
 public:
  // `history` is that of one queue and outlives the model, as does what `describe` needs. For
  // `looks_ahead` see ObjectModel::Options.
  QueueModel(const History& history, bool looks_ahead, Describe describe);

  State initial() const override { return 0; }
  std::optional<State> step(State state, std::size_t op) override;
  Traits traits(std::size_t op) const override;
  bool may_leave(State, std::size_t) const override { return true; }
  std::string describe_operation(std::size_t op) const override { return describe_(op); }
  std::string describe_state(State state) const override;

 private:
  using Position = std::size_t;  // Among the events of the history.

  // A value, and when it came and left as far as the history tells.
  struct Value {
    std::string name;
    std::size_t enqueues = 0;
    std::size_t dequeues = 0;
    Position enqueue_called = 0, enqueue_returned = 0;
    Position dequeue_called = 0, dequeue_returned = 0;
    bool is_ordered = false;  // The rules at the top apply to it.
    std::size_t rank = 0;     // Valid if is_ordered.
  };
  struct Step {
    Kind kind = Kind::dequeue;
    bool is_known = false;
    bool is_empty = false;    // A dequeue that found nothing.
    std::size_t value = 0;    // Valid unless is_empty, or a dequeue that is not known.
  };

  // What has ever been enqueued, as a tree of histories: the path from the root is the order.
  struct Node {
    std::size_t parent = 0;
    std::size_t jump = 0;  // An ancestor further away, so that any is a few steps off.
    std::size_t depth = 0;
    std::size_t value = 0;
    std::uint64_t hash = 0;  // Of the path.
  };
  // What is in the queue: the path to `last` without the part down to `before`.
  struct Content {
    std::size_t before = 0;
    std::size_t last = 0;
  };

  void number_operations(const History& history);
  void note_times(const History& history);
  void rank_values();
  bool may_follow(const Value& before, const Value& after) const;
  std::size_t ancestor(std::size_t node, std::size_t depth) const;
  std::size_t length(const Content& content) const;
  std::uint64_t hash_of(const Content& content);
  bool is_equal(Content left, Content right) const;
  State number_of(const Content& content);
  std::size_t child(std::size_t node, std::size_t value);

  const bool looks_ahead_;
  const Describe describe_;
  std::vector<Step> steps_;  // By operation.
  std::vector<Value> values_;
  bool has_unknown_dequeues_ = false;

  std::vector<Node> nodes_;
  std::map<std::pair<std::size_t, std::size_t>, std::size_t> children_;  // By node and value.
  std::vector<Content> contents_;                                       // By state.
  std::multimap<std::pair<std::uint64_t, std::size_t>, State> states_;  // By hash and length.
  std::vector<std::uint64_t> powers_;  // Of the factor in the hash.
};

}  // namespace keelson::checker

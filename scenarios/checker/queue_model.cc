// Tested by tests/scenarios/checker/queue_test.cc.
#include "scenarios/checker/queue_model.h"

#include <algorithm>
#include <limits>
#include <queue>

#include "core/base/bytes.h"
#include "core/base/check.h"

namespace keelson::checker {

namespace {

// Later than any event. What is never dequeued is called off before that.
constexpr std::size_t kNever = std::numeric_limits<std::size_t>::max();
constexpr std::uint64_t kFactor = 0x9e3779b97f4a7c15;

}  // namespace

QueueModel::QueueModel(const History& history, bool looks_ahead, Describe describe)
    : looks_ahead_(looks_ahead),
      describe_(std::move(describe)),
      nodes_(1),
      contents_(1),
      powers_{1} {
  states_.emplace(std::pair(std::uint64_t{0}, std::size_t{0}), State{0});
  number_operations(history);
  note_times(history);
  for (Value& value : values_) {
    value.is_ordered =
        value.enqueues == 1 && value.dequeues <= 1 && value.enqueue_returned != kNever;
  }
  rank_values();
}

void QueueModel::number_operations(const History& history) {
  std::map<std::string, std::size_t> numbers;
  for (const Operation& operation : history.operations) {
    Step step;
    step.kind = operation.kind;
    step.is_known = operation.outcome == Outcome::ok;
    if (step.kind == Kind::dequeue && !step.is_known) {
      has_unknown_dequeues_ = true;
    } else if (step.kind == Kind::dequeue && !operation.value) {
      step.is_empty = true;
    } else {
      CHECK(operation.value);
      const auto [at, is_new] = numbers.try_emplace(*operation.value, values_.size());
      if (is_new) {
        values_.push_back({.name = *operation.value,
                           .enqueue_returned = kNever,
                           .dequeue_called = kNever - 1,
                           .dequeue_returned = kNever});
      }
      step.value = at->second;
      ++(step.kind == Kind::enqueue ? values_[step.value].enqueues : values_[step.value].dequeues);
    }
    steps_.push_back(step);
  }
}

void QueueModel::note_times(const History& history) {
  for (Position position = 0; position < history.events.size(); ++position) {
    const HistoryEvent& event = history.events[position];
    const Step& step = steps_[event.op];
    if (step.is_empty || (step.kind == Kind::dequeue && !step.is_known)) continue;
    Value& value = values_[step.value];
    const bool is_enqueue = step.kind == Kind::enqueue;
    if (event.is_return) {
      (is_enqueue ? value.enqueue_returned : value.dequeue_returned) = position;
    } else {
      (is_enqueue ? value.enqueue_called : value.dequeue_called) = position;
    }
  }
}

// Ranks agree with every order that the history demands, unless its demands contradict each other:
// again and again, takes a value that no other one left must precede.
void QueueModel::rank_values() {
  // What was dequeued had been enqueued, whatever the enqueue's own return says.
  const auto came_by = [](const Value& v) {
    return std::min(v.enqueue_returned, v.dequeue_returned);
  };
  std::vector<std::size_t> by_call;
  for (std::size_t v = 0; v < values_.size(); ++v) {
    if (values_[v].is_ordered) by_call.push_back(v);
  }
  std::vector<std::size_t> by_coming = by_call;
  std::vector<std::size_t> by_leaving = by_call;
  const auto sort_by = [&](std::vector<std::size_t>& order, const auto& key) {
    std::sort(order.begin(), order.end(), [&](std::size_t left, std::size_t right) {
      return std::pair(key(values_[left]), left) < std::pair(key(values_[right]), right);
    });
  };
  sort_by(by_call, [](const Value& v) { return v.enqueue_called; });
  sort_by(by_coming, came_by);
  sort_by(by_leaving, [](const Value& v) { return v.dequeue_returned; });

  std::vector<bool> is_taken(values_.size(), false);
  const auto skip_taken = [&](const std::vector<std::size_t>& order, std::size_t& at) {
    while (at < order.size() && is_taken[order[at]]) ++at;
  };
  using Waiting = std::pair<Position, std::size_t>;
  using Waitings = std::priority_queue<Waiting, std::vector<Waiting>, std::greater<>>;
  Waitings leaving;  // May come next, as far as the enqueues say; by the call of their dequeues.
  Waitings staying;  // Likewise, for those that no known dequeue took; by how they came.
  std::size_t called = 0;
  std::size_t first_to_come = 0;
  std::size_t first_to_leave = 0;
  for (std::size_t rank = 0; rank < by_call.size(); ++rank) {
    skip_taken(by_coming, first_to_come);
    skip_taken(by_leaving, first_to_leave);
    const Position come_bound = came_by(values_[by_coming[first_to_come]]);
    const Position leave_bound = values_[by_leaving[first_to_leave]].dequeue_returned;
    for (; called < by_call.size(); ++called) {
      const Value& value = values_[by_call[called]];
      const bool has_waiting = !leaving.empty() || !staying.empty();
      if (value.enqueue_called >= come_bound && has_waiting) break;
      if (value.dequeues == 1) leaving.emplace(value.dequeue_called, by_call[called]);
      else staying.emplace(came_by(value), by_call[called]);
    }
    const bool may_leave = !leaving.empty() && leaving.top().first < leave_bound;
    Waitings& chosen = may_leave || staying.empty() ? leaving : staying;
    const std::size_t next = chosen.top().second;
    chosen.pop();
    values_[next].rank = rank;
    is_taken[next] = true;
  }
}

// False if no order in which `after` stands right behind `before` is worth trying.
bool QueueModel::may_follow(const Value& before, const Value& after) const {
  if (!looks_ahead_ || !before.is_ordered || !after.is_ordered) return true;
  const bool came_earlier = before.enqueue_returned < after.enqueue_called;
  if (before.dequeues == 0 && after.dequeues == 1) {
    // Only a dequeue of unknown outcome can have made way; it can as well do so afterwards.
    return has_unknown_dequeues_ && came_earlier;
  }
  if (after.dequeue_returned < before.dequeue_called) return false;  // It left strictly earlier.
  return before.rank < after.rank || came_earlier ||
         before.dequeue_returned < after.dequeue_called ||
         before.dequeue_returned < after.enqueue_called;
}

std::optional<Model::State> QueueModel::step(State state, std::size_t op) {
  const Step& step = steps_[op];
  const Content content = contents_[state];
  const bool is_empty = content.before == content.last;
  if (step.kind == Kind::enqueue) {
    if (!is_empty && !may_follow(values_[nodes_[content.last].value], values_[step.value])) {
      return std::nullopt;
    }
    return number_of({content.before, child(content.last, step.value)});
  }
  if (step.is_empty) return is_empty ? std::optional(state) : std::nullopt;
  if (is_empty) return std::nullopt;  // Of unknown outcome: then it did nothing, and need not be.
  const std::size_t first = ancestor(content.last, nodes_[content.before].depth + 1);
  const Value& value = values_[nodes_[first].value];
  if (step.is_known && nodes_[first].value != step.value) return std::nullopt;
  // What a known dequeue took, and nobody else can have brought, this one has not taken.
  if (!step.is_known && value.enqueues == 1 && value.dequeues == 1) return std::nullopt;
  return number_of({first, content.last});
}

Model::Traits QueueModel::traits(std::size_t op) const {
  const Step& step = steps_[op];
  Traits traits;
  // What only this dequeue can take, it may take as soon as it is first; and the sooner it is gone,
  // the sooner the next are.
  traits.is_eager = step.kind == Kind::dequeue && step.is_known &&
                    (step.is_empty ||
                     (values_[step.value].enqueues == 1 && values_[step.value].dequeues == 1));
  traits.twins = step.kind == Kind::dequeue ? 0 : 1 + step.value;
  return traits;
}

std::string QueueModel::describe_state(State state) const {
  const Content content = contents_[state];
  if (content.before == content.last) return "empty";
  constexpr std::size_t kShown = 5;
  std::string text = "[";
  const std::size_t begin = nodes_[content.before].depth;
  for (std::size_t i = 1; i <= std::min(length(content), kShown); ++i) {
    if (i > 1) text += ", ";
    text += values_[nodes_[ancestor(content.last, begin + i)].value].name;
  }
  if (length(content) > kShown) text += ", ...";
  return text + "]";
}

// --- contents ---

std::size_t QueueModel::ancestor(std::size_t node, std::size_t depth) const {
  while (nodes_[node].depth > depth) {
    const std::size_t jump = nodes_[node].jump;
    node = nodes_[jump].depth >= depth ? jump : nodes_[node].parent;
  }
  return node;
}

std::size_t QueueModel::length(const Content& content) const {
  return nodes_[content.last].depth - nodes_[content.before].depth;
}

std::uint64_t QueueModel::hash_of(const Content& content) {
  while (powers_.size() <= length(content)) powers_.push_back(powers_.back() * kFactor);
  return nodes_[content.last].hash - nodes_[content.before].hash * powers_[length(content)];
}

bool QueueModel::is_equal(Content left, Content right) const {
  while (left.last != left.before && left.last != right.last) {
    if (nodes_[left.last].value != nodes_[right.last].value) return false;
    left.last = nodes_[left.last].parent;
    right.last = nodes_[right.last].parent;
  }
  return true;
}

Model::State QueueModel::number_of(const Content& content) {
  const auto key = std::pair(hash_of(content), length(content));
  const auto [begin, end] = states_.equal_range(key);
  for (auto known = begin; known != end; ++known) {
    if (is_equal(content, contents_[known->second])) return known->second;
  }
  contents_.push_back(content);
  states_.emplace(key, contents_.size() - 1);
  return contents_.size() - 1;
}

std::size_t QueueModel::child(std::size_t node, std::size_t value) {
  const auto [known, is_new] = children_.try_emplace({node, value}, nodes_.size());
  if (!is_new) return known->second;
  const Node& parent = nodes_[node];
  const Node& far = nodes_[parent.jump];
  // Myers, "An applicative random-access stack" (1983): jumps of lengths that make every ancestor
  // logarithmically many steps away.
  const bool doubles = parent.depth - far.depth == far.depth - nodes_[far.jump].depth;
  Node added;
  added.parent = node;
  added.jump = doubles ? far.jump : node;
  added.depth = parent.depth + 1;
  added.value = value;
  Bytes number;
  append_u64(number, value);
  added.hash = parent.hash * kFactor + hash64(number);
  nodes_.push_back(added);
  return nodes_.size() - 1;
}

}  // namespace keelson::checker

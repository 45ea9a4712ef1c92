#include "tests/scenarios/checker/generated_histories.h"

#include <fmt/format.h>

#include <deque>
#include <optional>
#include <utility>

namespace keelson::checker {

namespace {

class Generation {
 public:
  Generation(Choices& choices, const GenerationOptions& options)
      : choices_(choices), options_(options), running_(options.processes) {}

  History run() {
    while (begun_ < options_.operations || is_any_running()) {
      const std::uint32_t process = choices_.below(options_.processes);
      if (!late_.empty() && choices_.one_in(4)) take_effect_late();
      std::optional<Running>& running = running_[process];
      if (!running) {
        // Processes that have nothing to do pass: the last ones must come to an end.
        if (begun_ < options_.operations) call(process);
        else finish_some();
      } else if (!running->has_taken_effect) {
        take_effect(*running);
      } else {
        finish(running);
      }
    }
    return std::move(history_);
  }

 private:
  struct Running {
    std::size_t op = 0;
    bool has_taken_effect = false;
  };

  bool is_any_running() const {
    for (const auto& running : running_) {
      if (running) return true;
    }
    return false;
  }

  std::string draw_value() {
    return options_.values == 0 ? fmt::format("v{}", next_value_++)
                                : fmt::format("{}", choices_.below(options_.values));
  }

  void call(std::uint32_t process) {
    ++begun_;
    Operation operation;
    operation.process = fmt::format("{}", process);
    if (options_.model == ModelKind::queues) {
      operation.kind = choices_.below(2) == 0 ? Kind::enqueue : Kind::dequeue;
    } else {
      const std::uint32_t kind = choices_.below(options_.is_conditional ? 6 : 4);
      operation.kind = kind < 2 ? Kind::read : kind == 5 ? Kind::remove : Kind::write;
      operation.is_conditional = kind == 4 || (kind == 5 && choices_.below(2) == 1);
      if (operation.is_conditional && choices_.below(3) != 0) operation.expected = draw_expected();
    }
    if (operation.kind == Kind::write || operation.kind == Kind::enqueue) {
      operation.value = draw_value();
    }
    running_[process] = Running{history_.operations.size(), false};
    history_.events.push_back({history_.operations.size(), false});
    history_.operations.push_back(std::move(operation));
  }

  std::string draw_expected() {
    // Most often what is there, as otherwise hardly any condition would hold.
    if (!contents_.empty() && choices_.below(3) != 2) return contents_.front();
    return fmt::format("{}", choices_.below(options_.values + 1));
  }

  void take_effect(Running& running) {
    running.has_taken_effect = true;
    Operation& operation = history_.operations[running.op];
    if (options_.fail_one_in != 0 && choices_.one_in(options_.fail_one_in)) {
      operation.outcome = Outcome::fail;
    } else if (options_.unknown_one_in != 0 && choices_.one_in(options_.unknown_one_in)) {
      if (choices_.below(2) == 0) late_.push_back(running.op);  // Or never.
    } else {
      perform(operation);
      operation.outcome = Outcome::ok;
    }
  }

  void take_effect_late() {
    Operation operation = history_.operations[late_.front()];
    late_.pop_front();
    perform(operation);  // Nobody is told the answer.
  }

  void perform(Operation& operation) {
    const std::optional<std::string> first =
        contents_.empty() ? std::nullopt : std::optional(contents_.front());
    switch (operation.kind) {
      case Kind::enqueue: contents_.push_back(*operation.value); return;
      case Kind::dequeue:
        operation.value = first;
        if (first) contents_.pop_front();
        return;
      case Kind::read: operation.value = first; return;
      case Kind::write:
      case Kind::remove:
        operation.applied = !operation.is_conditional || first == operation.expected;
        if (!operation.applied) return;
        contents_.clear();
        if (operation.value) contents_.push_back(*operation.value);
    }
  }

  void finish(std::optional<Running>& running) {
    if (history_.operations[running->op].outcome != Outcome::unknown) {
      history_.events.push_back({running->op, true});
    }
    running.reset();
  }

  void finish_some() {
    for (auto& running : running_) {
      if (!running) continue;
      if (!running->has_taken_effect) take_effect(*running);
      finish(running);
      return;
    }
  }

  Choices& choices_;
  const GenerationOptions& options_;
  History history_;
  std::vector<std::optional<Running>> running_;  // By process.
  std::deque<std::string> contents_;
  std::deque<std::size_t> late_;  // Of unknown outcome, and still to take effect.
  std::size_t begun_ = 0;
  std::size_t next_value_ = 0;
};

std::vector<std::size_t> answered(const History& history) {
  std::vector<std::size_t> found;
  for (std::size_t op = 0; op < history.operations.size(); ++op) {
    if (history.operations[op].outcome == Outcome::ok) found.push_back(op);
  }
  return found;
}

// Exchanges the answer with that of another operation of the kind, or makes it up.
void change_answer(Choices& choices, History& history, std::size_t op) {
  Operation& changed = history.operations[op];
  if (changed.is_conditional) {
    changed.applied = !changed.applied;
    return;
  }
  std::vector<std::optional<std::string>> values{std::nullopt};
  for (const Operation& operation : history.operations) {
    if (operation.value) values.push_back(operation.value);
  }
  const auto value = values[choices.below(static_cast<std::uint32_t>(values.size()))];
  const bool brings = changed.kind == Kind::write || changed.kind == Kind::enqueue;
  if (changed.kind != Kind::remove && (value || !brings)) changed.value = value;
}

}  // namespace

History correct_history(Choices& choices, const GenerationOptions& options) {
  return Generation(choices, options).run();
}

void mutate(Choices& choices, History& history) {
  const std::vector<std::size_t> known = answered(history);
  if (known.empty()) return;
  const std::size_t op = known[choices.below(static_cast<std::uint32_t>(known.size()))];
  switch (choices.below(4)) {
    case 0:
    case 1: change_answer(choices, history, op); return;
    case 2: {  // A neighbour's event moves past it; then it may return before what it has seen.
      const auto at = choices.below(static_cast<std::uint32_t>(history.events.size() - 1));
      HistoryEvent& left = history.events[at];
      HistoryEvent& right = history.events[at + 1];
      if (left.op != right.op) std::swap(left, right);
      return;
    }
    case 3: {
      Operation& operation = history.operations[op];
      operation.outcome = choices.below(2) == 0 ? Outcome::fail : Outcome::unknown;
      if (operation.kind == Kind::read || operation.kind == Kind::dequeue) operation.value.reset();
      if (operation.outcome == Outcome::unknown) std::erase(history.events, HistoryEvent{op, true});
    }
  }
}

std::string text_of(const History& history) {
  std::string text;
  for (const HistoryEvent& event : history.events) {
    text += fmt::format("{} {}: {}\n", event.is_return ? "return" : "call  ", event.op,
                        describe(history.operations[event.op]));
  }
  return text;
}

}  // namespace keelson::checker

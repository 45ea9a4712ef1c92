// Tested by tests/scenarios/checker/linearizability_test.cc against every permutation of small
// histories.
#include "scenarios/checker/linearizability.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "scenarios/checker/slot_set.h"
#include "core/base/check.h"

namespace keelson::checker {

namespace {

constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

// Which slot each operation has while it is pending: the lowest that is free when it is called.
// Those that never return keep theirs.
struct Slots {
  std::vector<std::size_t> of;    // By operation.
  std::vector<bool> is_returning;  // By operation.
  std::size_t count = 0;          // Those that are used at all.
};

Slots give_slots(const std::vector<HistoryEvent>& events) {
  std::size_t operations = 0;
  for (const HistoryEvent& event : events) operations = std::max(operations, event.op + 1);
  Slots slots;
  slots.of.assign(operations, kNone);
  slots.is_returning.assign(operations, false);
  std::set<std::size_t> free;
  for (const HistoryEvent& event : events) {
    std::size_t& slot = slots.of[event.op];
    if (event.is_return) {
      CHECK(slot != kNone && !slots.is_returning[event.op]);
      slots.is_returning[event.op] = true;
      free.insert(slot);
    } else {
      CHECK(slot == kNone);
      slot = free.empty() ? slots.count++ : free.extract(free.begin()).value();
    }
  }
  return slots;
}

template <std::size_t kWords>
class Search {
 public:
  Search(Model& model, const std::vector<HistoryEvent>& events, const Slots& slots,
         const Budget& budget)
      : model_(model), events_(events), slots_(slots), budget_(budget),
        twin_before_(slots.of.size(), kNone), op_in_(slots.count, kNone),
        seen_(events.size() + 1) {
    std::map<std::size_t, std::size_t> last_of_kind;
    for (std::size_t op = 0; op < slots_.of.size(); ++op) {
      traits_.push_back(model_.traits(op));
      if (slots_.is_returning[op]) continue;
      const auto [last, is_first] = last_of_kind.try_emplace(traits_[op].twins, op);
      if (!is_first) twin_before_[op] = std::exchange(last->second, op);
    }
  }

  LinearizabilityResult run() {
    if (follow({model_.initial(), {}, {}}, 0)) return explained();
    while (!stack_.empty()) {
      Frame& frame = stack_.back();
      if (is_over()) return undecided();
      move_to(frame.position);
      order_.resize(frame.order_size);
      const std::size_t slot = next_candidate(frame);
      if (slot == SlotSet<kWords>::kSlots) {
        stack_.pop_back();
        continue;
      }
      const std::size_t position = frame.position;
      if (const auto after = take_effect(frame.configuration, slot)) {
        if (follow(*after, position)) return explained();
      }
    }
    return refuted();
  }

 private:
  using Set = SlotSet<kWords>;

  // One way to explain the history so far.
  struct Configuration {
    Model::State state = 0;
    Set done;      // The pending operations that have taken effect and will return.
    Set optional;  // Those that have taken effect and never return.
  };

  // A configuration that waits at a return whose operation has not taken effect in it.
  struct Frame {
    Configuration configuration;
    std::size_t position = 0;    // Of that return among the events.
    std::size_t order_size = 0;  // How many have taken effect so far.
    Set untried;                 // Slots.
    bool has_tried_returning = false;
  };

  // Configurations that were explored at one event, without those that another one makes useless:
  // of two that differ only in operations of unknown outcome, the one that has used fewer of them
  // can do all the other can. Without this rule n such operations would mean 2^n configurations.
  class Seen {
   public:
    // False if it is there already or is useless.
    bool add(const Configuration& added) {
      std::vector<Set>& kept = kept_[{added.state, added.done}];
      for (const Set& optional : kept) {
        if (optional.is_subset_of(added.optional)) return false;
      }
      std::erase_if(kept, [&](const Set& o) { return added.optional.is_subset_of(o); });
      kept.push_back(added.optional);
      return true;
    }

   private:
    std::map<std::pair<Model::State, Set>, std::vector<Set>> kept_;
  };

  // Follows the events from `position` on, for as long as what returns has taken effect. True at
  // the end of the history; otherwise pushes a frame, unless there was an equal one.
  bool follow(Configuration configuration, std::size_t position) {
    const std::size_t begin = position;
    for (; position < events_.size(); ++position) {
      move_to(position);
      const HistoryEvent& event = events_[position];
      if (!event.is_return) continue;
      take_eager_ones(configuration);
      const std::size_t slot = slots_.of[event.op];
      if (!configuration.done.contains(slot)) break;
      configuration.done.erase(slot);
    }
    if (position == events_.size()) return true;
    if (position > deepest_) states_at_deepest_.clear();
    deepest_ = std::max(deepest_, position);
    if (position == deepest_ && position > begin) states_at_deepest_.insert(configuration.state);
    if (!seen_[position].add(configuration)) return false;
    ++configurations_;
    const Set untried = pending_.without(configuration.done).without(configuration.optional);
    stack_.push_back({configuration, position, order_.size(), untried, false});
    return false;
  }

  // Makes `pending_` what it is just before the event at `position`.
  void move_to(std::size_t position) {
    for (; position_ < position; ++position_) apply(events_[position_], false);
    while (position_ > position) apply(events_[--position_], true);
  }

  void apply(const HistoryEvent& event, bool backwards) {
    const std::size_t slot = slots_.of[event.op];
    if (event.is_return == backwards) {
      pending_.insert(slot);
      op_in_[slot] = event.op;
    } else {
      pending_.erase(slot);
    }
  }

  // The operation that must take effect now comes first, as most often nothing else must.
  std::size_t next_candidate(Frame& frame) {
    if (!frame.has_tried_returning) {
      frame.has_tried_returning = true;
      const std::size_t returning = slots_.of[events_[frame.position].op];
      frame.untried.erase(returning);
      return returning;
    }
    // Those that need not happen come last, so that a useless configuration meets the one that
    // makes it so.
    std::size_t optional = Set::kSlots;
    std::size_t known = Set::kSlots;
    frame.untried.for_each([&](std::size_t slot) {
      std::size_t& found = slots_.is_returning[op_in_[slot]] ? known : optional;
      if (found == Set::kSlots) found = slot;
    });
    const std::size_t chosen = known != Set::kSlots ? known : optional;
    if (chosen != Set::kSlots) frame.untried.erase(chosen);
    return chosen;
  }

  // What comes of `configuration` when the operation in `slot` takes effect, or nothing if it
  // cannot, or if another order does as well.
  std::optional<Configuration> take_effect(Configuration configuration, std::size_t slot) {
    const std::size_t op = op_in_[slot];
    const bool is_returning = slots_.is_returning[op];
    if (!is_returning && twin_before_[op] != kNone &&
        !configuration.optional.contains(slots_.of[twin_before_[op]])) {
      return std::nullopt;
    }
    ++steps_;
    const auto state = model_.step(configuration.state, op);
    if (!state) return std::nullopt;
    if (*state != configuration.state && !model_.may_leave(configuration.state, position_)) {
      return std::nullopt;
    }
    if (traits_[op].overwrites) hide_unnoticed_ones(configuration, slot);
    configuration.state = *state;
    (is_returning ? configuration.done : configuration.optional).insert(slot);
    order_.push_back(op);
    return configuration;
  }

  void hide_unnoticed_ones(Configuration& configuration, std::size_t overwriting) {
    pending_.without(configuration.done).for_each([&](std::size_t slot) {
      const std::size_t op = op_in_[slot];
      if (slot == overwriting || !slots_.is_returning[op] || !traits_[op].goes_unnoticed) return;
      configuration.done.insert(slot);
      order_.push_back(op);
    });
  }

  void take_eager_ones(Configuration& configuration) {
    bool changed = true;
    while (changed) {
      changed = false;
      pending_.without(configuration.done).for_each([&](std::size_t slot) {
        const std::size_t op = op_in_[slot];
        if (!traits_[op].is_eager || !slots_.is_returning[op]) return;
        ++steps_;
        const auto state = model_.step(configuration.state, op);
        if (!state) return;
        changed = changed || *state != configuration.state;
        configuration.state = *state;
        configuration.done.insert(slot);
        order_.push_back(op);
      });
    }
  }

  bool is_over() {
    if (steps_ > budget_.steps || configurations_ > budget_.configurations) return true;
    if (steps_ < asks_at_ || !budget_.is_spent) return false;
    asks_at_ = steps_ + 4096;
    return budget_.is_spent();
  }

  LinearizabilityResult explained() {
    return {.verdict = Verdict::linearizable, .steps = steps_, .order = std::move(order_), .op = 0,
            .message = {}, .pending = {}};
  }

  LinearizabilityResult undecided() const {
    return {.verdict = Verdict::undecided, .steps = steps_, .order = {}, .op = 0,
            .message = fmt::format("the budget was spent after {} steps", steps_), .pending = {}};
  }

  LinearizabilityResult refuted() {
    move_to(deepest_);
    const std::size_t op = events_[deepest_].op;
    std::string possible;
    for (const Model::State state : states_at_deepest_) {
      if (!possible.empty()) possible += " or ";
      possible += model_.describe_state(state);
    }
    std::string sentence = fmt::format("nothing explains {}; before it the state was {}",
                                       model_.describe_operation(op), possible);
    std::vector<std::size_t> pending;
    pending_.for_each([&](std::size_t slot) {
      if (op_in_[slot] != op) pending.push_back(op_in_[slot]);
    });
    std::sort(pending.begin(), pending.end());
    for (std::size_t i = 0; i < pending.size(); ++i) {
      sentence += i == 0 ? "; pending: " : ", ";
      sentence += model_.describe_operation(pending[i]);
    }
    return {.verdict = Verdict::not_linearizable, .steps = steps_, .order = {}, .op = op,
            .message = std::move(sentence), .pending = std::move(pending)};
  }

  Model& model_;
  const std::vector<HistoryEvent>& events_;
  const Slots& slots_;
  const Budget& budget_;
  std::vector<Model::Traits> traits_;
  // The last operation of unknown outcome before that does the same. Such twins take effect in the
  // order of their calls, as then fewer of them need be tried.
  std::vector<std::size_t> twin_before_;

  // Where in the history the search is: `pending_` is just before the event at `position_`.
  std::size_t position_ = 0;
  Set pending_;
  std::vector<std::size_t> op_in_;  // By slot; valid for pending ones.

  std::vector<Frame> stack_;
  std::vector<std::size_t> order_;  // What has taken effect on the way to the configuration.
  std::vector<Seen> seen_;          // By position.
  std::uint64_t steps_ = 0;
  std::uint64_t configurations_ = 0;
  std::uint64_t asks_at_ = 0;  // After how many steps it is asked whether the budget is spent.

  // The furthest that any configuration came, and with which states: for the message.
  std::size_t deepest_ = 0;
  std::set<Model::State> states_at_deepest_;
};

}  // namespace

LinearizabilityResult check_linearizability(Model& model, const std::vector<HistoryEvent>& events,
                                            const Budget& budget) {
  const Slots slots = give_slots(events);
  if (slots.count <= 64) return Search<1>(model, events, slots, budget).run();
  if (slots.count <= 128) return Search<2>(model, events, slots, budget).run();
  if (slots.count <= 256) return Search<4>(model, events, slots, budget).run();
  if (slots.count <= 512) return Search<8>(model, events, slots, budget).run();
  if (slots.count <= 1024) return Search<16>(model, events, slots, budget).run();
  if (slots.count <= 4096) return Search<64>(model, events, slots, budget).run();
  return {.verdict = Verdict::undecided, .steps = 0, .order = {}, .op = 0,
          .message = "more than 4096 operations overlap", .pending = {}};
}

}  // namespace keelson::checker

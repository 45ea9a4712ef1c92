// Tested by tests/scenarios/linearizability_test.cc against every permutation of small histories.
#include "scenarios/linearizability.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <deque>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "core/base/check.h"

namespace keelson::scenarios {

namespace {

constexpr std::size_t kSlots = 64;
constexpr std::size_t kFree = std::numeric_limits<std::size_t>::max();

// Pending operations, one bit a slot.
using Slots = std::uint64_t;

constexpr Slots bit(std::size_t slot) { return Slots{1} << slot; }

// One way to explain the history so far.
struct Configuration {
  Model::State state = 0;
  Slots done = 0;      // The pending operations that have taken effect and will return.
  Slots optional = 0;  // Those that have taken effect and never return.
};

// Configurations, without those that another one makes useless: of two that differ only in
// operations of unknown outcome, the one that has used fewer of them can do all the other can.
// Without this rule n such operations would mean 2^n configurations.
class Frontier {
 public:
  // False if it is there already or is useless.
  bool add(const Configuration& added) {
    std::vector<Slots>& kept = kept_[{added.state, added.done}];
    for (const Slots optional : kept) {
      if ((optional & ~added.optional) == 0) return false;
    }
    std::erase_if(kept, [&](Slots optional) { return (added.optional & ~optional) == 0; });
    kept.push_back(added.optional);
    return true;
  }

  std::deque<Configuration> take_all() {
    std::deque<Configuration> all;
    for (const auto& [key, optionals] : std::exchange(kept_, {})) {
      for (const Slots optional : optionals) all.push_back({key.first, key.second, optional});
    }
    return all;
  }

  bool empty() const { return kept_.empty(); }

 private:
  std::map<std::pair<Model::State, Slots>, std::vector<Slots>> kept_;
};

class Search {
 public:
  Search(Model& model, std::vector<bool> returns, std::uint64_t steps_limit)
      : model_(model), steps_limit_(steps_limit), returns_(std::move(returns)),
        slot_of_(returns_.size(), kFree) {
    slots_.fill(kFree);
    configurations_.add({model.initial(), 0, 0});
  }

  LinearizabilityResult run(const std::vector<HistoryEvent>& events) {
    for (const HistoryEvent& event : events) {
      if (!event.is_return) {
        if (!take_slot(event.op)) return undecided(event.op, "more than 64 operations overlap");
        continue;
      }
      if (!on_return(event.op)) {
        return undecided(event.op, fmt::format("the budget of {} steps was spent", steps_limit_));
      }
      if (configurations_.empty()) return refuted(event.op);
    }
    return {.verdict = Verdict::linearizable, .steps = steps_, .op = 0, .message = {}};
  }

 private:
  bool take_slot(std::size_t op) {
    CHECK(slot_of_[op] == kFree);
    if (pending_ == ~Slots{0}) return false;
    const auto slot = static_cast<std::size_t>(std::countr_one(pending_));
    slots_[slot] = op;
    slot_of_[op] = slot;
    pending_ |= bit(slot);
    if (!returns_[op]) never_return_ |= bit(slot);
    return true;
  }

  // Keeps the configurations in which `op` has taken effect, after letting pending operations do so
  // in every order that ends with it. False when the budget is spent.
  bool on_return(std::size_t op) {
    const std::size_t slot = slot_of_[op];
    CHECK(slot != kFree && (pending_ & bit(slot)));
    std::deque<Configuration> open = configurations_.take_all();
    states_before_.clear();
    for (const Configuration& configuration : open) states_before_.insert(configuration.state);
    Frontier seen;
    while (!open.empty()) {
      // Shortest orders first, so that a useless configuration meets the one that makes it so.
      Configuration configuration = open.front();
      open.pop_front();
      take_reads(configuration);
      if (configuration.done & bit(slot)) {
        configuration.done &= ~bit(slot);
        configurations_.add(configuration);
        continue;
      }
      if (!seen.add(configuration)) continue;
      for (Slots left = pending_ & ~configuration.done & ~configuration.optional; left != 0;
           left &= left - 1) {
        const auto next = static_cast<std::size_t>(std::countr_zero(left));
        if (++steps_ > steps_limit_) return false;
        const auto state = model_.step(configuration.state, slots_[next]);
        if (!state) continue;
        Configuration after = {*state, configuration.done, configuration.optional};
        (never_return_ & bit(next) ? after.optional : after.done) |= bit(next);
        open.push_back(after);
      }
    }
    slots_[slot] = kFree;
    pending_ &= ~bit(slot);
    return true;
  }

  // An operation that changes nothing may as well take effect as soon as it is possible.
  void take_reads(Configuration& configuration) {
    for (Slots left = pending_ & ~never_return_ & ~configuration.done; left != 0;
         left &= left - 1) {
      const auto slot = static_cast<std::size_t>(std::countr_zero(left));
      if (!model_.never_changes(slots_[slot])) continue;
      ++steps_;
      if (model_.step(configuration.state, slots_[slot])) configuration.done |= bit(slot);
    }
  }

  LinearizabilityResult undecided(std::size_t op, std::string why) const {
    return {.verdict = Verdict::undecided, .steps = steps_, .op = op, .message = std::move(why)};
  }

  LinearizabilityResult refuted(std::size_t op) const {
    std::string possible;
    for (const Model::State state : states_before_) {
      if (!possible.empty()) possible += " or ";
      possible += model_.describe_state(state);
    }
    std::string pending;
    for (Slots left = pending_; left != 0; left &= left - 1) {
      pending += pending.empty() ? "; pending: " : ", ";
      pending += model_.describe_operation(slots_[std::countr_zero(left)]);
    }
    return {.verdict = Verdict::not_linearizable,
            .steps = steps_,
            .op = op,
            .message = fmt::format("nothing explains {}; before it the state was {}{}",
                                   model_.describe_operation(op), possible, pending)};
  }

  Model& model_;
  const std::uint64_t steps_limit_;
  std::uint64_t steps_ = 0;
  const std::vector<bool> returns_;  // By operation.

  // Pending operations by slot; those that never return keep theirs for good.
  std::array<std::size_t, kSlots> slots_;
  std::vector<std::size_t> slot_of_;
  Slots pending_ = 0;
  Slots never_return_ = 0;

  Frontier configurations_;
  std::set<Model::State> states_before_;  // Those possible before the last return, for the message.
};

}  // namespace

LinearizabilityResult check_linearizability(Model& model, const std::vector<HistoryEvent>& events,
                                            std::uint64_t steps_limit) {
  std::size_t operations = 0;
  for (const HistoryEvent& event : events) operations = std::max(operations, event.op + 1);
  std::vector<bool> returns(operations, false);
  for (const HistoryEvent& event : events) {
    if (event.is_return) returns[event.op] = true;
  }
  return Search(model, std::move(returns), steps_limit).run(events);
}

}  // namespace keelson::scenarios

// Tested by tests/scenarios/probe_claim_test.cc.
#include "scenarios/probe_claim.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/check.h"
#include "scenarios/words.h"

namespace keelson::scenarios {

void ProbeClaim::leads(NodeId node, raft::Term term, sim::TrueTime now) {
  // Nearly every call is a heartbeat of the present leader, which is the last of the list.
  for (auto reign = reigns_.rbegin(); reign != reigns_.rend(); ++reign) {
    if (reign->node == node && reign->term == term) return;
  }
  CHECK(reigns_.empty() || reigns_.back().since <= now);
  reigns_.push_back({node, term, now});
}

std::optional<std::string> ProbeClaim::judge(const ProbeObservation& probe) {
  ++judged_;
  if (probe.status != 200) return std::nullopt;
  ++answered_200_;
  const std::string answered =
      fmt::format("{} answered 200 on its {} leader probe {} from {} to {}",
                  to_string(probe.node), probe.listener, probe.target, say(probe.start),
                  say(probe.end));
  const std::optional<raft::Term> own = last_term_led(probe.node, probe.end);
  if (!own) {
    const Reign* leader = reigns_.empty() ? nullptr : &reigns_.back();
    return answered + ", but it had never led" +
           (leader ? fmt::format("; {} had led term {} since {}", to_string(leader->node),
                                 leader->term.value, say(leader->since))
                   : std::string());
  }
  for (auto reign = reigns_.rbegin(); reign != reigns_.rend(); ++reign) {
    if (reign->node == probe.node || reign->term <= *own || reign->since > probe.end) continue;
    if (reign->since >= probe.start) {
      ++contested_200_;
      continue;
    }
    return fmt::format("{}, but {} had led term {} since {}; {}'s last term was {}", answered,
                       to_string(reign->node), reign->term.value, say(reign->since),
                       to_string(probe.node), own->value);
  }
  if (const auto told = told_to_stop_.find(probe.node);
      told != told_to_stop_.end() && told->second < probe.start) {
    return fmt::format("{}, but it had been told to stop at {}", answered, say(told->second));
  }
  if (const auto begun = handing_over_.find(probe.node);
      begun != handing_over_.end() && begun->second < probe.start) {
    return fmt::format("{}, but it has been handing its leadership over since {}", answered,
                       say(begun->second));
  }
  if (!had_own_entry(probe)) {
    return fmt::format("{}, but no majority held an entry of its term {}", answered, own->value);
  }
  return std::nullopt;
}

// It may have answered in any term that it led between the probe's start and end.
bool ProbeClaim::had_own_entry(const ProbeObservation& probe) const {
  if (!is_established_) return true;
  const auto oldest = last_term_led(probe.node, probe.start);
  return std::any_of(reigns_.begin(), reigns_.end(), [&](const Reign& reign) {
    return reign.node == probe.node && reign.since <= probe.end &&
           (!oldest || reign.term >= *oldest) && is_established_(reign.term);
  });
}

std::optional<Reign> ProbeClaim::latest() const {
  if (reigns_.empty()) return std::nullopt;
  return *std::max_element(reigns_.begin(), reigns_.end(), [](const Reign& a, const Reign& b) {
    return a.term < b.term;
  });
}

std::optional<raft::Term> ProbeClaim::last_term_led(NodeId node, sim::TrueTime by) const {
  std::optional<raft::Term> last;
  for (const Reign& reign : reigns_) {
    if (reign.since > by) break;
    if (reign.node == node && (!last || *last < reign.term)) last = reign.term;
  }
  return last;
}

}  // namespace keelson::scenarios

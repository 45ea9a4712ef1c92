#include "tools/show/story.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "core/base/check.h"

namespace keelson::show {

namespace {

struct Line {
  std::int64_t at = 0;
  std::string text;
};

class Story {
 public:
  explicit Story(const Recording& recording) : recording_(recording) {}

  std::vector<Line> tell() {
    for (const Event& event : recording_.events) tell(event);
    for (const State& state : recording_.states) tell(state);
    for (const Operation& operation : recording_.operations) tell(operation);
    std::ranges::stable_sort(lines_, {}, &Line::at);
    if (recording_.violation) {
      const Violation& violation = *recording_.violation;
      lines_.push_back({violation.at, fmt::format("BROKEN: {}: {}", violation.oracle,
                                                  violation.message)});
    }
    return std::move(lines_);
  }

 private:
  const std::string& text(std::uint32_t number) const { return recording_.texts.all()[number]; }
  const std::string& name(std::uint32_t machine) const {
    return recording_.machines[machine].name;
  }

  void tell(const Event& event) {
    const std::string& words = text(event.text);
    const bool is_of_node = recording_.machines[event.machine].is_node;
    switch (event.kind) {
      case EventKind::note:
        if (words.starts_with("nemesis: ")) lines_.push_back({event.at, words});
        return;
      case EventKind::start:
        // All do at the beginning.
        if (event.at > 0 && is_of_node) add(event, words);
        return;
      case EventKind::end:
        if (is_of_node) add(event, words);
        return;
      case EventKind::pause:
      case EventKind::resume:
        if (is_of_node) add(event, event.kind == EventKind::pause ? "pauses" : "resumes");
        return;
      case EventKind::disk_fault:
      case EventKind::failed_sync:
      case EventKind::clock: return add(event, words);
      case EventKind::log:
      case EventKind::network_fault:
      case EventKind::connection_broken:
      case EventKind::sync: return;
    }
  }

  void add(const Event& event, const std::string& words) {
    lines_.push_back({event.at, name(event.machine) + ": " + words});
  }

  void tell(const State& state) {
    State::Role& before = roles_[{state.machine, state.group}];
    const bool wins = state.role == State::Role::leader && before != State::Role::leader;
    before = state.role;
    if (!wins) return;
    lines_.push_back({state.at, fmt::format("{}: leads g{} in term {}", name(state.machine),
                                            state.group, state.term)});
  }

  // What was answered as the oracle spoke: often that is what is wrong.
  void tell(const Operation& operation) {
    if (!recording_.violation || operation.returned != recording_.violation->at) return;
    lines_.push_back({operation.returned,
                      fmt::format("{}: {} at {}, asked at {}.{:06}s: {} {}", name(operation.client),
                                  text(operation.what), name(operation.node),
                                  operation.called / 1'000'000'000,
                                  operation.called / 1'000 % 1'000'000, text(operation.outcome),
                                  text(operation.answer))});
  }

  const Recording& recording_;
  std::vector<Line> lines_;
  std::map<std::pair<std::uint32_t, std::int32_t>, State::Role> roles_;
};

}  // namespace

std::string to_story(const Recording& recording, std::size_t lines_max) {
  CHECK(lines_max > 0);
  const std::vector<Line> lines = Story(recording).tell();
  const std::size_t left_out = lines.size() > lines_max ? lines.size() - lines_max : 0;
  std::string story;
  if (left_out > 0) story = fmt::format("  {} lines before\n", left_out);
  for (std::size_t i = left_out; i < lines.size(); ++i) {
    story += fmt::format("  [{:>3}.{:06}s] {}\n", lines[i].at / 1'000'000'000,
                         lines[i].at / 1'000 % 1'000'000, lines[i].text);
  }
  return story;
}

}  // namespace keelson::show

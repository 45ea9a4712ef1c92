// Tested by tests/tools/recording_test.cc.
#include "tools/simulate/recording.h"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <sstream>
#include <string_view>

namespace keelson::simulate {

namespace {

// Splits off the first word.
std::string_view take_word(std::string_view& line) {
  const std::size_t space = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, space);
  line.remove_prefix(std::min(space + 1, line.size()));
  return word;
}

std::int64_t take_number(std::string_view& line) {
  return std::strtoll(std::string(take_word(line)).c_str(), nullptr, 10);
}

std::vector<Recording::Event> told_from(const std::vector<Recording::Event>& events,
                                        std::size_t first, std::size_t most) {
  std::vector<Recording::Event> told;
  for (std::size_t i = first; i < events.size() && told.size() < most; ++i) {
    if (!events[i].text.empty()) told.push_back(events[i]);
  }
  return told;
}

std::vector<Recording::Event> told_before(const std::vector<Recording::Event>& events,
                                          std::size_t end, std::size_t most) {
  std::vector<Recording::Event> told;
  for (std::size_t i = end; i > 0 && told.size() < most; --i) {
    if (!events[i - 1].text.empty()) told.push_back(events[i - 1]);
  }
  std::reverse(told.begin(), told.end());
  return told;
}

// The time of the first event from there on that tells it, or of the run's end.
std::int64_t time_from(const std::vector<Recording::Event>& events, std::size_t first) {
  for (std::size_t i = first; i < events.size(); ++i) {
    if (!events[i].text.empty()) return events[i].at_ns;
  }
  return INT64_MAX;
}

void compare_choices(const Recording& a, const Recording& b, std::int64_t until_ns,
                     Parting& parting) {
  std::set<std::string> in_a;
  std::set<std::string> in_b;
  for (const auto& [at_ns, text] : a.choices) in_a.insert(text);
  for (const auto& [at_ns, text] : b.choices) in_b.insert(text);
  for (const Recording::Drawn& drawn : a.choices) {
    if (drawn.at_ns > until_ns) break;
    (in_b.contains(drawn.text) ? parting.both : parting.only_a).push_back(drawn);
  }
  for (const Recording::Drawn& drawn : b.choices) {
    if (drawn.at_ns > until_ns) break;
    if (!in_a.contains(drawn.text)) parting.only_b.push_back(drawn);
  }
}

}  // namespace

Recording parse_recording(const std::string& text) {
  Recording recording;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::string_view rest = line;
    const std::string_view word = take_word(rest);
    if (word == "event") {
      const std::string_view digest = take_word(rest);
      const std::int64_t at_ns = take_number(rest);
      recording.events.push_back({std::string(digest), std::string(rest), at_ns});
    } else if (word == "choice") {
      const std::int64_t at_ns = take_number(rest);
      recording.choices.push_back({at_ns, std::string(rest)});
    } else if (word == "failure") {
      recording.failure = rest;
    }
  }
  return recording;
}

std::optional<Parting> where_they_part(const Recording& a, const Recording& b,
                                       std::size_t events_shown) {
  const std::size_t common = std::min(a.events.size(), b.events.size());
  std::size_t first = 0;
  while (first < common && a.events[first].digest == b.events[first].digest) ++first;
  if (first == a.events.size() && first == b.events.size()) return std::nullopt;
  Parting parting;
  parting.event = first + 1;
  parting.before = told_before(a.events, first, events_shown);
  parting.after_in_a = told_from(a.events, first, events_shown);
  parting.after_in_b = told_from(b.events, first, events_shown);
  // What was drawn just before shows at the next event that tells its time.
  const std::int64_t until_ns = std::min(time_from(a.events, first), time_from(b.events, first));
  compare_choices(a, b, until_ns, parting);
  return parting;
}

}  // namespace keelson::simulate

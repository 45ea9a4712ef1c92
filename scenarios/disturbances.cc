#include "scenarios/disturbances.h"

#include "core/base/check.h"

namespace keelson::scenarios {

void Disturbances::end_all(sim::TrueTime now) {
  for (auto& [key, spans] : spans_) {
    while (spans.open > 0) end_span(spans, now);
  }
}

bool Disturbances::touched(std::string_view machine, sim::TrueTime start,
                           sim::TrueTime end) const {
  return touched(key(machine), start, end);
}

bool Disturbances::touched_link(std::string_view a, std::string_view b, sim::TrueTime start,
                                sim::TrueTime end) const {
  return touched(key(a, b), start, end);
}

Disturbances::Key Disturbances::key(std::string_view a, std::string_view b) {
  CHECK(a != b);
  return a < b ? Key{a, b} : Key{b, a};
}

void Disturbances::begin_span(Spans& spans, sim::TrueTime now) {
  if (spans.open++ == 0) spans.open_since = now;
}

void Disturbances::end_span(Spans& spans, sim::TrueTime now) {
  CHECK(spans.open > 0);
  CHECK(now >= spans.open_since);
  if (--spans.open == 0) spans.closed.emplace_back(spans.open_since, now);
}

bool Disturbances::touched(const Key& key, sim::TrueTime start, sim::TrueTime end) const {
  const auto found = spans_.find(key);
  if (found == spans_.end()) return false;
  const Spans& spans = found->second;
  if (spans.open > 0 && spans.open_since <= end) return true;
  // The latest are last, and they are what is asked about.
  for (auto span = spans.closed.rbegin(); span != spans.closed.rend(); ++span) {
    if (span->second < start) return false;
    if (span->first <= end) return true;
  }
  return false;
}

}  // namespace keelson::scenarios

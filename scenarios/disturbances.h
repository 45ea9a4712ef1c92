// Disturbances: when which machine, or the way between two of them, was not fit to keep a promise
// about time. A bound is judged only for spans in which nothing of the kind went on.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/true_time.h"

namespace keelson::scenarios {

class Disturbances {
 public:
  // A machine is paused, slow, down, or its clock or disk misbehaves. Begin and end are counted, so
  // that disturbances may overlap. REQUIRES: end after begin; times do not go back.
  void begin(std::string_view machine, sim::TrueTime now) { begin_span(spans_[key(machine)], now); }
  void end(std::string_view machine, sim::TrueTime now) { end_span(spans_[key(machine)], now); }
  // The way between two machines, either direction.
  void begin_link(std::string_view a, std::string_view b, sim::TrueTime now) {
    begin_span(spans_[key(a, b)], now);
  }
  void end_link(std::string_view a, std::string_view b, sim::TrueTime now) {
    end_span(spans_[key(a, b)], now);
  }
  // Ends whatever is going on.
  void end_all(sim::TrueTime now);

  bool touched(std::string_view machine, sim::TrueTime start, sim::TrueTime end) const;
  bool touched_link(std::string_view a, std::string_view b, sim::TrueTime start,
                    sim::TrueTime end) const;

 private:
  struct Spans {
    std::uint32_t open = 0;
    sim::TrueTime open_since;
    std::vector<std::pair<sim::TrueTime, sim::TrueTime>> closed;
  };
  using Key = std::pair<std::string, std::string>;

  static Key key(std::string_view machine) { return {std::string(machine), {}}; }
  static Key key(std::string_view a, std::string_view b);
  static void begin_span(Spans& spans, sim::TrueTime now);
  static void end_span(Spans& spans, sim::TrueTime now);
  bool touched(const Key& key, sim::TrueTime start, sim::TrueTime end) const;

  std::map<Key, Spans> spans_;
};

}  // namespace keelson::scenarios

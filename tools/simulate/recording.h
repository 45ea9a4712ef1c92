// What `keelson-sim events` prints of a run, and where two runs part.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace keelson::simulate {

struct Recording {
  struct Event {
    std::string digest;
    std::string text;  // Empty: it tells none, and no time.
    std::int64_t at_ns = 0;
    bool operator==(const Event&) const = default;
  };
  struct Drawn {
    std::int64_t at_ns = 0;
    std::string text;  // "stream nth value"
    bool operator==(const Drawn&) const = default;
  };
  std::vector<Event> events;
  std::vector<Drawn> choices;  // By time.
  std::string failure;         // Empty: it held.
};

// Lines that it does not know are skipped.
Recording parse_recording(const std::string& text);

struct Parting {
  std::size_t event = 0;            // The number, from 1, of the first that differs.
  std::vector<Recording::Event> before;      // The last events of both that tell something,
  std::vector<Recording::Event> after_in_a;  // and the next of each: none at the run's end.
  std::vector<Recording::Event> after_in_b;
  // Choices made until then.
  std::vector<Recording::Drawn> only_a;
  std::vector<Recording::Drawn> only_b;
  std::vector<Recording::Drawn> both;
};

// Nothing if the runs are the same. Shows so many events of each kind at most.
std::optional<Parting> where_they_part(const Recording& a, const Recording& b,
                                       std::size_t events_shown);

}  // namespace keelson::simulate

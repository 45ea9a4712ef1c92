// RefusalLog: says why a peer was refused, once, and not again for every attempt that follows.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "core/base/event_log.h"
#include "core/runtime/clock.h"

namespace keelson::raft {

class RefusalLog {
 public:
  // Both outlive this object.
  RefusalLog(EventLog& log, const Clock& clock) : log_(log), clock_(clock) {}

  // One line for the same text in kSilence, with how often it was held back meanwhile; and no more
  // than kTextsMax different ones, as the text may be the peer's choice.
  void refused(const std::string& text);

 private:
  static constexpr Duration kSilence = std::chrono::minutes(1);
  static constexpr std::size_t kTextsMax = 32;

  struct Told {
    Instant at;
    std::uint64_t held_back = 0;
  };

  EventLog& log_;
  const Clock& clock_;
  std::map<std::string, Told> told_;
};

}  // namespace keelson::raft

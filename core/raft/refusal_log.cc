// Tested by tests/core/node/transport_test.cc.
#include "core/raft/refusal_log.h"

#include <fmt/format.h>

namespace keelson::raft {

void RefusalLog::refused(const std::string& text) {
  const Instant now = clock_.now();
  const auto found = told_.find(text);
  if (found != told_.end()) {
    Told& told = found->second;
    if (now - told.at < kSilence) {
      ++told.held_back;
      return;
    }
    log_.event("transport", fmt::format("{} (and {} times before)", text, told.held_back));
    told = {.at = now};
    return;
  }
  if (told_.size() >= kTextsMax) {
    std::erase_if(told_, [&](const auto& entry) { return now - entry.second.at >= kSilence; });
  }
  if (told_.size() >= kTextsMax) return;
  told_.emplace(text, Told{.at = now});
  log_.event("transport", text);
}

}  // namespace keelson::raft

// EventLog of the real world: lines on standard error, "[  1.200s] n2 raft: ...", with the time
// since this log began.
#pragma once

#include <string>

#include "core/base/event_log.h"
#include "core/runtime/clock.h"

namespace keelson {

class StderrLog final : public EventLog {
 public:
  // `node` is what the lines call the node ("n2"). The clock outlives this object.
  StderrLog(const Clock& clock, std::string node, int descriptor = 2)
      : clock_(clock), start_(clock.now()), node_(std::move(node)), descriptor_(descriptor) {}

  // One write(2) a line, so that lines of several nodes do not mix. What cannot be written is lost:
  // a full pipe must not stop a node.
  void event(std::string_view component, std::string_view text) override;

 private:
  const Clock& clock_;
  const Instant start_;
  const std::string node_;
  const int descriptor_;
};

}  // namespace keelson

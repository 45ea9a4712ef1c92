// EventLog of the real world: lines on standard error, in one of two forms:
//   text  [  1.200s] n2 raft: term 2 -> 3        with the time since this log began
//   json  {"time_ms":1764000001200,"node":"n2","component":"raft","event":"term 2 -> 3"}
//                                                with the wall clock's, in milliseconds since 1970
#pragma once

#include <string>

#include "core/base/event_log.h"
#include "core/runtime/clock.h"

namespace keelson {

enum class LogFormat { text, json };

class StderrLog final : public EventLog {
 public:
  // `node` is what the lines call the node ("n2"). The clock outlives this object.
  StderrLog(const Clock& clock, std::string node, LogFormat format = LogFormat::text,
            int descriptor = 2)
      : clock_(clock), start_(clock.now()), node_(std::move(node)), format_(format),
        descriptor_(descriptor) {}

  // One write(2) a line, so that lines of several nodes do not mix. What cannot be written is lost:
  // a full pipe must not stop a node.
  void event(std::string_view component, std::string_view text) override;

 private:
  std::string as_text(std::string_view component, std::string_view text) const;
  std::string as_json(std::string_view component, std::string_view text) const;

  const Clock& clock_;
  const Instant start_;
  const std::string node_;
  const LogFormat format_;
  const int descriptor_;
};

}  // namespace keelson

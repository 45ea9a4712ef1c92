// The event log: what a node tells a person, one line an event, the same lines in production and in
// a simulated trace: "[  1.200s] n2 raft: term 2 -> 3, follower -> candidate (election timeout)".
//
// Only rare events are logged (role and membership changes, connections, refusals, drains), never
// one line a request, so a line is always formatted, traced or not.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>

namespace keelson {

class EventLog {
 public:
  virtual ~EventLog() = default;

  // `component` is the folder or part that speaks ("raft", "s3"); the world adds time and node.
  virtual void event(std::string_view component, std::string_view text) = 0;
};

// Counts the rare paths that a run has taken. Lives as long as its node's Env.
class Marks {
 public:
  // REQUIRES: `path` outlives this object (a string literal).
  void reached(std::string_view path) { ++counts_[path]; }

  const std::map<std::string_view, std::uint64_t>& counts() const { return counts_; }

 private:
  std::map<std::string_view, std::uint64_t> counts_;
};

}  // namespace keelson

// SOMETIMES(env.marks, "raft: conflicting suffix truncated"): a path that a gate must have taken.
// Scenarios list the marks they demand (scenarios/scenario.h).
#define SOMETIMES(marks, path) (marks).reached(path)

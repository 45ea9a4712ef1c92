// Tested by tests/core/storage/group_log_test.cc.
#include "core/storage/group_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/check.h"

namespace keelson::storage {

namespace {

// A term that only a summary knew of: no entry has it.
constexpr raft::Term kUnknown{0};

Error corrupt(std::string message) { return Error{ErrorCode::corrupt, std::move(message)}; }

}  // namespace

Result<GroupLog> GroupLog::of(const Summary& summary, std::uint32_t segment) {
  const raft::LogStart& start = summary.start;
  const raft::LogStart& last = summary.last;
  if (last.index < start.index || last.term < start.term ||
      (last.index == start.index && last.term != start.term)) {
    return corrupt(fmt::format("a log from {} to {}", start.index.value, last.index.value));
  }
  GroupLog log;
  log.hard_state_ = summary.hard_state;
  log.start_ = start;
  const raft::LogIndex first = start.index.next();
  if (first < last.index) {
    log.runs_.push_back({segment, kUnknown, first, last.index.previous()});
  }
  if (start.index < last.index) log.runs_.push_back({segment, last.term, last.index, last.index});
  return log;
}

Result<void> GroupLog::set_hard_state(const raft::HardState& hard_state) {
  if (hard_state.current_term < hard_state_.current_term) {
    return corrupt(fmt::format("the term goes back from {} to {}", hard_state_.current_term.value,
                               hard_state.current_term.value));
  }
  hard_state_ = hard_state;
  return {};
}

Result<void> GroupLog::put(const Run& run) {
  CHECK(run.first <= run.last);
  if (run.first <= start_.index || run.first > last().index.next()) {
    return corrupt(fmt::format("entry {} after entry {}", run.first.value, last().index.value));
  }
  const auto term_before = run.term == kUnknown ? raft::Term(1) : term_at(run.first.previous());
  if (term_before && run.term < *term_before) {
    return corrupt(fmt::format("entry {} is of term {}, the one before of term {}",
                               run.first.value, run.term.value, term_before->value));
  }
  while (!runs_.empty() && runs_.back().first >= run.first) runs_.pop_back();
  if (runs_.empty()) {
    runs_.push_back(run);
    return {};
  }
  Run& before = runs_.back();
  CHECK(before.segment <= run.segment);
  before.last = run.first.previous();
  if (before.segment == run.segment && before.term == run.term) {
    before.last = run.last;
  } else {
    runs_.push_back(run);
  }
  return {};
}

Result<void> GroupLog::cut(const raft::LogStart& start) {
  const auto term = term_at(start.index);
  if (start.index < start_.index || start.index > last().index || (term && *term != start.term)) {
    return corrupt(fmt::format("a cut at entry {} of term {}, in a log from {} to {}",
                               start.index.value, start.term.value, start_.index.value,
                               last().index.value));
  }
  start_ = start;
  const auto kept = std::find_if(runs_.begin(), runs_.end(),
                                 [&](const Run& run) { return run.last > start.index; });
  runs_.erase(runs_.begin(), kept);
  if (!runs_.empty()) runs_.front().first = start.index.next();
  return {};
}

Result<void> GroupLog::restart(const raft::LogStart& start) {
  if (start.index < start_.index || start.term < start_.term) {
    return corrupt(fmt::format("begins anew after entry {}, which is before entry {}",
                               start.index.value, start_.index.value));
  }
  start_ = start;
  runs_.clear();
  return {};
}

raft::LogStart GroupLog::last() const {
  if (runs_.empty()) return start_;
  return {runs_.back().last, runs_.back().term};
}

std::optional<std::uint32_t> GroupLog::oldest_segment() const {
  if (runs_.empty()) return std::nullopt;
  return runs_.front().segment;
}

std::optional<raft::Term> GroupLog::term_at(raft::LogIndex index) const {
  if (index == start_.index) return start_.term;
  for (auto run = runs_.rbegin(); run != runs_.rend(); ++run) {
    if (run->first > index) continue;
    if (run->last < index || run->term == kUnknown) return std::nullopt;
    return run->term;
  }
  return std::nullopt;
}

}  // namespace keelson::storage

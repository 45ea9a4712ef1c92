// Tested by tests/core/raft/log_test.cc.
#include "core/raft/log.h"

#include <algorithm>
#include <limits>

#include "core/base/check.h"

namespace keelson::raft {

Log::Log(const LogStart& start, std::vector<Entry> recovered) : start_(start) {
  for (Entry& entry : recovered) append(std::move(entry));
  stable_index_ = written_index_ = last_index();
}

Term Log::term_at(LogIndex index) const {
  CHECK(index >= start_.index && index <= last_index());
  return index == start_.index ? start_.term : at(index).term;
}

const Entry& Log::at(LogIndex index) const {
  CHECK(index > start_.index && index <= last_index());
  return entries_[index.value - start_.index.value - 1];
}

bool Log::contains(LogIndex index, Term term) const {
  if (index < start_.index) return true;
  return index <= last_index() && term_at(index) == term;
}

LogIndex Log::last_agreeable(LogIndex index, Term term) const {
  if (index <= start_.index) return index;
  // Terms never fall along a log, so the entries that qualify are a prefix of it.
  const LogIndex last = std::min(index, last_index());
  const auto end =
      entries_.begin() + static_cast<std::ptrdiff_t>(last.value - start_.index.value);
  const auto first_later = std::partition_point(
      entries_.begin(), end, [term](const Entry& entry) { return entry.term <= term; });
  return LogIndex(start_.index.value +
                  static_cast<std::uint64_t>(first_later - entries_.begin()));
}

void Log::append(Entry entry) {
  CHECK(entry.index == last_index().next());
  CHECK(entry.term >= last_term() && entry.term.value > 0);
  bytes_ += entry.data.size();
  entries_.push_back(std::move(entry));
}

void Log::truncate_from(LogIndex first) {
  CHECK(first > start_.index && first <= last_index());
  while (last_index() >= first) {
    bytes_ -= entries_.back().data.size();
    entries_.pop_back();
  }
  stable_index_ = std::min(stable_index_, last_index());
  written_index_ = std::min(written_index_, last_index());
  for (OutstandingWrite& write : outstanding_) write.last = std::min(write.last, last_index());
}

void Log::cut(LogIndex last) {
  CHECK(last >= start_.index && last <= stable_index_);
  const Term term = term_at(last);
  while (start_.index < last) {
    bytes_ -= entries_.front().data.size();
    entries_.pop_front();
    start_.index = start_.index.next();
  }
  start_.term = term;
}

void Log::restart(const LogStart& start) {
  CHECK(start.index > start_.index && start.term >= start_.term);
  entries_.clear();
  bytes_ = 0;
  start_ = start;
  stable_index_ = written_index_ = start.index;
  // What is under way holds nothing of this log.
  for (OutstandingWrite& write : outstanding_) write.last = LogIndex(0);
}

std::vector<Entry> Log::slice(LogIndex first, LogIndex last, std::size_t bytes_max) const {
  CHECK(first > start_.index && first <= last && last <= last_index());
  const std::size_t begin = first.value - start_.index.value - 1;
  const std::size_t limit = last.value - start_.index.value;
  std::size_t end = begin + 1;  // One past the last entry taken.
  std::size_t bytes = entries_[begin].data.size();
  while (end < limit && bytes + entries_[end].data.size() <= bytes_max) {
    bytes += entries_[end].data.size();
    ++end;
  }
  return {entries_.begin() + static_cast<std::ptrdiff_t>(begin),
          entries_.begin() + static_cast<std::ptrdiff_t>(end)};
}

std::vector<Entry> Log::take_unwritten(WriteId write) {
  CHECK(outstanding_.empty() || outstanding_.back().id < write);
  if (!has_unwritten()) return {};
  std::vector<Entry> entries =
      slice(written_index_.next(), last_index(), std::numeric_limits<std::size_t>::max());
  written_index_ = last_index();
  outstanding_.push_back({write, written_index_});
  return entries;
}

void Log::persisted(WriteId write) {
  while (!outstanding_.empty() && outstanding_.front().id <= write) {
    stable_index_ = std::max(stable_index_, outstanding_.front().last);
    outstanding_.pop_front();
  }
  CHECK(stable_index_ <= written_index_ && written_index_ <= last_index());
}

}  // namespace keelson::raft

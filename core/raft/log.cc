// Tested by tests/core/raft/log_test.cc.
#include "core/raft/log.h"

#include <algorithm>
#include <limits>

#include "core/base/check.h"

namespace keelson::raft {

Log::Log(std::vector<Entry> recovered) {
  for (Entry& entry : recovered) append(std::move(entry));
  stable_index_ = written_index_ = last_index();
}

Term Log::term_at(LogIndex index) const {
  CHECK(index <= last_index());
  return index.value == 0 ? Term(0) : entries_[index.value - 1].term;
}

bool Log::contains(LogIndex index, Term term) const {
  return index <= last_index() && term_at(index) == term;
}

LogIndex Log::last_agreeable(LogIndex index, Term term) const {
  // Terms never fall along a log, so the entries that qualify are a prefix of it.
  const auto end = entries_.begin() +
                   static_cast<std::ptrdiff_t>(std::min(index, last_index()).value);
  const auto first_later = std::partition_point(
      entries_.begin(), end, [term](const Entry& entry) { return entry.term <= term; });
  return LogIndex(static_cast<std::uint64_t>(first_later - entries_.begin()));
}

void Log::append(Entry entry) {
  CHECK(entry.index == last_index().next());
  CHECK(entry.term >= last_term() && entry.term.value > 0);
  entries_.push_back(std::move(entry));
}

void Log::truncate_from(LogIndex first) {
  CHECK(first.value >= 1 && first <= last_index());
  entries_.resize(first.value - 1);
  stable_index_ = std::min(stable_index_, last_index());
  written_index_ = std::min(written_index_, last_index());
  for (OutstandingWrite& write : outstanding_) write.last = std::min(write.last, last_index());
}

std::vector<Entry> Log::slice(LogIndex first, LogIndex last, std::size_t bytes_max) const {
  CHECK(first.value >= 1 && first <= last && last <= last_index());
  std::uint64_t end = first.value;  // One past the last entry taken.
  std::size_t bytes = entries_[first.value - 1].data.size();
  while (end < last.value && bytes + entries_[end].data.size() <= bytes_max) {
    bytes += entries_[end].data.size();
    ++end;
  }
  const auto begin = entries_.begin();
  return {begin + static_cast<std::ptrdiff_t>(first.value - 1),
          begin + static_cast<std::ptrdiff_t>(end)};
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

// The log: its entries in memory, and how far they are stable.
//
// Stable is what persisted() has confirmed, never what was merely handed out for writing. An entry
// can be replaced while a write that holds it is still under way; that write's confirmation must
// not pass for the new entry's (the "ABA" of asynchronous appends), so truncation also cuts back
// what outstanding writes will be taken to confirm.
//
// Compaction (§7): the log forgets its first entries once the state that includes them is durable,
// or begins anew after a snapshot. What is before its start was committed, so any log that is asked
// about it agrees.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "core/raft/types.h"

namespace keelson::raft {

// Names one batch of writes handed out by Raft::take_ready(), in the order of handing out.
using WriteId = StrongInt<struct WriteIdTag>;

class Log {
 public:
  // REQUIRES: `recovered` follows `start`, has no gaps, its terms never fall. It is stable.
  Log(const LogStart& start, std::vector<Entry> recovered);

  const LogStart& start() const { return start_; }
  LogIndex last_index() const { return LogIndex(start_.index.value + entries_.size()); }
  Term last_term() const { return entries_.empty() ? start_.term : entries_.back().term; }
  // Term 0 at index 0. REQUIRES: start().index <= index <= last_index().
  Term term_at(LogIndex index) const;
  // REQUIRES: start().index < index <= last_index().
  const Entry& at(LogIndex index) const;
  // The consistency check of AppendEntries (§5.3). True of what is before the start.
  bool contains(LogIndex index, Term term) const;
  // The last index <= `index` whose term is at most `term`: the last place where this log may agree
  // with one that has `term` at `index`. What is before the start always may.
  LogIndex last_agreeable(LogIndex index, Term term) const;
  // Of the entries' data.
  std::uint64_t bytes() const { return bytes_; }

  // REQUIRES: entry.index == last_index() + 1, entry.term >= last_term().
  void append(Entry entry);
  // Drops this entry and all that follow it. REQUIRES: start().index < first <= last_index().
  void truncate_from(LogIndex first);
  // Forgets the entries up to and with `last`. REQUIRES: start().index <= last <= stable_index().
  void cut(LogIndex last);
  // Forgets all entries, and begins after a snapshot's last. REQUIRES: start.index > start().index.
  void restart(const LogStart& start);

  // Copies of [first, last], as many as fit into `bytes_max` but at least one.
  // REQUIRES: start().index < first <= last <= last_index().
  std::vector<Entry> slice(LogIndex first, LogIndex last, std::size_t bytes_max) const;

  // Every entry up to here is durable as it stands.
  LogIndex stable_index() const { return stable_index_; }
  bool has_unwritten() const { return written_index_ < last_index(); }
  // Hands out, once, the entries that no write holds yet. REQUIRES: ids grow.
  std::vector<Entry> take_unwritten(WriteId write);
  // `write` and all before it are durable.
  void persisted(WriteId write);

  // See Raft::append_state(). `newest` is the last write that was handed out.
  void append_state(Bytes& out, WriteId newest) const;

 private:
  struct OutstandingWrite {
    WriteId id;
    LogIndex last;  // What it will make stable.
  };

  LogStart start_;
  std::deque<Entry> entries_;  // entries_[i] has index start_.index + 1 + i.
  std::uint64_t bytes_ = 0;
  // Invariant: start_.index <= stable_index_ <= written_index_ <= last_index().
  LogIndex stable_index_;
  LogIndex written_index_;                    // Handed out for writing.
  std::deque<OutstandingWrite> outstanding_;  // Ids grow. Every last <= written_index_.
};

}  // namespace keelson::raft

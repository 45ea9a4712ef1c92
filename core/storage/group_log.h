// GroupLog: what the write-ahead log says of one group, without the entries themselves: which there
// are, of which terms, and in which segments. It is the grammar of a group's records: the log keeps
// to it when it writes, and recovery holds to it what it reads.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/result.h"
#include "core/raft/types.h"

namespace keelson::storage {

class GroupLog {
 public:
  // Consecutive entries of one term in one segment.
  struct Run {
    std::uint32_t segment = 0;
    raft::Term term;
    raft::LogIndex first;
    raft::LogIndex last;
  };
  // What a new segment says of the group. `last` is the last entry, or `start` when there is none.
  struct Summary {
    raft::HardState hard_state;
    raft::LogStart start;
    raft::LogStart last;

    bool operator==(const Summary&) const = default;
  };

  GroupLog() = default;
  // A group of which only a summary is known: its entries are in `segment` or before. Errors:
  // corrupt.
  static Result<GroupLog> of(const Summary& summary, std::uint32_t segment);

  // The records. Errors, which change nothing: corrupt (the message says what does not fit).
  Result<void> set_hard_state(const raft::HardState& hard_state);
  // Replaces all entries of the run's first index and above. REQUIRES: runs come in the order of
  // segments, and this one is not empty.
  Result<void> put(const Run& run);
  Result<void> cut(const raft::LogStart& start);
  Result<void> restart(const raft::LogStart& start);

  Summary summary() const { return {hard_state_, start_, last()}; }
  const raft::LogStart& start() const { return start_; }
  raft::LogStart last() const;
  // The first segment that holds an entry of the group; nothing when it has no entries.
  std::optional<std::uint32_t> oldest_segment() const;

 private:
  // Of the entry before the first as well; nothing where only a summary was known.
  std::optional<raft::Term> term_at(raft::LogIndex index) const;

  raft::HardState hard_state_;
  raft::LogStart start_;
  std::vector<Run> runs_;  // By index from start_.index + 1 on, without a gap.
};

}  // namespace keelson::storage

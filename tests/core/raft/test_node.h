// One Raft core with a disk beneath it that can be slow and forgets what it had not synced.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/check.h"
#include "core/raft/raft.h"

namespace keelson::raft {

// What the test says, over and over.
class FixedRandom : public Random {
 public:
  explicit FixedRandom(std::uint64_t value = 0) : value_(value) {}
  std::uint64_t below(std::uint64_t bound) override { return value_ % bound; }
  void set(std::uint64_t value) { value_ = value; }

 private:
  std::uint64_t value_;
};

// SplitMix64: small, known, and the same everywhere.
class SplitMix : public Random {
 public:
  explicit SplitMix(std::uint64_t seed) : state_(seed) {}
  std::uint64_t below(std::uint64_t bound) override {
    state_ += 0x9e3779b97f4a7c15ull;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return (z ^ (z >> 31)) % bound;
  }
  bool chance(std::uint64_t percent) { return below(100) < percent; }

 private:
  std::uint64_t state_;
};

// Replaces all entries from the first new one on.
inline void overwrite(std::vector<Entry>& log, const std::vector<Entry>& entries) {
  if (entries.empty()) return;
  while (!log.empty() && log.back().index >= entries.front().index) log.pop_back();
  CHECK(log.empty() || log.back().index.next() == entries.front().index);
  log.insert(log.end(), entries.begin(), entries.end());
}

struct TestDisk {
  HardState hard_state;
  std::vector<Entry> log;  // From the entry after `start` on.
  LogStart start = {};
  StateLabel state = {};   // Its configuration, unless empty, is not the founders'.
};

// What a core is made with, and who founded its group.
struct GroupOptions : Options {
  std::vector<NodeId> voters;
};

inline Configuration configuration_of(const std::vector<NodeId>& voters) {
  Configuration configuration;
  for (const NodeId id : voters) configuration.members[id] = Member{};
  return configuration;
}

inline Recovered recovered_from(const TestDisk& disk, const GroupOptions& options) {
  Recovered recovered{disk.hard_state, disk.start, disk.log, disk.state};
  if (recovered.state.configuration.members.empty()) {
    recovered.state.configuration = configuration_of(options.voters);
  }
  return recovered;
}

class TestNode {
 public:
  struct Write {
    WriteId id;
    std::optional<HardState> hard_state;
    std::optional<LogStart> log_restart;
    std::vector<Entry> entries;
    std::vector<Outgoing> after_sync;
    std::vector<ReceivedChunk> chunks;
  };

  TestNode(const GroupOptions& options, const TestDisk& recovered, Random& random, Marks& marks,
           Instant now)
      : disk(recovered),
        memory_log(recovered.log),
        raft(options, recovered_from(recovered, options), random, marks, now) {}

  // Carries out one Ready but for its write, which waits for complete_write(). Returns what to
  // send.
  std::vector<Outgoing> take() {
    Ready ready = raft.take_ready();
    if (ready.log_restart) memory_log.clear();
    overwrite(memory_log, ready.entries);
    written_entries = ready.entries;
    for (Entry& entry : ready.committed) applied.push_back(std::move(entry));
    for (const ReadResult& read : ready.reads) reads.push_back(read);
    for (const NodeId follower : ready.snapshots_wanted) snapshots_wanted.insert(follower);
    const bool asks_for_a_write = ready.hard_state || ready.log_restart ||
                                  !ready.entries.empty() || !ready.after_sync.empty() ||
                                  !ready.snapshot_chunks.empty();
    CHECK(asks_for_a_write == ready.write.has_value());
    if (ready.write) {
      writes.push_back({*ready.write, ready.hard_state, ready.log_restart,
                        std::move(ready.entries), std::move(ready.after_sync),
                        std::move(ready.snapshot_chunks)});
    }
    return std::move(ready.messages);
  }

  // The oldest write becomes durable. Returns the promises that waited for it.
  std::vector<Outgoing> complete_write(Instant now) {
    CHECK(!writes.empty());
    Write write = std::move(writes.front());
    writes.pop_front();
    if (write.hard_state) disk.hard_state = *write.hard_state;
    if (write.log_restart) {
      disk.log.clear();
      disk.start = *write.log_restart;
    }
    overwrite(disk.log, write.entries);
    raft.persisted(write.id, now);
    for (ReceivedChunk& chunk : write.chunks) chunks.push_back(std::move(chunk));
    return std::move(write.after_sync);
  }

  TestDisk disk;                       // Durable.
  std::vector<Entry> memory_log;       // As handed out, durable or not.
  std::vector<Entry> written_entries;  // Of the last take().
  std::deque<Write> writes;            // Under way.
  std::vector<Entry> applied;
  std::vector<ReadResult> reads;
  std::vector<ReceivedChunk> chunks;  // To be staged.
  std::set<NodeId> snapshots_wanted;
  Raft raft;
};

// A log of commands with these terms, from index 1 on.
inline std::vector<Entry> log_of(const std::vector<std::uint64_t>& terms) {
  std::vector<Entry> log;
  for (const std::uint64_t term : terms) {
    const LogIndex index(log.size() + 1);
    log.push_back({Term(term), index, EntryKind::command,
                   "c" + std::to_string(index.value) + "/" + std::to_string(term)});
  }
  return log;
}

// The voters n1 to n`count`.
inline std::vector<NodeId> voters_up_to(std::uint64_t count) {
  std::vector<NodeId> voters;
  for (std::uint64_t id = 1; id <= count; ++id) voters.push_back(NodeId(id));
  return voters;
}

}  // namespace keelson::raft

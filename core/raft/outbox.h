// Outbox: frames that wait to be written to one peer, in three lanes, so that a small frame never
// waits for more than the one large frame that is being written.
//   control   heartbeats, votes, answers, pings: always first.
//   log       entries and calls.
//   snapshot  chunks of snapshots. When both wait, it takes turns with the log lane.
// A lane keeps its order; Raft does not ask for any order between lanes.
#pragma once

#include <array>
#include <deque>

#include "core/raft/frame.h"
#include "core/raft/heartbeats.h"

namespace keelson::raft {

class Outbox {
 public:
  enum class Lane : std::uint8_t { control, log, snapshot };

  void put(Lane lane, FrameKind kind, Bytes body);
  // Shares a frame with the others that wait. REQUIRES: is_heartbeat(message).
  void put_beat(GroupId group, const Message& message);

  bool empty() const { return bytes_ == 0; }
  std::size_t bytes() const { return bytes_; }
  void clear();

  // Appends to `out` the frames that are to be written next: all of the control lane, and of the
  // others as long as there are fewer than kWriteBytes.
  void take(Bytes& out, FrameSeal* seal);

 private:
  static constexpr std::size_t kWriteBytes = 64 << 10;
  static constexpr std::size_t kBeatsBytesMax = 32 << 10;  // Of one frame of heartbeats.

  struct Waiting {
    FrameKind kind;
    Bytes body;
  };
  using Queue = std::deque<Waiting>;

  Queue& queue(Lane lane) { return lanes_[static_cast<std::size_t>(lane)]; }
  void close_beats();
  void take_first(Queue& queue, Bytes& out, FrameSeal* seal);

  std::array<Queue, 3> lanes_;
  Bytes beats_;  // The body of the frame of heartbeats that is being filled.
  std::size_t bytes_ = 0;
  bool snapshots_turn_ = false;
};

}  // namespace keelson::raft

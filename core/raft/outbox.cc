// Tested by tests/core/raft/outbox_test.cc.
#include "core/raft/outbox.h"

#include <utility>

namespace keelson::raft {

void Outbox::put(Lane lane, FrameKind kind, Bytes body) {
  bytes_ += 1 + body.size();
  queue(lane).push_back({kind, std::move(body)});
}

void Outbox::put_beat(GroupId group, const Message& message) {
  const std::size_t before = beats_.size();
  append_beat(beats_, group, message);
  bytes_ += beats_.size() - before;
  if (beats_.size() >= kBeatsBytesMax) close_beats();
}

void Outbox::close_beats() {
  if (beats_.empty()) return;
  bytes_ += 1;
  queue(Lane::control).push_back({FrameKind::heartbeats, std::exchange(beats_, {})});
}

void Outbox::clear() {
  for (Queue& queue : lanes_) queue.clear();
  beats_.clear();
  bytes_ = 0;
}

void Outbox::take_first(Queue& queue, Bytes& out, FrameSeal* seal) {
  const Waiting& first = queue.front();
  append_frame(out, first.kind, {}, first.body, seal);
  bytes_ -= 1 + first.body.size();
  queue.pop_front();
}

void Outbox::take(Bytes& out, FrameSeal* seal) {
  close_beats();
  Queue& control = queue(Lane::control);
  while (!control.empty()) take_first(control, out, seal);
  Queue& log = queue(Lane::log);
  Queue& snapshots = queue(Lane::snapshot);
  while (out.size() < kWriteBytes && !(log.empty() && snapshots.empty())) {
    const bool both_wait = !log.empty() && !snapshots.empty();
    const bool takes_snapshot = both_wait ? snapshots_turn_ : log.empty();
    take_first(takes_snapshot ? snapshots : log, out, seal);
    if (both_wait) snapshots_turn_ = !takes_snapshot;
  }
}

}  // namespace keelson::raft

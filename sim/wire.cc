// Tested by tests/sim/network_test.cc.
#include "sim/wire.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/check.h"
#include "sim/links.h"
#include "sim/machine.h"
#include "sim/sim_connection.h"
#include "sim/sim_network.h"
#include "sim/world.h"

namespace keelson::sim {

namespace {

// A node that woke for the payload has had a turn before the reset that follows it.
constexpr Duration kResetLag = std::chrono::microseconds(1);
// Pieces of one write do not arrive together.
constexpr Duration kPieceLag = std::chrono::microseconds(1);
// How often a break is offered to a process that is paused.
constexpr Duration kPausedRetry = std::chrono::milliseconds(1);

std::uint32_t index_of(const Host& host) {
  return host.machine != nullptr ? host.machine->index() : 0;
}

}  // namespace

void Wire::begin(std::uint64_t id, const End& connector, const End& acceptor) {
  CHECK(!is_in_use_);
  CHECK(connector.is_known && !acceptor.is_known);
  id_ = id;
  ++generation_;
  is_in_use_ = true;
  ends_[0] = connector;
  ends_[1] = acceptor;
  Link& there = network_.link(*connector.host, *acceptor.host);
  Link& back = network_.link(*acceptor.host, *connector.host);
  pipes_[0].begin(*this, 0, there, back);
  pipes_[1].begin(*this, 1, back, there);
}

void Wire::let_go(std::size_t end) {
  End& self = ends_[end];
  CHECK(self.connection != nullptr);
  self.connection = nullptr;
  if (self.is_known) {
    // To close without having read everything is a reset, as it is in TCP.
    if (!self.is_open || !into(end).readable().empty()) {
      abort(end);
    } else if (!out_of(end).is_closing()) {
      out_of(end).put_mark(Mark::end_of_stream);
    }
  }
  recycle_if_over();
}

void Wire::abort(std::size_t end) {
  End& self = ends_[end];
  self.is_known = false;
  self.is_broken = true;
  into(end).lose_readable();
  Pipe& out = out_of(end);
  if (out.is_stalled()) {
    // Nobody is left to send it again, nor the reset, which is lost on the way.
    out.lose_all_under_way();
  } else if (!out.reset_was_put()) {
    out.put_mark(Mark::reset);
  }
}

void Wire::break_end(std::size_t end) {
  End& self = ends_[end];
  if (!self.is_known) return;
  self.is_known = false;
  self.is_broken = true;
  into(end).lose_readable();
  // What is held is in the hands of the network, and arrives some day.
  if (!out_of(end).is_held()) out_of(end).lose_all_under_way();
  network_.world().trace().record(index_of(*self.host), Kind::net_reset, id_ * 2 + end, [&] {
    return fmt::format("#{} breaks at {}", id_, self.host->name);
  });
  if (self.connection == nullptr) {
    recycle_if_over();
  } else {
    self.connection->on_broken();  // Last: it may destroy the connection, and this end the wire.
  }
}

void Wire::lose_machine(std::size_t end, bool silently) {
  End& self = ends_[end];
  if (self.connection != nullptr) self.connection->detach();
  self.connection = nullptr;
  self.is_queued = false;
  if (self.is_known && silently) {
    if (ends_[1 - end].is_known) {
      self.lost_power = true;
      network_.world().ledger().injected("net.half_open");
    }
    self.is_known = false;
    self.is_broken = true;
    into(end).lose_readable();
    if (out_of(end).is_stalled()) out_of(end).lose_all_under_way();
  } else if (self.is_known) {
    abort(end);
  }
  recycle_if_over();
}

void Wire::refuse(std::size_t end) {
  note_half_open(end);
  abort(end);
}

// What is sent to the end that lost power meets silence, or, when it is back, a reset.
void Wire::note_half_open(std::size_t end) {
  End& self = ends_[end];
  if (!self.lost_power) return;
  self.lost_power = false;
  network_.world().ledger().effective("net.half_open");
}

void Wire::on_open(std::size_t end) {
  CHECK(end == 1);
  End& self = ends_[end];
  const auto listener = self.host->listeners.find(self.port);
  const bool is_heard =
      listener != self.host->listeners.end() && !into(end).link().refuses();
  network_.world().trace().record(index_of(*self.host), Kind::net_connect, id_ * 2 + is_heard, [&] {
    return fmt::format("#{} {}>{} {}", id_, ends_[0].host->name, self.host->name,
                       is_heard ? "opens" : "is refused");
  });
  if (!is_heard) {
    abort(end);
    return;
  }
  self.is_known = true;
  self.is_open = true;
  self.is_queued = true;
  out_of(end).put_mark(Mark::opened);
  listener->second->on_connect(*this);
}

void Wire::on_opened(std::size_t end) {
  CHECK(end == 0);
  End& self = ends_[end];
  if (!self.is_known) {
    refuse(end);
    return;
  }
  CHECK(!self.is_open);
  self.is_open = true;
  if (self.connection != nullptr) self.connection->on_readable();
}

void Wire::on_end_of_stream(std::size_t end) {
  End& self = ends_[end];
  if (!self.is_known) {
    refuse(end);
    return;
  }
  network_.world().trace().record(index_of(*self.host), Kind::net_close, id_ * 2 + end, [&] {
    return fmt::format("#{} ends at {}", id_, self.host->name);
  });
  if (self.connection != nullptr) self.connection->on_readable();
}

void Wire::on_reset(std::size_t end) { break_end(end); }

bool Wire::has_room_to_open() const {
  const End& self = ends_[1];
  const auto listener = self.host->listeners.find(self.port);
  return listener == self.host->listeners.end() || !listener->second->is_full();
}

void Wire::recycle_if_over() {
  if (!is_in_use_) return;
  for (const End& each : ends_) {
    if (each.connection != nullptr || each.is_queued) return;
  }
  for (const Pipe& each : pipes_) {
    if (each.has_under_way()) return;
  }
  is_in_use_ = false;
  ++generation_;  // Events that are still to come are about a wire that is no more.
  network_.give_back_wire(*this);
}

void Pipe::begin(Wire& wire, std::size_t from_end, Link& link, Link& back) {
  wire_ = &wire;
  from_end_ = from_end;
  link_ = &link;
  back_ = &back;
  buffer_.clear();
  head_ = 0;
  read_ = arrived_ = put_ = 0;
  segments_.clear();
  first_ = 0;
  last_arrival_ = {};
  woken_at_ = TrueTime::end();
  writer_waits_ = room_event_pending_ = room_is_stalled_ = false;
  is_stalled_ = is_held_ = false;
  end_was_put_ = reset_was_put_ = has_ended_ = false;
}

std::uint64_t Pipe::event_argument(Wake wake) const {
  return wire_->generation() << 16 | std::uint64_t{stall_} << 8 | static_cast<std::uint64_t>(wake);
}

void Pipe::schedule(TrueTime at, Wake wake) {
  wire_->network().world().events().schedule(at, *this, event_argument(wake));
}

TrueTime Pipe::now() const { return wire_->network().world().now(); }

std::size_t Pipe::room() const {
  const std::uint64_t in_use = put_ - read_;
  const std::size_t window = link_->conditions().window_bytes;
  return in_use < window ? window - in_use : 0;
}

void Pipe::put(BytesView bytes) {
  CHECK(!bytes.empty());
  CHECK(bytes.size() <= room());
  CHECK(!is_closing());
  if (head_ > 0 && head_ * 2 >= buffer_.size()) {
    buffer_.erase(0, head_);
    head_ = 0;
  }
  buffer_.append(bytes);

  LinkCounters& counters = link_->counters();
  ++counters.messages;
  counters.bytes += bytes.size();

  const TrueTime sent = now();
  std::size_t rest = bytes.size();
  while (true) {
    const std::size_t piece = link_->split(rest);
    put_segment(link_->arrival(sent, piece, last_arrival_), piece, Mark::payload);
    rest -= piece;
    if (rest == 0) break;
    last_arrival_ = last_arrival_ + kPieceLag;
    wire_->network().world().ledger().effective("net.segment");
  }
  check_invariants();
}

void Pipe::put_mark(Mark mark) {
  CHECK(mark != Mark::payload);
  CHECK(!reset_was_put_);
  const TrueTime not_before = mark == Mark::reset ? last_arrival_ + kResetLag : last_arrival_;
  end_was_put_ |= mark == Mark::end_of_stream;
  reset_was_put_ |= mark == Mark::reset;
  put_segment(link_->arrival(now(), 0, not_before), 0, mark);
}

void Pipe::put_segment(TrueTime arrives, std::size_t bytes, Mark mark) {
  CHECK(arrives >= last_arrival_);
  put_ += bytes;
  last_arrival_ = arrives;
  const bool joins_last = mark == Mark::payload && has_under_way() &&
                          segments_.back().mark == Mark::payload &&
                          (segments_.back().arrives == arrives || is_stalled_);
  if (joins_last) {
    segments_.back().end = put_;
    return;
  }
  segments_.push_back({.arrives = arrives, .end = put_, .mark = mark});
  if (is_held_) {
    wire_->network().world().ledger().effective("net.hold");
  } else if (!is_stalled_) {
    wake_at(segments_[first_].arrives);
  }
}

void Pipe::lose_all_under_way() {
  segments_.clear();
  first_ = 0;
  put_ = arrived_;
  buffer_.resize(head_ + (arrived_ - read_));
  is_stalled_ = false;
  reset_was_put_ = false;  // If there was one it is lost, and what arrives later brings another.
}

BytesView Pipe::readable() const {
  return BytesView(buffer_).substr(head_, static_cast<std::size_t>(arrived_ - read_));
}

void Pipe::consume(std::size_t size) {
  CHECK(size <= arrived_ - read_);
  head_ += size;
  read_ += size;
  if (head_ == buffer_.size()) {
    buffer_.clear();
    head_ = 0;
  }
  if (writer_waits_ && !room_event_pending_) {
    room_event_pending_ = true;
    schedule(now() + back_->base_delay(), Wake::room);
  }
}

void Pipe::lose_readable() { consume(static_cast<std::size_t>(arrived_ - read_)); }

void Pipe::hold() {
  is_held_ = true;
  if (is_stalled_) is_stalled_ = false;  // From now on it waits for release() alone.
}

void Pipe::release() {
  if (!is_held_) return;
  is_held_ = false;
  go_on();
}

void Pipe::retry() {
  if (room_is_stalled_ && !back_->is_cut()) {
    room_is_stalled_ = false;
    room_event_pending_ = true;
    schedule(now() + back_->base_delay(), Wake::room);
  }
  if (!is_stalled_ || !may_pass()) return;
  is_stalled_ = false;
  go_on();
}

void Pipe::go_on() {
  if (!has_under_way()) return;
  Segment& next = segments_[first_];
  next.arrives = std::max(next.arrives, link_->arrival(now(), 0, now()));
  last_arrival_ = std::max(last_arrival_, next.arrives);
  wake_at(next.arrives);
}

bool Pipe::may_pass() const {
  return !is_held_ && !link_->is_cut() && wire_->end(1 - from_end_).host->is_on;
}

void Pipe::wake_at(TrueTime time) {
  if (time >= woken_at_) return;
  woken_at_ = time;
  schedule(time, Wake::arrival);
}

void Pipe::break_soon(std::size_t end) {
  schedule(now(), end == from_end_ ? Wake::break_writer : Wake::break_reader);
}

void Pipe::tell_break_soon() { schedule(now(), Wake::tell_writer_of_break); }

void Pipe::on_event(std::uint64_t argument) {
  if (argument >> 16 != wire_->generation()) return;
  const auto stall = static_cast<std::uint8_t>(argument >> 8);
  SimConnection* const writer = wire_->end(from_end_).connection;
  switch (static_cast<Wake>(argument & 0xff)) {
    case Wake::arrival:
      if (now() != woken_at_) return;  // An earlier event took its place.
      woken_at_ = TrueTime::end();
      advance();
      return;
    case Wake::room:
      room_event_pending_ = false;
      if (back_->is_cut()) {
        back_->count_cut_effect();
        room_is_stalled_ = true;
        return;
      }
      writer_waits_ = false;
      if (writer != nullptr) writer->on_room();
      return;
    case Wake::give_up:
      if (is_stalled_ && stall == stall_) give_up();
      return;
    case Wake::break_writer:
      wire_->break_end(from_end_);
      return;
    case Wake::break_reader:
      wire_->break_end(1 - from_end_);
      return;
    case Wake::tell_writer_of_break:
      if (writer == nullptr) return;
      if (wire_->end(from_end_).host->machine->is_paused()) {
        schedule(now() + kPausedRetry, Wake::tell_writer_of_break);
      } else {
        writer->tell_break();
      }
      return;
  }
}

void Pipe::advance() {
  const std::uint64_t generation = wire_->generation();
  bool payload_came = false;
  while (has_under_way()) {
    Segment& next = segments_[first_];
    if (next.arrives > now()) {
      if (!is_stalled_ && !is_held_) wake_at(next.arrives);
      return;
    }
    if (is_stalled_) return;
    if (!may_pass()) {
      stall();
      return;
    }
    if (next.mark == Mark::open && !wire_->has_room_to_open()) {
      next.arrives = now() + kOpenRetry;
      wake_at(next.arrives);
      return;
    }
    if (next.mark == Mark::reset && payload_came) {
      next.arrives = now() + kResetLag;
      last_arrival_ = std::max(last_arrival_, next.arrives);
      wake_at(next.arrives);
      return;
    }
    payload_came |= next.mark == Mark::payload;
    const Segment arrived = next;
    if (++first_ == segments_.size()) {
      segments_.clear();
      first_ = 0;
    } else if (first_ >= 64 && first_ * 2 >= segments_.size()) {
      segments_.erase(segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(first_));
      first_ = 0;
    }
    arrive(arrived);
    if (wire_->generation() != generation) return;  // That was the last of it.
  }
  wire_->recycle_if_over();
}

void Pipe::arrive(const Segment& segment) {
  const std::size_t reader = 1 - from_end_;
  switch (segment.mark) {
    case Mark::payload:
      on_payload(segment.end);
      return;
    case Mark::open:
      wire_->on_open(reader);
      return;
    case Mark::opened:
      wire_->on_opened(reader);
      return;
    case Mark::end_of_stream:
      has_ended_ = true;
      wire_->on_end_of_stream(reader);
      return;
    case Mark::reset:
      wire_->on_reset(reader);
      return;
  }
}

void Pipe::on_payload(std::uint64_t end) {
  CHECK(end > arrived_ && end <= put_);
  const Wire::End& reader = wire_->end(1 - from_end_);
  const BytesView bytes =
      BytesView(buffer_).substr(head_ + static_cast<std::size_t>(arrived_ - read_),
                                static_cast<std::size_t>(end - arrived_));
  wire_->network().world().trace().record(
      index_of(*reader.host), Kind::net_deliver, hash64(bytes, wire_->id()), [&] {
        return fmt::format("#{} {}>{} {} bytes", wire_->id(), wire_->end(from_end_).host->name,
                           reader.host->name, bytes.size());
      });
  ++link_->counters().segments;
  arrived_ = end;
  check_invariants();
  if (!reader.is_known || (reader.connection == nullptr && !reader.is_queued)) {
    lose_readable();
    wire_->refuse(1 - from_end_);
    return;
  }
  if (reader.connection != nullptr) reader.connection->on_readable();
}

void Pipe::stall() {
  FaultLedger& faults = wire_->network().world().ledger();
  if (is_held_) {
    faults.effective("net.hold");
    return;
  }
  if (link_->is_cut()) link_->count_cut_effect();
  if (!wire_->end(1 - from_end_).host->is_on) wire_->note_half_open(1 - from_end_);
  if (!wire_->end(from_end_).is_known) {
    lose_all_under_way();  // Nobody is left to send it again.
    wire_->recycle_if_over();
    return;
  }
  is_stalled_ = true;
  ++stall_;
  schedule(now() + link_->conditions().give_up_after, Wake::give_up);
}

void Pipe::give_up() {
  CHECK(is_stalled_);
  lose_all_under_way();
  wire_->break_end(from_end_);
}

void Pipe::check_invariants() const {
  CHECK(read_ <= arrived_ && arrived_ <= put_);
  CHECK(buffer_.size() - head_ == put_ - read_);
  CHECK(!has_under_way() || segments_.back().end == put_);
}

}  // namespace keelson::sim

// Wire: one connection as the kernels of both machines see it: two pipes, one for each direction.
// A node holds a SimConnection (sim/sim_connection.h) for its end; the wire stays until nothing is
// under way any more, which may be long after both nodes have let go.
//
// The rules are TCP's as far as a node can tell. Opening, payload, end of stream and reset travel
// in order. What finds its link cut or its receiver without power stalls, and the stream with it;
// the writer gives up after a while and breaks alone, so that the reader is left half-open. What
// arrives at an end that no kernel knows any more is answered by a reset.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "sim/event_queue.h"

namespace keelson::sim {

class Link;
class SimConnection;
class SimNetwork;
class Wire;
struct Host;

// What travels in a pipe beside payload.
enum class Mark : std::uint8_t { payload, open, opened, end_of_stream, reset };

// One direction of a wire. Its payload is one run of bytes: read, arrived but unread, under way.
class Pipe : public EventTarget {
 public:
  // For a new connection over `link`; `back` is the link of the other direction.
  void begin(Wire& wire, std::size_t from_end, Link& link, Link& back);

  // --- the writer's side ---

  // How much the window has room for.
  std::size_t room() const;
  // REQUIRES: bytes.size() <= room(), and neither end nor reset was put.
  void put(BytesView bytes);
  void put_mark(Mark mark);
  // The writer waits for room, and is to be told when there is.
  void want_room() { writer_waits_ = true; }
  bool is_closing() const { return end_was_put_ || reset_was_put_; }
  bool reset_was_put() const { return reset_was_put_; }
  // Forgets what is under way.
  void lose_all_under_way();

  // --- the reader's side ---

  BytesView readable() const;
  // Consumes the first `size` readable bytes. REQUIRES: size <= readable().size().
  void consume(std::size_t size);
  bool has_ended() const { return has_ended_; }
  // Forgets what arrived and was not read.
  void lose_readable();

  // --- the link ---

  // Breaks an end, or tells the writer's node of a break, in an event of its own.
  void break_soon(std::size_t end);
  void tell_break_soon();
  Link& link() { return *link_; }
  void hold();
  void release();
  // Lets what stalled go on, if there is no reason left not to.
  void retry();
  bool is_stalled() const { return is_stalled_; }
  bool is_held() const { return is_held_; }
  bool has_under_way() const { return first_ < segments_.size(); }

  void on_event(std::uint64_t argument) override;

 private:
  struct Segment {
    TrueTime arrives;
    std::uint64_t end = 0;  // Of its payload, as a position in the stream.
    Mark mark = Mark::payload;
  };
  enum class Wake : std::uint8_t {
    arrival,
    room,
    give_up,
    break_writer,
    break_reader,
    tell_writer_of_break,
  };
  // When a connect is sent again that found the listener's queue full.
  static constexpr Duration kOpenRetry = std::chrono::seconds(1);

  std::uint64_t event_argument(Wake wake) const;
  void schedule(TrueTime at, Wake wake);
  TrueTime now() const;
  void put_segment(TrueTime arrives, std::size_t bytes, Mark mark);
  void wake_at(TrueTime time);
  void advance();
  void arrive(const Segment& segment);
  void go_on();
  void stall();
  void give_up();
  bool may_pass() const;
  void on_payload(std::uint64_t end);
  void check_invariants() const;

  Wire* wire_ = nullptr;
  std::size_t from_end_ = 0;
  Link* link_ = nullptr;
  Link* back_ = nullptr;

  // Payload: buffer_[head_] is at position read_ of the stream. read_ <= arrived_ <= put_.
  std::string buffer_;
  std::size_t head_ = 0;
  std::uint64_t read_ = 0;
  std::uint64_t arrived_ = 0;
  std::uint64_t put_ = 0;

  // Under way, in order; those before first_ have arrived.
  std::vector<Segment> segments_;
  std::size_t first_ = 0;
  TrueTime last_arrival_;

  TrueTime woken_at_ = TrueTime::end();  // The arrival event that counts.
  bool writer_waits_ = false;
  bool room_event_pending_ = false;
  bool room_is_stalled_ = false;  // The news of room stalls on a cut link.
  bool is_stalled_ = false;
  bool is_held_ = false;
  std::uint8_t stall_ = 0;        // Counts stalls, to know which one a give-up belongs to.
  bool end_was_put_ = false;
  bool reset_was_put_ = false;
  bool has_ended_ = false;
};

class Wire {
 public:
  // One end, as its machine's kernel knows it.
  struct End {
    Host* host = nullptr;
    std::uint16_t port = 0;
    SimConnection* connection = nullptr;  // Null when no node holds it (yet, or any more).
    bool is_known = false;                // Else what arrives is answered by a reset.
    bool is_open = false;                 // The handshake is over on this side.
    bool is_broken = false;
    bool is_queued = false;               // Waits in a listener for being accepted.
    bool lost_power = false;              // Its machine lost power while it was known.
  };

  explicit Wire(SimNetwork& network) : network_(network) {}
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  void begin(std::uint64_t id, const End& connector, const End& acceptor);

  std::uint64_t id() const { return id_; }
  std::uint64_t generation() const { return generation_; }
  bool is_in_use() const { return is_in_use_; }
  SimNetwork& network() { return network_; }
  End& end(std::size_t index) { return ends_[index]; }
  const End& end(std::size_t index) const { return ends_[index]; }
  Pipe& out_of(std::size_t end) { return pipes_[end]; }
  Pipe& into(std::size_t end) { return pipes_[1 - end]; }

  // --- what nodes do ---

  // The node lets go of its end: an orderly close, or a reset if something was left unread.
  void let_go(std::size_t end);
  // The kernel forgets the end and tells the peer by a reset.
  void abort(std::size_t end);

  // --- what happens to an end; may call the node's on_break, which comes last ---

  // The end breaks, and the peer is told nothing.
  void break_end(std::size_t end);
  // The machine lost power, or (with a reset to the peer) its process is gone.
  void lose_machine(std::size_t end, bool silently);
  // Something other than a reset arrived where it is not wanted.
  void refuse(std::size_t end);
  // Something was sent to this end, which counts as an effect if its machine had lost power.
  void note_half_open(std::size_t end);
  void on_open(std::size_t end);
  void on_opened(std::size_t end);
  void on_end_of_stream(std::size_t end);
  void on_reset(std::size_t end);
  // Whether a connect that arrives now can be queued, or refused at once.
  bool has_room_to_open() const;

  // Goes back to the network if nothing is left of it.
  void recycle_if_over();

 private:
  friend class SimNetwork;

  SimNetwork& network_;
  std::uint64_t id_ = 0;
  std::uint64_t generation_ = 0;
  bool is_in_use_ = false;
  End ends_[2];    // 0 connected, 1 accepted.
  Pipe pipes_[2];  // Out of end 0, out of end 1.
};

}  // namespace keelson::sim

// Links: what lies between two machines, one object for each direction. A link says when bytes that
// are handed to it now arrive, and whether anything arrives at all; the streams that run over it
// (sim/wire.h) keep their order among themselves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "sim/choices.h"
#include "sim/fault_ledger.h"
#include "sim/true_time.h"

namespace keelson::sim {

// A delay with a long tail, 0 in all but `per_million` of draws: mostly about `unit`, seldom up to
// `most`.
Duration draw_long_tail(ChoiceStream& choices, std::uint32_t per_million, Duration unit,
                        Duration most);

// What a link does to every stream. The default is a healthy network; a fault plan makes it worse.
// The shares are out of a million draws.
struct LinkConditions {
  // Every byte takes the link's base delay, which is drawn once for each link from this range.
  Duration base_delay_least = std::chrono::microseconds(100);
  Duration base_delay_most = std::chrono::microseconds(500);

  // This share of writes takes longer: mostly by about tail_unit, seldom by up to tail_most.
  std::uint32_t tail_per_million = 0;
  Duration tail_unit = std::chrono::microseconds(200);
  Duration tail_most = std::chrono::seconds(1);

  // This share of writes is lost on the way, once or up to three times in a row, and sent again
  // after retransmit_after, doubled each time. The stream stalls until then.
  std::uint32_t loss_per_million = 0;
  Duration retransmit_after = std::chrono::milliseconds(200);

  std::uint64_t bytes_per_second = 0;  // 0: without limit.

  std::uint32_t segment_per_million = 0;     // Writes that arrive in pieces, at different times.
  std::uint32_t short_read_per_million = 0;  // Reads that return less than has arrived.
  std::uint32_t refuse_per_million = 0;      // Connects that are refused although someone listens.

  // Bytes a stream may have under way and unread; a writer suspends when they are used up.
  std::size_t window_bytes = 256 * 1024;

  // A stream whose bytes cannot get through for so long breaks at the writer's end.
  Duration give_up_after = std::chrono::seconds(15);
};

// Counted from the beginning of the world.
struct LinkCounters {
  std::uint64_t messages = 0;  // Writes, or parts of them that were accepted at once.
  std::uint64_t bytes = 0;
  std::uint64_t segments = 0;  // Pieces that arrived on their own.
};

class Link {
 public:
  // Why nothing gets through. Any number of reasons may hold at once.
  enum class Cut : std::uint8_t { one_way = 1, partition = 2 };

  // `from` and `to` name the machines; a machine's link to itself is always healthy.
  Link(const std::string& from, const std::string& to, Choices& choices, FaultLedger& faults);
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  // Applies to what is written from now on.
  void set_conditions(const LinkConditions& conditions);
  const LinkConditions& conditions() const { return conditions_; }

  // --- faults ---

  void cut(Cut reason);
  // Returns true if that opened the link.
  bool heal();
  bool is_cut() const { return cuts_ != 0; }
  void clog(Duration extra_delay);
  Duration clogged_by() const { return clog_; }
  // Notes that a cut stopped something.
  void count_cut_effect();

  // --- for streams ---

  // Hands `bytes` octets over and returns when they arrive, not before `not_before`. The delay has
  // the time for the bytes ahead in it when bandwidth is limited. Draws.
  TrueTime arrival(TrueTime now, std::size_t bytes, TrueTime not_before);
  // How long something takes that carries no payload, without chance: an acknowledgement.
  Duration base_delay() const { return base_delay_ + clog_; }
  // How much of a piece of `bytes` travels by itself; `bytes` when it is not split. Draws.
  std::size_t split(std::size_t bytes);
  // How much of `available` bytes a read returns. Draws.
  std::size_t read_size(std::size_t available);
  // Whether a connect that arrives here is refused. Draws.
  bool refuses();

  LinkCounters& counters() { return counters_; }
  const LinkCounters& counters() const { return counters_; }

 private:
  static constexpr std::uint64_t kBaseSteps = 1024;

  Duration wait_for_bandwidth(TrueTime now, std::size_t bytes);
  Duration draw_tail();
  Duration draw_loss();

  const bool is_loopback_;
  FaultLedger& faults_;
  ChoiceStream& delay_choices_;
  ChoiceStream& loss_choices_;
  ChoiceStream& segment_choices_;
  ChoiceStream& read_choices_;
  ChoiceStream& refuse_choices_;

  LinkConditions conditions_;
  std::uint64_t base_draw_ = 0;
  Duration base_delay_{};
  std::uint8_t cuts_ = 0;
  Duration clog_{};
  TrueTime busy_until_;  // When the last byte has left, while bandwidth is limited.
  LinkCounters counters_;
};

}  // namespace keelson::sim

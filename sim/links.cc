// Tested by tests/sim/network_test.cc.
#include "sim/links.h"

#include <algorithm>

#include "core/base/check.h"

namespace keelson::sim {

namespace {

constexpr Duration kLoopbackDelay = std::chrono::microseconds(10);

// A write that is lost is sent again after 1, 3 or 7 times the timeout, as that doubles.
constexpr std::uint64_t kLossesInARow = 3;

// The resolution of a long tail's draw.
constexpr std::uint64_t kTailSteps = 1 << 16;

ChoiceStream& stream_of(Choices& choices, const std::string& from, const std::string& to,
                        const char* purpose) {
  return choices.stream("net/" + from + ">" + to + "/" + purpose);
}

Duration long_tail(std::uint64_t step, Duration unit, Duration most) {
  CHECK(step < kTailSteps);
  if (step == 0) return Duration{};
  // unit * (1 / (1 - u) - 1) for uniform u: half of the draws below one unit, one in a thousand
  // above a thousand units.
  const std::uint64_t units_in_steps = step * kTailSteps / (kTailSteps - step);
  const std::int64_t unit_ns = std::max<std::int64_t>(unit.count(), 1);
  const std::uint64_t most_steps =
      static_cast<std::uint64_t>(most.count()) / static_cast<std::uint64_t>(unit_ns) * kTailSteps;
  const std::uint64_t steps = std::min(units_in_steps, most_steps);
  const std::uint64_t whole = steps / kTailSteps * static_cast<std::uint64_t>(unit_ns);
  const std::uint64_t part = steps % kTailSteps * static_cast<std::uint64_t>(unit_ns) / kTailSteps;
  return std::min(Duration(static_cast<std::int64_t>(whole + part)), most);
}

}  // namespace

Duration draw_long_tail(ChoiceStream& choices, std::uint32_t per_million, Duration unit,
                        Duration most) {
  return long_tail(choices.rarely(per_million, kTailSteps), unit, most);
}

Link::Link(const std::string& from, const std::string& to, Choices& choices, FaultLedger& faults)
    : is_loopback_(from == to),
      faults_(faults),
      delay_choices_(stream_of(choices, from, to, "delay")),
      loss_choices_(stream_of(choices, from, to, "loss")),
      segment_choices_(stream_of(choices, from, to, "segment")),
      read_choices_(stream_of(choices, from, to, "read")),
      refuse_choices_(stream_of(choices, from, to, "refuse")) {
  // Drawn once, so that a change of conditions keeps a far machine far.
  base_draw_ = is_loopback_ ? 0 : stream_of(choices, from, to, "base").choose(kBaseSteps);
  set_conditions(LinkConditions{});
}

void Link::set_conditions(const LinkConditions& conditions) {
  CHECK(conditions.base_delay_least.count() > 0);
  CHECK(conditions.base_delay_least <= conditions.base_delay_most);
  CHECK(conditions.window_bytes > 0);
  CHECK(conditions.give_up_after.count() > 0);
  conditions_ = conditions;
  if (is_loopback_) {
    base_delay_ = kLoopbackDelay;
    return;
  }
  const Duration range = conditions.base_delay_most - conditions.base_delay_least;
  const Duration step = range / static_cast<std::int64_t>(kBaseSteps);
  base_delay_ = conditions.base_delay_least + step * static_cast<std::int64_t>(base_draw_);
  if (conditions.bytes_per_second > 0) faults_.injected("net.bandwidth");
}

void Link::cut(Cut reason) {
  CHECK(!is_loopback_);
  cuts_ = static_cast<std::uint8_t>(cuts_ | static_cast<std::uint8_t>(reason));
}

bool Link::heal() {
  const bool was_cut = is_cut();
  cuts_ = 0;
  return was_cut;
}

void Link::clog(Duration extra_delay) {
  CHECK(!is_loopback_);
  CHECK(extra_delay.count() >= 0);
  if (extra_delay.count() > 0) faults_.injected("net.clog");
  clog_ = extra_delay;
}

void Link::count_cut_effect() {
  CHECK(is_cut());
  if (cuts_ & static_cast<std::uint8_t>(Cut::one_way)) faults_.effective("net.cut_one_way");
  if (cuts_ & static_cast<std::uint8_t>(Cut::partition)) faults_.effective("net.partition");
}

TrueTime Link::arrival(TrueTime now, std::size_t bytes, TrueTime not_before) {
  const TrueTime healthy = std::max(not_before, now + base_delay_);
  if (is_loopback_) return healthy;

  const Duration queueing = wait_for_bandwidth(now, bytes);
  const Duration tail = draw_tail();
  const Duration loss = draw_loss();
  const Duration extra = queueing + tail + loss + clog_;
  if (extra.count() == 0) return healthy;

  const TrueTime actual = std::max(not_before, now + base_delay_ + extra);
  if (actual > healthy) {
    if (queueing.count() > 0) faults_.effective("net.bandwidth");
    if (tail.count() > 0) faults_.effective("net.delay_tail");
    if (loss.count() > 0) faults_.effective("net.loss");
    if (clog_.count() > 0) faults_.effective("net.clog");
  }
  return actual;
}

Duration Link::wait_for_bandwidth(TrueTime now, std::size_t bytes) {
  if (conditions_.bytes_per_second == 0) return Duration{};
  const std::uint64_t ns = bytes * 1'000'000'000 / conditions_.bytes_per_second;
  busy_until_ = std::max(busy_until_, now) + Duration(static_cast<std::int64_t>(ns));
  return busy_until_ - now;
}

Duration Link::draw_tail() {
  if (conditions_.tail_per_million == 0) return Duration{};
  const Duration tail = draw_long_tail(delay_choices_, conditions_.tail_per_million,
                                       conditions_.tail_unit, conditions_.tail_most);
  if (tail.count() > 0) faults_.injected("net.delay_tail");
  return tail;
}

Duration Link::draw_loss() {
  if (conditions_.loss_per_million == 0) return Duration{};
  const std::uint64_t losses =
      loss_choices_.rarely(conditions_.loss_per_million, kLossesInARow + 1);
  if (losses == 0) return Duration{};
  faults_.injected("net.loss");
  return conditions_.retransmit_after * ((std::int64_t{1} << losses) - 1);
}

std::size_t Link::split(std::size_t bytes) {
  if (is_loopback_ || bytes < 2 || conditions_.segment_per_million == 0) return bytes;
  const std::size_t piece = segment_choices_.rarely(conditions_.segment_per_million, bytes);
  if (piece == 0) return bytes;
  faults_.injected("net.segment");
  return piece;
}

std::size_t Link::read_size(std::size_t available) {
  if (is_loopback_ || available < 2 || conditions_.short_read_per_million == 0) return available;
  const std::size_t size = read_choices_.rarely(conditions_.short_read_per_million, available);
  if (size == 0) return available;
  faults_.injected("net.segment");
  faults_.effective("net.segment");
  return size;
}

bool Link::refuses() {
  if (is_loopback_ || conditions_.refuse_per_million == 0) return false;
  if (!refuse_choices_.chance(conditions_.refuse_per_million)) return false;
  faults_.injected("net.refuse");
  faults_.effective("net.refuse");
  return true;
}

}  // namespace keelson::sim

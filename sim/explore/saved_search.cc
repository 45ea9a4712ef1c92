// A search as a file: its totals, the states that it has met, and the schedule that it is in, with
// what is left to be tried at each step. Integers are little-endian:
//
//   file   = magic:u64 body hash:u64           hash: hash64 of all before it
//   body   = name:bytes depth_max:u32 begun:u32 totals:6*u64 state:u64 states frames
//   states = count:u64 { hash:u64 depth:u32 events }
//   frames = count:u64 { taken:event todo:events next:u32 asleep:events }   taken: if next > 0
//   events = count:u32 { event }               event = kind:u32 machine:u32 detail:u64
//   bytes  = count:u32 { octet }
//
// `state` is the hash that the present schedule leads to, 0 if it has none: a program that leads
// elsewhere cannot go on with this search.
// Tested by tests/sim/explore/search_test.cc.
#include <algorithm>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/check.h"
#include "sim/explore/search.h"

namespace keelson::sim {

namespace {

constexpr std::uint64_t kMagic = 0x3165726f6c707865;  // "explore1"
constexpr std::size_t kEventBytes = 16;

void append_event(Bytes& out, const Event& event) {
  append_u32(out, event.kind);
  append_u32(out, event.machine);
  append_u64(out, event.detail);
}

void append_events(Bytes& out, const std::vector<Event>& events) {
  append_u32(out, static_cast<std::uint32_t>(events.size()));
  for (const Event& event : events) append_event(out, event);
}

// Reads past the end are zeros, and told by is_whole().
class Reader {
 public:
  explicit Reader(BytesView bytes) : rest_(bytes) {}

  bool is_whole() const { return is_whole_; }
  bool is_at_end() const { return rest_.empty(); }

  std::uint32_t u32() {
    const BytesView bytes = take(4);
    return bytes.empty() ? 0 : read_u32(bytes);
  }
  std::uint64_t u64() {
    const BytesView bytes = take(8);
    return bytes.empty() ? 0 : read_u64(bytes);
  }
  BytesView bytes() { return take(u32()); }
  Event event() {
    Event event;
    event.kind = u32();
    event.machine = u32();
    event.detail = u64();
    return event;
  }
  std::vector<Event> events() {
    std::vector<Event> events;
    const std::uint32_t count = u32();
    if (count > rest_.size() / kEventBytes) is_whole_ = false;
    while (is_whole_ && events.size() < count) events.push_back(event());
    return events;
  }

 private:
  BytesView take(std::size_t size) {
    if (size > rest_.size()) is_whole_ = false;
    if (!is_whole_) return {};
    const BytesView taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  BytesView rest_;
  bool is_whole_ = true;
};

}  // namespace

Bytes Search::save(const std::string& name) const {
  CHECK(!violation_);
  Bytes out;
  append_u64(out, kMagic);
  append_u32(out, static_cast<std::uint32_t>(name.size()));
  out += name;
  append_u32(out, depth_max_);
  append_u32(out, has_begun_ ? 1 : 0);
  for (const std::uint64_t total : {totals_.schedules, totals_.complete, totals_.states,
                                    totals_.transitions, totals_.deepest, totals_.cut}) {
    append_u64(out, total);
  }
  const std::size_t events = frames_.empty() ? 0 : frames_.size() - 1;
  append_u64(out, execute(events)->hash().value_or(0));
  append_u64(out, visited_.size());
  for (const VisitedStates::State& state : visited_.all()) {
    append_u64(out, state.hash);
    append_u32(out, state.depth);
    append_events(out, state.asleep);
  }
  append_u64(out, frames_.size());
  for (std::size_t i = 0; i < frames_.size(); ++i) {
    append_event(out, i < events ? schedule_[i] : Event());
    append_events(out, frames_[i].todo);
    append_u32(out, static_cast<std::uint32_t>(frames_[i].next));
    append_events(out, frames_[i].asleep);
  }
  append_u64(out, hash64(out));
  return out;
}

Result<void> Search::load(BytesView saved, const std::string& name) {
  const Error corrupt{ErrorCode::corrupt, "no saved search, or not all of one"};
  if (saved.size() < 16 || read_u64(saved) != kMagic) return corrupt;
  const BytesView hashed = saved.substr(0, saved.size() - 8);
  if (read_u64(saved.substr(hashed.size())) != hash64(hashed)) return corrupt;

  Reader in(hashed.substr(8));
  const BytesView of = in.bytes();
  const std::uint32_t depth_max = in.u32();
  if (of != name || depth_max != depth_max_) {
    return Error{ErrorCode::invalid_argument, "saved by a search of another bound: " + Bytes(of)};
  }
  has_begun_ = in.u32() != 0;
  for (std::uint64_t* const total : {&totals_.schedules, &totals_.complete, &totals_.states,
                                     &totals_.transitions, &totals_.deepest, &totals_.cut}) {
    *total = in.u64();
  }
  const std::uint64_t state = in.u64();
  visited_ = VisitedStates();
  for (std::uint64_t count = in.u64(); in.is_whole() && count > 0; --count) {
    VisitedStates::State visited;
    visited.hash = in.u64();
    visited.depth = in.u32();
    visited.asleep = in.events();
    if (in.is_whole()) visited_.add(std::move(visited));
  }
  frames_.clear();
  schedule_.clear();
  violation_.reset();
  for (std::uint64_t count = in.u64(); in.is_whole() && count > 0; --count) {
    schedule_.push_back(in.event());
    Frame frame;
    frame.todo = in.events();
    frame.next = in.u32();
    frame.asleep = in.events();
    if (frame.next > frame.todo.size()) return corrupt;
    frames_.push_back(std::move(frame));
  }
  if (!in.is_whole() || !in.is_at_end()) return corrupt;
  if (!schedule_.empty()) schedule_.pop_back();
  return check_is_same_system(state);
}

// REQUIRES: the schedule is that of the frames.
Result<void> Search::check_is_same_system(std::uint64_t state) const {
  const Error other{ErrorCode::invalid_argument, "saved by a program that behaved otherwise"};
  std::unique_ptr<System> system = make_();
  for (const Event& event : schedule_) {
    const std::vector<Event> events = system->events();
    if (std::find(events.begin(), events.end(), event) == events.end()) return other;
    if (system->take(event)) return other;
  }
  if (system->hash().value_or(0) != state) return other;
  return {};
}

}  // namespace keelson::sim

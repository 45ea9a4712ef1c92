// Tested by tests/core/kv/ownership_test.cc.
#include "core/kv/ownership.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/base/check.h"
#include "core/kv/rows.h"
#include "core/kv/wire.h"

namespace keelson::kv {

namespace {

// These numbers are on disk for all time.
std::optional<Ownership::State> state_of(std::uint32_t value) {
  switch (value) {
    case 1: return Ownership::State::fenced;
    case 2: return Ownership::State::dropping;
    case 3: return Ownership::State::gone;
    case 4: return Ownership::State::arriving;
    default: return std::nullopt;
  }
}

std::uint32_t value_of(Ownership::State state) {
  switch (state) {
    case Ownership::State::fenced: return 1;
    case Ownership::State::dropping: return 2;
    case Ownership::State::gone: return 3;
    case Ownership::State::arriving: return 4;
  }
  CHECK(false);
  return 0;
}

}  // namespace

bool Ownership::serves(BytesView key) const {
  if (parts_.empty() || !is_user_key(key)) return true;
  return std::none_of(parts_.begin(), parts_.end(),
                      [key](const Part& part) { return part.range.contains(key); });
}

bool Ownership::serves(const KeyRange& range) const {
  if (parts_.empty() || !is_user_key(range.from)) return true;
  return std::none_of(parts_.begin(), parts_.end(),
                      [&range](const Part& part) { return part.range.intersects(range); });
}

bool Ownership::serves(const std::vector<Condition>& conditions,
                       const std::vector<Mutation>& mutations) const {
  if (parts_.empty()) return true;
  for (const Condition& condition : conditions) {
    const bool is_range = condition.kind == Condition::Kind::range_is;
    if (is_range ? !serves(KeyRange{condition.key, condition.end}) : !serves(condition.key)) {
      return false;
    }
  }
  return std::all_of(mutations.begin(), mutations.end(),
                     [this](const Mutation& mutation) { return serves(mutation.key); });
}

// --- steps of a move ---

bool Ownership::fence(std::uint64_t move, const KeyRange& range) {
  if (move <= newest_move_) return false;
  CHECK(serves(range));
  newest_move_ = move;
  set({.range = range, .state = State::fenced, .move = move});
  return true;
}

bool Ownership::begin_to_receive(std::uint64_t move, const KeyRange& range) {
  if (move <= newest_move_) return false;
  CHECK(find(newest_move_, State::arriving) == nullptr);  // One move at a time.
  newest_move_ = move;
  set({.range = range, .state = State::arriving, .move = move});
  return true;
}

bool Ownership::own(std::uint64_t move) {
  const Part* const part = find_part(move, State::arriving);
  if (part == nullptr) return false;
  cut_out(KeyRange(part->range));
  CHECK(find(move, State::arriving) == nullptr);
  return true;
}

bool Ownership::begin_to_drop(std::uint64_t move) {
  Part* const part = find_part(move, State::fenced);
  if (part == nullptr) return false;
  part->state = State::dropping;
  return true;
}

bool Ownership::end_dropping(std::uint64_t move) {
  Part* const part = find_part(move, State::dropping);
  if (part == nullptr) return false;
  part->state = State::gone;
  return true;
}

const KeyRange* Ownership::find(std::uint64_t move, State state) const {
  for (const Part& part : parts_) {
    if (part.move == move && part.state == state) return &part.range;
  }
  return nullptr;
}

Ownership::Part* Ownership::find_part(std::uint64_t move, State state) {
  for (Part& part : parts_) {
    if (part.move == move && part.state == state) return &part;
  }
  return nullptr;
}

// What is left of the parts on either side of the range stays as it is.
void Ownership::cut_out(const KeyRange& range) {
  std::vector<Part> kept;
  for (Part& part : parts_) {
    if (!part.range.intersects(range)) {
      kept.push_back(std::move(part));
      continue;
    }
    if (part.range.from < range.from) {
      kept.push_back({{part.range.from, range.from}, part.state, part.move});
    }
    const bool has_rest = !range.to.empty() && (part.range.to.empty() || range.to < part.range.to);
    if (has_rest) kept.push_back({{range.to, part.range.to}, part.state, part.move});
  }
  parts_ = std::move(kept);
}

void Ownership::set(Part part) {
  cut_out(part.range);
  const auto place = std::find_if(parts_.begin(), parts_.end(), [&part](const Part& other) {
    return part.range.from < other.range.from;
  });
  CHECK(place == parts_.end() || !place->range.intersects(part.range));
  parts_.insert(place, std::move(part));
}

// --- its row ---

Bytes encode(const Ownership& ownership) {
  wire::Ownership message;
  message.set_newest_move(ownership.newest_move_);
  for (const Ownership::Part& part : ownership.parts_) {
    wire::OwnershipPart& written = *message.add_parts();
    written.set_from(part.range.from);
    written.set_to(part.range.to);
    written.set_state(value_of(part.state));
    written.set_move(part.move);
  }
  return serialize(message);
}

Result<Ownership> decode_ownership(BytesView bytes) {
  wire::Ownership message;
  TRY(parse(bytes, "ownership", message));
  Ownership ownership;
  ownership.newest_move_ = message.newest_move();
  for (wire::OwnershipPart& part : *message.mutable_parts()) {
    const auto state = state_of(part.state());
    if (!state) return Error{ErrorCode::corrupt, "ownership: a part of unknown state"};
    ownership.parts_.push_back(
        {.range = {std::move(*part.mutable_from()), std::move(*part.mutable_to())},
         .state = *state,
         .move = part.move()});
  }
  return ownership;
}

}  // namespace keelson::kv

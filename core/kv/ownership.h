// Ownership: the keys that a group does not serve although somebody with an old shard map may think
// so: those it has given away, or is giving away or getting just now. What is not in here it was
// never asked for, or serves. Part of the group's state, so that every change has its place in the
// group's log: before it, or after it.
#pragma once

#include <cstdint>
#include <vector>

#include "core/kv/key_range.h"
#include "core/kv/store.h"

namespace keelson::kv {

class Ownership {
 public:
  enum class State {
    fenced,    // Nothing in it changes any more: it may be copied.
    dropping,  // Somebody else serves it; some of its rows are gone.
    gone,
    arriving,  // Its rows are coming.
  };
  struct Part {
    KeyRange range;
    State state = State::gone;
    std::uint64_t move = 0;  // The last it took part in.

    bool operator==(const Part&) const = default;
  };

  // Whether all of it is served here. Rows of the group's own rules (core/kv/rows.h) always are.
  bool serves(BytesView key) const;
  bool serves(const KeyRange& range) const;
  bool serves(const std::vector<Condition>& conditions,
              const std::vector<Mutation>& mutations) const;

  // The steps of a move. Each is false, and changes nothing, when its turn is not now: it is a late
  // copy, or has been done.
  bool fence(std::uint64_t move, const KeyRange& range);
  bool begin_to_receive(std::uint64_t move, const KeyRange& range);
  bool own(std::uint64_t move);
  bool begin_to_drop(std::uint64_t move);
  bool end_dropping(std::uint64_t move);

  // Nothing if no part of that move is in that state.
  const KeyRange* find(std::uint64_t move, State state) const;
  // The newest this group has taken part in.
  std::uint64_t newest_move() const { return newest_move_; }
  // In the order of keys; none meets another.
  const std::vector<Part>& parts() const { return parts_; }

  bool operator==(const Ownership&) const = default;

 private:
  friend Bytes encode(const Ownership& ownership);
  friend Result<Ownership> decode_ownership(BytesView bytes);

  void cut_out(const KeyRange& range);
  void set(Part part);
  Part* find_part(std::uint64_t move, State state);

  std::vector<Part> parts_;
  std::uint64_t newest_move_ = 0;
};

Bytes encode(const Ownership& ownership);
// Errors: corrupt.
Result<Ownership> decode_ownership(BytesView bytes);

}  // namespace keelson::kv

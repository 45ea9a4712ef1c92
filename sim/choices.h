// Choices: everything undetermined in a run, drawn as bounded integers from named streams. A run is
// a function of its choices.
//
// A seed fills each stream from a generator of its own, so that a draw in one stream never disturbs
// another and an old seed keeps its meaning when code elsewhere draws more. 0 is always the benign
// choice, so that shrinking towards 0 is simplification. A .repro file (sim/repro.h) fixes the
// draws that differ from 0 and answers 0 to all others. The end of a replayed run may be drawn anew
// from a seed, to ask what would have become of it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/true_time.h"

namespace keelson::sim {

// One draw that was not 0: the nth (from 0) of its stream.
struct Choice {
  std::uint64_t nth = 0;
  std::uint64_t value = 0;
  bool operator==(const Choice&) const = default;
};

using ChoicesByStream = std::map<std::string, std::vector<Choice>>;  // Each sorted by nth.

// A choice and when it was made.
struct DrawnChoice {
  std::string stream;
  Choice choice;
  TrueTime at;
  bool operator==(const DrawnChoice&) const = default;
};

class Choices;

class ChoiceStream {
 public:
  // Uniform in [0, bound). REQUIRES: bound > 0.
  std::uint64_t choose(std::uint64_t bound);

  // True in `per_million` of draws; false is the benign choice.
  bool chance(std::uint32_t per_million);

  // 0 in all but `per_million` of draws, and then uniform in [1, bound): a rare and strong
  // departure.
  // REQUIRES: bound > 0.
  std::uint64_t rarely(std::uint32_t per_million, std::uint64_t bound);

  // One of [0, weights.size()), each as likely as its weight says. Replayed, a number whose weight
  // is 0 stands for the next one (after the last comes the first) that may be drawn: what is
  // unlikely in one run need not be drawn as likely first, to be there when the run is replayed.
  // REQUIRES: not all weights are 0.
  std::uint64_t choose_weighted(const std::vector<std::uint32_t>& weights);

  // How many draws an item may have.
  static constexpr std::uint64_t kItem = 16;
  // What is drawn from here on belongs to the next item of the stream, say an operation of a
  // client: its draws have the same places however many the items before it needed, and it can be
  // left out whole. What was drawn before the first is item 0.
  // REQUIRES: the item that ends here had at most kItem draws.
  void begin_item();

 private:
  friend class Choices;
  struct Recorded {
    Choice choice;
    TrueTime at;
  };
  std::uint64_t next_raw();
  std::uint64_t replay(std::uint64_t bound);
  std::uint64_t note(std::uint64_t value);

  const Choices* owner_ = nullptr;
  std::uint64_t origin_ = 0;  // Where the generator (splitmix64) begins: by the seed and the name.
  std::uint64_t state_ = 0;
  std::uint64_t items_ = 0;  // Begun.
  std::uint64_t drawn_ = 0;
  bool replaying_ = false;
  bool recording_ = false;   // Also while replaying.
  std::size_t next_replayed_ = 0;
  std::vector<Choice> replayed_;
  std::vector<Recorded> recorded_;
  std::uint64_t matched_ = 0;
};

class Choices {
 public:
  enum class Recording { off, on };

  // Fills every stream from `seed`.
  explicit Choices(std::uint64_t seed, Recording recording = Recording::off);
  // Replays: each stream's fixed draws, sorted by nth, and 0 for all others. A fixed value that
  // does not fit the bound of its draw counts as unmatched and gives 0; the bound of a draw whose
  // chance is none is 1. REQUIRES: no two fixed draws of a stream have the same nth.
  explicit Choices(ChoicesByStream fixed);
  // The same up to a true time; every draw from then on is filled from the seed.
  struct Redraw {
    TrueTime from;
    std::uint64_t seed = 0;
  };
  Choices(ChoicesByStream fixed, Redraw redraw);
  Choices(const Choices&) = delete;
  Choices& operator=(const Choices&) = delete;

  // The stream of this name ("net/n1>n2/delay"), the same object each time; valid as long as this.
  // Look it up once and keep it: the look-up is slow, a draw is not.
  // REQUIRES: the name is not empty, does not begin with "#" and has no line end in it.
  ChoiceStream& stream(std::string_view name);

  // For World: the time has come to be this.
  void time_is(TrueTime now) {
    now_ = now;
    if (redraw_ && now >= redraw_->from) [[unlikely]] draw_anew();
  }

  TrueTime now() const { return now_; }

  // What was drawn other than 0, by stream. REQUIRES: recording or replaying.
  ChoicesByStream recorded() const;
  // The same by time, and at one time by stream.
  std::vector<DrawnChoice> history() const;
  // While replaying: how many fixed choices were asked for so far, and how many there are.
  std::uint64_t matched() const;
  std::uint64_t fixed_count() const { return fixed_count_; }
  // How many draws there were, in all streams.
  std::uint64_t drawn() const;

 private:
  friend class ChoiceStream;
  void draw_anew();

  TrueTime now_;
  std::uint64_t seed_;
  bool replaying_;
  const bool recording_;
  std::uint64_t fixed_count_ = 0;
  std::optional<Redraw> redraw_;  // Until it is done.
  std::map<std::string, std::vector<Choice>, std::less<>> fixed_;
  std::map<std::string, std::unique_ptr<ChoiceStream>, std::less<>> streams_;
};

}  // namespace keelson::sim

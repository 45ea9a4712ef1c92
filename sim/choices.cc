// Tested by tests/sim/choices_test.cc.
#include "sim/choices.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/check.h"

namespace keelson::sim {

namespace {

__extension__ using Wide = unsigned __int128;

// Uniform in [0, bound), but for a bias below bound / 2^64; the same on every compiler.
std::uint64_t scaled(std::uint64_t raw, std::uint64_t bound) {
  return static_cast<std::uint64_t>(static_cast<Wide>(raw) * bound >> 64);
}

constexpr std::uint64_t kMillion = 1'000'000;
constexpr std::uint64_t kGamma = 0x9e3779b97f4a7c15;  // Of splitmix64.

}  // namespace

std::uint64_t ChoiceStream::next_raw() {
  state_ += kGamma;
  std::uint64_t mixed = state_;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  return mixed ^ (mixed >> 31);
}

std::uint64_t ChoiceStream::choose(std::uint64_t bound) {
  CHECK(bound > 0);
  return replaying_ ? replay(bound) : note(scaled(next_raw(), bound));
}

bool ChoiceStream::chance(std::uint32_t per_million) {
  CHECK(per_million <= kMillion);
  if (replaying_) return replay(per_million == 0 ? 1 : 2) != 0;
  return note(scaled(next_raw(), kMillion) < per_million ? 1 : 0) != 0;
}

std::uint64_t ChoiceStream::rarely(std::uint32_t per_million, std::uint64_t bound) {
  CHECK(bound > 0);
  CHECK(per_million <= kMillion);
  if (replaying_) return replay(per_million == 0 ? 1 : bound);
  const bool departs = scaled(next_raw(), kMillion) < per_million && bound > 1;
  return note(departs ? 1 + scaled(next_raw(), bound - 1) : 0);
}

std::uint64_t ChoiceStream::choose_weighted(const std::vector<std::uint32_t>& weights) {
  const auto total = std::accumulate(weights.begin(), weights.end(), std::uint64_t{0});
  CHECK(total > 0);
  std::uint64_t number = 0;
  if (replaying_) {
    number = replay(weights.size());
    while (weights[number] == 0) number = (number + 1) % weights.size();
    return number;
  }
  std::uint64_t left = scaled(next_raw(), total);
  while (left >= weights[number]) left -= weights[number++];
  return note(number);
}

void ChoiceStream::begin_item() {
  const std::uint64_t first = ++items_ * kItem;
  CHECK(drawn_ <= first);
  drawn_ = first;
  // No draw takes more than two numbers of the generator.
  state_ = origin_ + 2 * first * kGamma;
  while (next_replayed_ < replayed_.size() && replayed_[next_replayed_].nth < first) {
    ++next_replayed_;
  }
}

std::uint64_t ChoiceStream::note(std::uint64_t value) {
  if (recording_ && value != 0) recorded_.push_back({{drawn_, value}, owner_->now_});
  ++drawn_;
  return value;
}

std::uint64_t ChoiceStream::replay(std::uint64_t bound) {
  std::uint64_t value = 0;
  if (next_replayed_ < replayed_.size() && replayed_[next_replayed_].nth == drawn_) {
    const Choice& fixed = replayed_[next_replayed_++];
    if (fixed.value < bound) {
      value = fixed.value;
      ++matched_;
    }
  }
  return note(value);
}

Choices::Choices(std::uint64_t seed, Recording recording)
    : seed_(seed), replaying_(false), recording_(recording == Recording::on) {}

Choices::Choices(ChoicesByStream fixed, Redraw redraw) : Choices(std::move(fixed)) {
  redraw_ = redraw;
  time_is({});
}

Choices::Choices(ChoicesByStream fixed)
    : seed_(0), replaying_(true), recording_(true) {
  for (auto& [name, choices] : fixed) {
    for (std::size_t i = 1; i < choices.size(); ++i) {
      CHECK(choices[i - 1].nth < choices[i].nth);
    }
    fixed_count_ += choices.size();
    fixed_.emplace(name, std::move(choices));
  }
}

ChoiceStream& Choices::stream(std::string_view name) {
  if (const auto known = streams_.find(name); known != streams_.end()) return *known->second;
  // A .repro file has a line for each choice that begins with the name.
  CHECK(!name.empty() && name.front() != '#' && name.find('\n') == std::string_view::npos);
  auto made = std::make_unique<ChoiceStream>();
  made->owner_ = this;
  made->origin_ = made->state_ = hash64(name, seed_);
  made->replaying_ = replaying_;
  made->recording_ = recording_;
  if (const auto fixed = fixed_.find(name); fixed != fixed_.end()) made->replayed_ = fixed->second;
  return *streams_.emplace(name, std::move(made)).first->second;
}

void Choices::draw_anew() {
  seed_ = redraw_->seed;
  redraw_.reset();
  replaying_ = false;
  for (auto& [name, stream] : streams_) {
    stream->replaying_ = false;
    stream->origin_ = stream->state_ = hash64(name, seed_);
  }
}

ChoicesByStream Choices::recorded() const {
  CHECK(recording_);
  ChoicesByStream all;
  for (const auto& [name, stream] : streams_) {
    for (const auto& [choice, at] : stream->recorded_) all[name].push_back(choice);
  }
  return all;
}

std::vector<DrawnChoice> Choices::history() const {
  CHECK(recording_);
  std::vector<DrawnChoice> all;
  for (const auto& [name, stream] : streams_) {
    for (const auto& [choice, at] : stream->recorded_) all.push_back({name, choice, at});
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const DrawnChoice& a, const DrawnChoice& b) { return a.at < b.at; });
  return all;
}

std::uint64_t Choices::drawn() const {
  std::uint64_t total = 0;
  for (const auto& [name, stream] : streams_) total += stream->drawn_;
  return total;
}

std::uint64_t Choices::matched() const {
  std::uint64_t total = 0;
  for (const auto& [name, stream] : streams_) total += stream->matched_;
  return total;
}

}  // namespace keelson::sim

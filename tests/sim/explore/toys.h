// Systems small enough that the numbers of their schedules and states are known by hand.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "sim/explore/system.h"

namespace keelson::sim {

// How much of what a search can use a system offers.
struct Offers {
  bool independence = true;
  bool hashes = true;
  bool copies = true;
};

// Machines that each count up to a limit and touch nothing in common.
class Counters : public System {
 public:
  Counters(std::size_t machines, std::uint64_t limit, Offers offers = {})
      : counts_(machines), limit_(limit), offers_(offers) {}

  std::vector<Event> events() const override {
    std::vector<Event> events;
    for (std::uint32_t i = 0; i < counts_.size(); ++i) {
      if (counts_[i] < limit_) events.push_back({.kind = 0, .machine = i, .detail = counts_[i]});
    }
    return events;
  }
  std::optional<Violation> take(const Event& event) override {
    ++counts_[event.machine];
    return std::nullopt;
  }
  bool are_independent(const Event& one, const Event& other) const override {
    return offers_.independence && one.machine != other.machine;
  }
  std::optional<std::uint64_t> hash() const override {
    if (!offers_.hashes) return std::nullopt;
    Bytes bytes;
    for (const std::uint64_t count : counts_) append_u64(bytes, count);
    return hash64(bytes);
  }
  std::unique_ptr<System> copy() const override {
    return offers_.copies ? std::make_unique<Counters>(*this) : nullptr;
  }
  std::string describe(const Event& event) const override {
    return "machine " + std::to_string(event.machine) + " counts";
  }
  std::string describe_machine(std::uint32_t machine) const override {
    return std::to_string(counts_[machine]);
  }

 private:
  std::vector<std::uint64_t> counts_;
  std::uint64_t limit_;
  Offers offers_;
};

// Machines that add one to a common number, each by reading it and then writing what it has read
// and one more. Some machines only sleep once: they are in nobody's way.
class Adders : public System {
 public:
  Adders(std::size_t adders, std::size_t sleepers, Offers offers = {})
      : adders_(adders), steps_(adders + sleepers), read_(adders + sleepers), offers_(offers) {}

  std::vector<Event> events() const override {
    std::vector<Event> events;
    for (std::uint32_t i = 0; i < steps_.size(); ++i) {
      const std::uint32_t steps = i < adders_ ? 2 : 1;
      if (steps_[i] < steps) events.push_back({.kind = steps_[i], .machine = i, .detail = 0});
    }
    return events;
  }
  std::optional<Violation> take(const Event& event) override {
    const std::uint32_t i = event.machine;
    if (i < adders_ && steps_[i] == 0) read_[i] = number_;
    if (i < adders_ && steps_[i] == 1) number_ = read_[i] + 1;
    ++steps_[i];
    const bool have_all_added = std::all_of(steps_.begin(), steps_.begin() + adders_end(),
                                            [](std::uint32_t steps) { return steps == 2; });
    if (!have_all_added || number_ == adders_) return std::nullopt;
    return Violation{.oracle = "lost update", .message = "the number is " +
                                                         std::to_string(number_)};
  }
  // Two that read do not disturb each other.
  bool are_independent(const Event& one, const Event& other) const override {
    if (!offers_.independence || one.machine == other.machine) return false;
    if (one.machine >= adders_ || other.machine >= adders_) return true;
    return one.kind == 0 && other.kind == 0;
  }
  std::optional<std::uint64_t> hash() const override {
    if (!offers_.hashes) return std::nullopt;
    Bytes bytes;
    append_u64(bytes, number_);
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      append_u32(bytes, steps_[i]);
      append_u64(bytes, steps_[i] == 1 ? read_[i] : 0);
    }
    return hash64(bytes);
  }
  std::unique_ptr<System> copy() const override {
    return offers_.copies ? std::make_unique<Adders>(*this) : nullptr;
  }
  std::string describe(const Event& event) const override {
    const std::string who = "machine " + std::to_string(event.machine);
    return who + (event.machine >= adders_ ? " sleeps" : event.kind == 0 ? " reads" : " writes");
  }
  std::string describe_machine(std::uint32_t machine) const override {
    return "step " + std::to_string(steps_[machine]);
  }

 private:
  std::ptrdiff_t adders_end() const { return static_cast<std::ptrdiff_t>(adders_); }

  std::size_t adders_;
  std::uint64_t number_ = 0;
  std::vector<std::uint32_t> steps_;
  std::vector<std::uint64_t> read_;
  Offers offers_;
};

// Any system, seen as one in which all depends on all: what a search finds without sleep sets.
class AllDependent : public System {
 public:
  explicit AllDependent(std::unique_ptr<System> system) : system_(std::move(system)) {}

  std::vector<Event> events() const override { return system_->events(); }
  std::optional<Violation> take(const Event& event) override { return system_->take(event); }
  bool are_independent(const Event&, const Event&) const override { return false; }
  std::optional<std::uint64_t> hash() const override { return system_->hash(); }
  std::unique_ptr<System> copy() const override {
    auto copy = system_->copy();
    return copy ? std::make_unique<AllDependent>(std::move(copy)) : nullptr;
  }
  std::string describe(const Event& event) const override { return system_->describe(event); }
  std::string describe_machine(std::uint32_t machine) const override {
    return system_->describe_machine(machine);
  }

 private:
  std::unique_ptr<System> system_;
};

}  // namespace keelson::sim

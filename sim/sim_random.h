// Chance and the order of fibers, drawn from the run's choices.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/runtime/random.h"
#include "core/runtime/scheduler.h"
#include "sim/choices.h"

namespace keelson::sim {

// A machine's chance: stream "random/<machine>/<purpose>", which goes on from one incarnation to
// the next. The choice 0 stands for another number on each machine, far from those of its
// neighbours: nodes whose choices are all 0 must not time out together for ever, or what was shrunk
// would fail for want of chance.
class SimRandomSource : public RandomSource {
 public:
  // `incarnation` counts the machine's starts: identifiers are made of it, the machine and a count.
  SimRandomSource(Choices& choices, std::string_view machine, std::uint32_t index,
                  std::uint64_t incarnation);
  std::unique_ptr<Random> stream(std::string_view purpose) override;
  Bytes identifier() override;

 private:
  Choices& choices_;
  const std::string prefix_;
  const std::uint64_t zero_;  // What the choice 0 stands for, as a share of 2^64.
  const std::uint64_t incarnation_;
  std::uint64_t identifiers_ = 0;
};

// Mostly first in, first out: another fiber than the oldest in `per_million` of picks, drawn from
// stream "schedule/<machine>".
class SimSchedulePolicy : public SchedulePolicy {
 public:
  SimSchedulePolicy(Choices& choices, std::string_view machine, std::uint32_t per_million);
  std::size_t pick(std::size_t ready_count) override;

 private:
  ChoiceStream& stream_;
  const std::uint32_t per_million_;
};

}  // namespace keelson::sim

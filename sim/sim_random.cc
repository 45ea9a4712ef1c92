// Tested by tests/sim/machine_test.cc.
#include "sim/sim_random.h"

#include "core/base/check.h"

namespace keelson::sim {

namespace {

class StreamRandom : public Random {
 public:
  explicit StreamRandom(ChoiceStream& stream) : stream_(stream) {}
  std::uint64_t below(std::uint64_t bound) override { return stream_.choose(bound); }

 private:
  ChoiceStream& stream_;
};

}  // namespace

SimRandomSource::SimRandomSource(Choices& choices, std::string_view machine,
                                 std::uint64_t incarnation)
    : choices_(choices), prefix_("random/" + std::string(machine) + "/"),
      incarnation_(incarnation) {}

Bytes SimRandomSource::identifier() {
  const std::uint64_t machine = hash64(prefix_, incarnation_);
  Bytes octets;
  append_u64(octets, machine);
  append_u64(octets, hash64(octets, ++identifiers_));
  return octets;
}

std::unique_ptr<Random> SimRandomSource::stream(std::string_view purpose) {
  CHECK(!purpose.empty());
  return std::make_unique<StreamRandom>(choices_.stream(prefix_ + std::string(purpose)));
}

SimSchedulePolicy::SimSchedulePolicy(Choices& choices, std::string_view machine,
                                     std::uint32_t per_million)
    : stream_(choices.stream("schedule/" + std::string(machine))), per_million_(per_million) {}

std::size_t SimSchedulePolicy::pick(std::size_t ready_count) {
  CHECK(ready_count >= 2);
  return stream_.rarely(per_million_, ready_count);
}

}  // namespace keelson::sim

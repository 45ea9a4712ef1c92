// Tested by tests/sim/machine_test.cc.
#include "sim/sim_random.h"

#include "core/base/check.h"

namespace keelson::sim {

namespace {

class StreamRandom : public Random {
 public:
  StreamRandom(ChoiceStream& stream, std::uint64_t zero) : stream_(stream), zero_(zero) {}
  // The choice 0 and what it stands for change places.
  std::uint64_t below(std::uint64_t bound) override {
    const std::uint64_t choice = stream_.choose(bound);
    __extension__ using Wide = unsigned __int128;
    const auto zero = static_cast<std::uint64_t>(static_cast<Wide>(zero_) * bound >> 64);
    return choice == 0 ? zero : choice == zero ? 0 : choice;
  }

 private:
  ChoiceStream& stream_;
  const std::uint64_t zero_;
};

}  // namespace

// Multiples of the golden ratio lie far apart from each other, however many there are.
SimRandomSource::SimRandomSource(Choices& choices, std::string_view machine, std::uint32_t index,
                                 std::uint64_t incarnation)
    : choices_(choices), prefix_("random/" + std::string(machine) + "/"),
      zero_(index * std::uint64_t{0x9e3779b97f4a7c15}), incarnation_(incarnation) {}

Bytes SimRandomSource::identifier() {
  const std::uint64_t machine = hash64(prefix_, incarnation_);
  Bytes octets;
  append_u64(octets, machine);
  append_u64(octets, hash64(octets, ++identifiers_));
  return octets;
}

std::unique_ptr<Random> SimRandomSource::stream(std::string_view purpose) {
  CHECK(!purpose.empty());
  return std::make_unique<StreamRandom>(choices_.stream(prefix_ + std::string(purpose)), zero_);
}

SimSchedulePolicy::SimSchedulePolicy(Choices& choices, std::string_view machine,
                                     std::uint32_t per_million)
    : stream_(choices.stream("schedule/" + std::string(machine))), per_million_(per_million) {}

std::size_t SimSchedulePolicy::pick(std::size_t ready_count) {
  CHECK(ready_count >= 2);
  return stream_.rarely(per_million_, ready_count);
}

}  // namespace keelson::sim

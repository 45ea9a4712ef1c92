// The worlds that the properties are run in.
#include <ostream>

#include "tests/conformance/conformance.h"

namespace keelson::conformance {

Bytes pattern(std::size_t size, std::uint64_t seed) {
  Bytes bytes;
  for (std::uint64_t block = 0; bytes.size() < size; ++block) {
    append_u64(bytes, (seed << 32) ^ (block * 0x9e3779b97f4a7c15));
  }
  bytes.resize(size);
  return bytes;
}

void PrintTo(const WorldKind& kind, std::ostream* out) { *out << kind.name; }

namespace {

const WorldKind kWorlds[] = {
    {"net", make_net_world},
    {"calm_sim", make_calm_sim_world, 1},
    {"rough_sim_1", make_rough_sim_world, 1},
    {"rough_sim_2", make_rough_sim_world, 2},
    {"rough_sim_3", make_rough_sim_world, 3},
};

const WorldKind kOrderedWorlds[] = {
    {"net", make_net_world},
    {"calm_sim", make_calm_sim_world, 1},
};

std::string name_of_world(const testing::TestParamInfo<WorldKind>& info) {
  return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(In, NetworkConformance, testing::ValuesIn(kWorlds), name_of_world);
INSTANTIATE_TEST_SUITE_P(In, DiskConformance, testing::ValuesIn(kWorlds), name_of_world);
INSTANTIATE_TEST_SUITE_P(In, TimeConformance, testing::ValuesIn(kWorlds), name_of_world);
INSTANTIATE_TEST_SUITE_P(In, RandomConformance, testing::ValuesIn(kWorlds), name_of_world);
INSTANTIATE_TEST_SUITE_P(In, FirstInFirstOutConformance, testing::ValuesIn(kOrderedWorlds),
                         name_of_world);

}  // namespace
}  // namespace keelson::conformance

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

std::vector<WorldKind> real_worlds() {
  std::vector<WorldKind> worlds{{"net_threads", make_threads_net_world}};
  // net_test says why where it is left out.
  if (io_uring_is_permitted()) worlds.push_back({"net_io_uring", make_uring_net_world});
  return worlds;
}

// Whose ready fibers run first in, first out.
std::vector<WorldKind> ordered_worlds() {
  std::vector<WorldKind> worlds = real_worlds();
  worlds.push_back({"calm_sim", make_calm_sim_world, 1});
  return worlds;
}

std::vector<WorldKind> all_worlds() {
  std::vector<WorldKind> worlds = ordered_worlds();
  worlds.push_back({"rough_sim_1", make_rough_sim_world, 1});
  worlds.push_back({"rough_sim_2", make_rough_sim_world, 2});
  worlds.push_back({"rough_sim_3", make_rough_sim_world, 3});
  return worlds;
}

std::string name_of_world(const testing::TestParamInfo<WorldKind>& info) {
  return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(In, NetworkConformance, testing::ValuesIn(all_worlds()), name_of_world);
INSTANTIATE_TEST_SUITE_P(In, DiskConformance, testing::ValuesIn(all_worlds()), name_of_world);
INSTANTIATE_TEST_SUITE_P(In, TimeConformance, testing::ValuesIn(all_worlds()), name_of_world);
INSTANTIATE_TEST_SUITE_P(In, RandomConformance, testing::ValuesIn(all_worlds()), name_of_world);
INSTANTIATE_TEST_SUITE_P(In, FirstInFirstOutConformance, testing::ValuesIn(ordered_worlds()),
                         name_of_world);

}  // namespace
}  // namespace keelson::conformance

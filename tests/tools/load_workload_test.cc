#include "tools/load/workload.h"

#include <gtest/gtest.h>

#include <set>

namespace keelson::load {
namespace {

TEST(WorkloadTest, NoValueComesTwice) {
  Workload workload({.keys = 1, .value_bytes = 100});
  std::set<std::string> values;
  for (int i = 0; i < 10'000; ++i) {
    const Operation operation = workload.next();
    ASSERT_EQ(operation.act, Act::put);
    ASSERT_EQ(operation.value.size(), 100u);
    ASSERT_TRUE(values.emplace(operation.value.whole()).second);
  }
}

TEST(WorkloadTest, EvenTheShortestValueIsNotTheOneBefore) {
  Workload workload({.keys = 1, .value_bytes = 1});
  std::string before;
  for (int i = 0; i < 1000; ++i) {
    const Operation operation = workload.next();
    ASSERT_EQ(operation.value.size(), 1u);
    EXPECT_NE(operation.value.whole(), before);
    before = operation.value.whole();
  }
}

TEST(WorkloadTest, ReadsAreAsManyAsAskedFor) {
  Workload workload({.keys = 100, .read_percent = 30});
  int reads = 0;
  std::set<std::string> keys;
  for (int i = 0; i < 10'000; ++i) {
    const Operation operation = workload.next();
    keys.emplace(operation.key);
    if (operation.act == Act::get) ++reads;
  }
  EXPECT_NEAR(reads, 3'000, 300);
  EXPECT_EQ(keys.size(), 100u);
}

TEST(WorkloadTest, OneSeedIsOneWorkload) {
  Workload one({.seed = 7}), same({.seed = 7}), other({.seed = 8});
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const std::string key(one.next().key);
    EXPECT_EQ(key, same.next().key);
    differs = differs || key != other.next().key;
  }
  EXPECT_TRUE(differs);
}

}  // namespace
}  // namespace keelson::load

#include "tools/load/histogram.h"

#include <gtest/gtest.h>

namespace keelson::load {
namespace {

TEST(HistogramTest, NothingRecordedIsZero) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.at(500), 0);
  EXPECT_EQ(histogram.max(), 0);
}

TEST(HistogramTest, SmallValuesAreExact) {
  Histogram histogram;
  for (int value = 1; value <= 100; ++value) histogram.record(value);
  EXPECT_EQ(histogram.at(0), 1);
  EXPECT_EQ(histogram.at(500), 50);
  EXPECT_EQ(histogram.at(990), 99);
  EXPECT_EQ(histogram.at(1000), 100);
}

TEST(HistogramTest, AnyValueIsToldWithinOnePart) {
  for (std::int64_t value = 1; value < INT64_MAX / 3; value = value * 3 / 2 + 1) {
    Histogram histogram;
    histogram.record(value);
    histogram.record(INT64_MAX / 2);  // So that the maximum does not bound the answer.
    EXPECT_GE(histogram.at(500), value);
    EXPECT_LE(histogram.at(500) - value, value / 64 + 1) << value;
  }
}

TEST(HistogramTest, APercentileIsNeverBeyondTheMaximum) {
  Histogram histogram;
  histogram.record(1'000'003);
  EXPECT_EQ(histogram.at(999), 1'000'003);
  EXPECT_EQ(histogram.max(), 1'000'003);
}

TEST(HistogramTest, TheExtremesHaveARoom) {
  Histogram histogram;
  histogram.record(INT64_MAX);
  histogram.record(-5);
  EXPECT_EQ(histogram.at(0), 0);
  EXPECT_EQ(histogram.at(1000), INT64_MAX);
}

}  // namespace
}  // namespace keelson::load

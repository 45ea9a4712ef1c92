#include "tools/simulate/recording.h"

#include <gtest/gtest.h>

namespace keelson::simulate {
namespace {

constexpr const char* kA =
    "event 01 5 n1 raft: elected\n"
    "event 02\n"
    "event 03 9 n1 net: says a\n"
    "event 04 12 n1 net: says more\n"
    "choice 4 random/n1 0 7\n"
    "choice 8 net/n1>n2/delay 3 20\n"
    "choice 11 net/n1>n2/delay 4 20\n"
    "failure probe claim/stale 200\n";
constexpr const char* kB =
    "event 01 5 n1 raft: elected\n"
    "event 02\n"
    "event 05 9 n1 net: says b\n"
    "choice 4 random/n1 0 7\n"
    "choice 8 net/n1>n2/delay 3 21\n";

TEST(RecordingTest, TwoRunsPartAtTheFirstEventWithAnotherDigest) {
  const auto parted = where_they_part(parse_recording(kA), parse_recording(kB), 5);
  ASSERT_TRUE(parted.has_value());
  EXPECT_EQ(parted->event, 3u);
  ASSERT_EQ(parted->before.size(), 1u);
  EXPECT_EQ(parted->before[0].text, "n1 raft: elected");
  EXPECT_EQ(parted->before[0].at_ns, 5);
  ASSERT_EQ(parted->after_in_a.size(), 2u);
  EXPECT_EQ(parted->after_in_a[0].text, "n1 net: says a");
  ASSERT_EQ(parted->after_in_b.size(), 1u);
  EXPECT_EQ(parted->after_in_b[0].text, "n1 net: says b");
}

TEST(RecordingTest, ChoicesBeforeAreThoseMadeUntilThen) {
  const auto parted = where_they_part(parse_recording(kA), parse_recording(kB), 5);
  ASSERT_TRUE(parted.has_value());
  ASSERT_EQ(parted->both.size(), 1u);
  EXPECT_EQ(parted->both[0].text, "random/n1 0 7");
  ASSERT_EQ(parted->only_a.size(), 1u);  // The one at 11 was made later.
  EXPECT_EQ(parted->only_a[0].text, "net/n1>n2/delay 3 20");
  ASSERT_EQ(parted->only_b.size(), 1u);
  EXPECT_EQ(parted->only_b[0].text, "net/n1>n2/delay 3 21");
}

TEST(RecordingTest, EqualRunsDoNotPartAndOneThatEndsEarlyDoes) {
  EXPECT_FALSE(where_they_part(parse_recording(kA), parse_recording(kA), 5).has_value());
  const std::string shorter = "event 01 5 n1 raft: elected\nevent 02\n";
  const auto parted = where_they_part(parse_recording(kA), parse_recording(shorter), 5);
  ASSERT_TRUE(parted.has_value());
  EXPECT_EQ(parted->event, 3u);
  EXPECT_TRUE(parted->after_in_b.empty());
}

TEST(RecordingTest, AFailureIsPartOfIt) {
  EXPECT_EQ(parse_recording(kA).failure, "probe claim/stale 200");
  EXPECT_EQ(parse_recording(kB).failure, "");
}

}  // namespace
}  // namespace keelson::simulate

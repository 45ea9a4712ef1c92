#include "core/base/event_log.h"

#include <gtest/gtest.h>

namespace keelson {
namespace {

TEST(MarksTest, CountsEachPathThatWasTaken) {
  Marks marks;
  for (int i = 0; i < 3; ++i) SOMETIMES(marks, "test: often");
  SOMETIMES(marks, "test: once");
  EXPECT_EQ(marks.counts(), (std::map<std::string_view, std::uint64_t>{{"test: often", 3},
                                                                       {"test: once", 1}}));
}

}  // namespace
}  // namespace keelson

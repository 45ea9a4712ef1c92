#include "core/kv/ownership.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace keelson::kv {
namespace {

using State = Ownership::State;

TEST(OwnershipTest, AGroupServesEverythingUntilItGivesSomethingAway) {
  Ownership ownership;
  EXPECT_TRUE(ownership.serves("k"));
  ASSERT_TRUE(ownership.fence(1, {"k", "m"}));
  EXPECT_FALSE(ownership.serves("k"));
  EXPECT_FALSE(ownership.serves("lll"));
  EXPECT_TRUE(ownership.serves("m"));
  EXPECT_TRUE(ownership.serves("j"));
  EXPECT_FALSE(ownership.serves(KeyRange{"a", ""}));
  EXPECT_FALSE(ownership.serves(KeyRange{"a", "k\1"}));
  EXPECT_TRUE(ownership.serves(KeyRange{"a", "k"}));
  EXPECT_TRUE(ownership.serves(KeyRange{"m", ""}));
}

TEST(OwnershipTest, RowsOfTheRulesAreServedAlways) {
  Ownership ownership;
  ASSERT_TRUE(ownership.fence(1, {"", ""}));
  EXPECT_TRUE(ownership.serves(Bytes("\0r", 2)));
  EXPECT_FALSE(ownership.serves("\1"));
}

TEST(OwnershipTest, ConditionsAndMutationsAreJudgedByAllTheirKeys) {
  Ownership ownership;
  ASSERT_TRUE(ownership.fence(1, {"k", "m"}));
  const Condition elsewhere{.key = "a", .kind = Condition::Kind::absent};
  const Condition here{.key = "l", .kind = Condition::Kind::absent};
  const Condition over{.key = "a", .kind = Condition::Kind::range_is, .version = 0, .end = "z"};
  EXPECT_TRUE(ownership.serves({elsewhere}, {{"z", "1"}}));
  EXPECT_FALSE(ownership.serves({here}, {}));
  EXPECT_FALSE(ownership.serves({over}, {}));
  EXPECT_FALSE(ownership.serves({elsewhere}, {{"z", "1"}, {"k", "1"}}));
}

TEST(OwnershipTest, TheStepsOfAMoveComeInTheirOrderAndOnce) {
  Ownership from;
  EXPECT_FALSE(from.begin_to_drop(5));
  ASSERT_TRUE(from.fence(5, {"k", ""}));
  EXPECT_FALSE(from.fence(5, {"k", ""}));
  EXPECT_FALSE(from.end_dropping(5));
  ASSERT_TRUE(from.begin_to_drop(5));
  EXPECT_FALSE(from.begin_to_drop(5));
  ASSERT_TRUE(from.end_dropping(5));
  EXPECT_FALSE(from.fence(5, {"k", ""}));
  EXPECT_FALSE(from.serves("k"));

  Ownership to;
  EXPECT_FALSE(to.own(5));
  ASSERT_TRUE(to.begin_to_receive(5, {"k", ""}));
  EXPECT_FALSE(to.begin_to_receive(5, {"k", ""}));
  EXPECT_FALSE(to.serves("k"));
  ASSERT_TRUE(to.own(5));
  EXPECT_FALSE(to.own(5));
  EXPECT_FALSE(to.begin_to_receive(5, {"k", ""}));
  EXPECT_TRUE(to.serves("k"));
}

TEST(OwnershipTest, APartOfWhatIsGoneMayComeBack) {
  Ownership ownership;
  ASSERT_TRUE(ownership.fence(1, {"a", "z"}));
  ASSERT_TRUE(ownership.begin_to_drop(1));
  ASSERT_TRUE(ownership.end_dropping(1));
  ASSERT_TRUE(ownership.begin_to_receive(2, {"k", "m"}));
  EXPECT_EQ(ownership.parts().size(), 3u);
  ASSERT_TRUE(ownership.own(2));
  EXPECT_TRUE(ownership.serves(KeyRange{"k", "m"}));
  EXPECT_FALSE(ownership.serves("j"));
  EXPECT_FALSE(ownership.serves("m"));
  EXPECT_EQ(ownership.newest_move(), 2u);
}

// Against a set of single octets, through moves that come and go.
RC_GTEST_PROP(OwnershipProperty, ItServesWhatItHasNotGivenAwayOrHasGotBack, ()) {
  Ownership ownership;
  std::map<char, bool> serves;
  for (char octet = 'a'; octet <= 'p'; ++octet) serves[octet] = true;
  for (std::uint64_t move = 1; move <= 20; ++move) {
    const char first = *rc::gen::inRange('a', 'p');
    const char last = *rc::gen::inRange<char>(static_cast<char>(first + 1), 'q');
    const KeyRange range{Bytes(1, first), last == 'q' ? Bytes() : Bytes(1, last)};
    const bool all = ownership.serves(range);
    bool none = true;
    for (char octet = first; octet < last; ++octet) none = none && !serves[octet];
    if (all) {
      RC_ASSERT(ownership.fence(move, range));
      RC_ASSERT(ownership.begin_to_drop(move));
      RC_ASSERT(ownership.end_dropping(move));
    } else if (none) {
      RC_ASSERT(ownership.begin_to_receive(move, range));
      RC_ASSERT(ownership.own(move));
    } else {
      continue;
    }
    for (char octet = first; octet < last; ++octet) serves[octet] = !all;
    for (const auto& [octet, is_served] : serves) {
      RC_ASSERT(ownership.serves(Bytes(1, octet)) == is_served);
    }
    RC_ASSERT(*decode_ownership(encode(ownership)) == ownership);
  }
}

}  // namespace
}  // namespace keelson::kv

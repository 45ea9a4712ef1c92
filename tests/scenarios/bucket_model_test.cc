#include "scenarios/bucket_model.h"

#include <gtest/gtest.h>

#include "scenarios/checker/linearizability.h"

namespace keelson::scenarios {
namespace {

using Kind = BucketCall::Kind;

// Operations one after the other, or overlapping.
class BucketModelTest : public testing::Test {
 protected:
  std::size_t call(BucketCall call) {
    operations_.push_back({.call = std::move(call), .who = "c"});
    events_.push_back({operations_.size() - 1, false});
    return operations_.size() - 1;
  }
  void end(std::size_t op, Outcome outcome, BucketAnswer answer = {}) {
    operations_[op].outcome = outcome;
    operations_[op].answer = std::move(answer);
    if (outcome == Outcome::ok) events_.push_back({op, true});
  }
  void did(BucketCall one, BucketAnswer answer = {}) {
    end(call(std::move(one)), Outcome::ok, std::move(answer));
  }
  bool is_linearizable() {
    BucketModel model(operations_);
    return checker::check_linearizability(model, events_).verdict ==
           checker::Verdict::linearizable;
  }
  static BucketCall put(std::string key, std::string etag) {
    return {.kind = Kind::put, .keys = {std::move(key)}, .etag = std::move(etag)};
  }
  static BucketCall list(std::size_t limit = 10) {
    return {.kind = Kind::list, .keys = {}, .limit = limit};
  }

  std::vector<BucketOperation> operations_;
  std::vector<checker::HistoryEvent> events_;
};

TEST_F(BucketModelTest, APageIsOfOneMoment) {
  const std::size_t first = call(put("a", "1"));
  const std::size_t second = call(put("b", "2"));
  const std::size_t page = call(list());
  end(page, Outcome::ok, {.entries = {"b 2"}});
  end(first, Outcome::ok);
  end(second, Outcome::ok);
  EXPECT_TRUE(is_linearizable());
  did(list(), {.entries = {"b 2"}});
  EXPECT_FALSE(is_linearizable()) << "a was put before";
}

TEST_F(BucketModelTest, TwoPagesCannotDisagreeOnTheOrderOfWrites) {
  const std::size_t first = call(put("a", "1"));
  const std::size_t second = call(put("b", "2"));
  did(list(), {.entries = {"a 1"}});
  did(list(), {.entries = {"b 2"}});
  end(first, Outcome::ok);
  end(second, Outcome::ok);
  EXPECT_FALSE(is_linearizable());
}

TEST_F(BucketModelTest, WhatIsUnknownMayHappenLaterOrNever) {
  end(call(put("a", "1")), Outcome::unknown);
  did({.kind = Kind::get, .keys = {"a"}});
  EXPECT_TRUE(is_linearizable());
  did({.kind = Kind::get, .keys = {"a"}}, {.etag = "1"});
  EXPECT_TRUE(is_linearizable());
  did({.kind = Kind::get, .keys = {"a"}});
  EXPECT_FALSE(is_linearizable());
}

TEST_F(BucketModelTest, ConditionsAndRemovalsTellWhatWasThere) {
  did(put("a", "1"));
  did({.kind = Kind::put_if_absent, .keys = {"a"}, .etag = "2"}, {.condition_held = false});
  did({.kind = Kind::put_if_match, .keys = {"a"}, .etag = "3", .expected = "1"});
  did({.kind = Kind::expect, .keys = {"a"}, .expected = "3"});
  did({.kind = Kind::remove, .keys = {"a", "b"}});
  did({.kind = Kind::put_if_absent, .keys = {"a"}, .etag = "4"});
  EXPECT_TRUE(is_linearizable());
  did({.kind = Kind::put_if_absent, .keys = {"a"}, .etag = "5"});
  EXPECT_FALSE(is_linearizable());
}

TEST_F(BucketModelTest, PagesFoldAndGoOn) {
  const std::map<std::string, std::string> objects = {
      {"a", "1"}, {"a/1", "2"}, {"a/2", "3"}, {"b/c", "4"}, {"z", "5"}};
  BucketCall call{.kind = Kind::list, .keys = {}, .delimiter = "/", .limit = 2};
  BucketAnswer page = page_of(objects, call);
  EXPECT_EQ(page.entries, (std::vector<std::string>{"a 1", "a/"}));
  EXPECT_TRUE(page.is_truncated);
  call.after = "a/";
  page = page_of(objects, call);
  EXPECT_EQ(page.entries, (std::vector<std::string>{"b/", "z 5"}));
  EXPECT_FALSE(page.is_truncated);
  call = {.kind = Kind::list, .keys = {}, .prefix = "a/", .delimiter = "/"};
  EXPECT_EQ(page_of(objects, call).entries, (std::vector<std::string>{"a/1 2", "a/2 3"}));
}

TEST_F(BucketModelTest, OnlyWhatNobodyCouldHaveSeenIsLeftOut) {
  end(call(put("a", "1")), Outcome::unknown);
  end(call(put("b", "2")), Outcome::unknown);
  end(call(put("c", "3")), Outcome::unknown);
  end(call(put("d", "4")), Outcome::unknown);
  did({.kind = Kind::get, .keys = {"b"}}, {.etag = "2"});
  did({.kind = Kind::put_if_absent, .keys = {"c"}, .etag = "5"}, {.condition_held = false});
  did(list(1), {.entries = {"b 2"}, .is_truncated = true});
  EXPECT_EQ(unnoticed(operations_),
            (std::vector<bool>{true, false, false, false, false, false, false}));
}

}  // namespace
}  // namespace keelson::scenarios

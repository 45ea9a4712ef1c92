#include "tools/ctl/view.h"

#include <gtest/gtest.h>

#include "admin/key_text.h"
#include "core/api/s3_records.h"

namespace keelson::ctl {
namespace {

TEST(CtlView, ShardsAreReadAsTheAdminApiSaysThem) {
  const auto view = parse_shards(
      R"({"version":5,"shards":[{"from":"","to":"b%2F","group":"g0","leader_id":"n2"},)"
      R"({"from":"b%2F","to":"","group":"g1","leader_id":null}],"move":{"number":5,"from":"",)"
      R"("to":"b%2F","source":"g0","target":"g1","phase":"copying"}})");
  ASSERT_TRUE(view.has_value()) << view.error().message;
  EXPECT_EQ(view->version, 5u);
  ASSERT_EQ(view->shards.size(), 2u);
  EXPECT_EQ(view->find("b%2F")->group, "g1");
  EXPECT_EQ(view->find("b%2F")->leader, "");
  EXPECT_EQ(view->find("b"), nullptr);
  EXPECT_EQ(view->move->target, "g1");
  EXPECT_EQ(view->move->phase, "copying");
  EXPECT_FALSE(parse_shards(R"({"version":5,"shards":[],"move":null})")->move.has_value());
  EXPECT_FALSE(parse_shards(R"({"error":"not_found"})").has_value());
}

TEST(CtlView, AKeyIsPercentEncodedOrAnObjectsName) {
  EXPECT_EQ(*parse_key("%41%2fb"), "A%2Fb");
  EXPECT_EQ(*parse_key(""), "");
  EXPECT_EQ(*parse_key("s3://photos/a/b c"),
            admin::key_text(api::object_record_key("photos", "a/b c")));
  EXPECT_EQ(*parse_key("s3://photos/"), admin::key_text(api::object_record_key("photos", "")));
  for (const char* text : {"a/b", "%4", "s3:/photos/x", "s3://photos", "s3://X/a", "s3:///a"}) {
    EXPECT_FALSE(parse_key(text).has_value()) << text;
  }
}

TEST(CtlView, ATableHasColumnsOfEqualWidth) {
  EXPECT_EQ(table({{"FROM", "TO"}, {beginning(""), "b"}, {"b", ending("")}}),
            "FROM  TO\n''    b\nb     (end)\n");
}

}  // namespace
}  // namespace keelson::ctl

#include "core/api/http.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "core/api/date.h"
#include "core/api/json.h"

namespace keelson::api {
namespace {

TEST(HttpHeaders, NamesCompareWithoutCaseAndKeepTheirOrder) {
  HttpHeaders headers = {{"A", "1"}, {"b", "2"}, {"a", "3"}};
  EXPECT_EQ(headers.get("a"), "1");
  EXPECT_EQ(headers.count("A"), 2u);
  EXPECT_EQ(headers.find("c"), nullptr);
  headers.set("a", "4");
  ASSERT_EQ(headers.size(), 2u);
  EXPECT_EQ(headers.begin()->name, "b");
  EXPECT_EQ(headers.get("A"), "4");
}

TEST(HttpHeaders, TokensAreFoundInListsAcrossFields) {
  const HttpHeaders headers = {{"Connection", "keep-alive, Upgrade"}, {"connection", "x"}};
  EXPECT_TRUE(headers.has_token("Connection", "upgrade"));
  EXPECT_TRUE(headers.has_token("Connection", "X"));
  EXPECT_FALSE(headers.has_token("Connection", "keep"));
}

TEST(HttpRequest, TargetsAreTakenApart) {
  struct Case {
    std::string target, path, query;
  };
  for (const Case& c : std::vector<Case>{{"/a/b?c=d", "/a/b", "c=d"},
                                         {"/a?b?c", "/a", "b?c"},
                                         {"/?", "/", ""},
                                         {"/a#f?x", "/a", ""},
                                         {"http://host:1/a/b?c", "/a/b", "c"},
                                         {"http://host", "/", ""},
                                         {"http://host?c", "/", "c"},
                                         {"*", "*", ""},
                                         {"/x://y/z", "/x://y/z", ""},
                                         {"//a//b", "//a//b", ""}}) {
    HttpRequest request;
    request.set_target(c.target);
    EXPECT_EQ(request.raw_path, c.path) << c.target;
    EXPECT_EQ(request.query, c.query) << c.target;
    EXPECT_EQ(request.target, c.target);
  }
}

TEST(HttpRequest, PathsDecodeOnceOrNotAtAll) {
  EXPECT_EQ(HttpRequest::decode_path("/a%20b%2Fc%2525"), "/a b/c%25");
  EXPECT_EQ(HttpRequest::decode_path("/a+b"), "/a+b");
  for (const std::string bad : {"/%", "/%4", "/%zz", "/%00", "/a%0"}) {
    EXPECT_EQ(HttpRequest::decode_path(bad), std::nullopt) << bad;
  }
}

TEST(Percent, EncodesAllButUnreserved) {
  EXPECT_EQ(percent_encode("aZ9-._~ /\xc3\xa9"), "aZ9-._~%20%2F%C3%A9");
  EXPECT_EQ(percent_encode("a/b c", true), "a/b%20c");
}

TEST(Query, PiecesAreDecoded) {
  const auto parameters = parse_query("a=1&&b&c=&d=%26+x", false);
  ASSERT_TRUE(parameters.has_value());
  ASSERT_EQ(parameters->size(), 4u);
  EXPECT_EQ((*parameters)[0].value, "1");
  EXPECT_FALSE((*parameters)[1].has_value);
  EXPECT_TRUE((*parameters)[2].has_value);
  EXPECT_EQ((*parameters)[3].value, "&+x");
  EXPECT_EQ(parse_query("d=+", true)->front().value, " ");
  EXPECT_EQ(parse_query("a=%2", true), std::nullopt);
}

TEST(Dates, AreWrittenAndReadAsHttpHasThem) {
  const std::int64_t moment = 784111777000;
  EXPECT_EQ(http_date(moment), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), moment);
  EXPECT_EQ(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(http_date(951782400000), "Tue, 29 Feb 2000 00:00:00 GMT");
  EXPECT_EQ(amz_date(moment + 999), "19941106T084937Z");
  EXPECT_EQ(parse_amz_date("19941106T084937Z"), moment);
  EXPECT_EQ(iso_date(moment + 7), "1994-11-06T08:49:37.007Z");
  for (const std::string bad : {"", "19941306T084937Z", "19940230T084937Z", "19941106T244937Z",
                                "19941106T08493-Z", "1994-11-06T08:49"}) {
    EXPECT_EQ(parse_amz_date(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT"), std::nullopt);
}

TEST(Json, ErrorsAreEscaped) {
  const HttpResponse response = json_error(404, "not_found", "\"\n\\");
  EXPECT_EQ(response.body, R"({"error":"not_found","message":"\"\n\\"})");
  EXPECT_EQ(json_error(404, "x").body, R"({"error":"x"})");
}

TEST(Json, LimitsHold) {
  EXPECT_TRUE(parse_json(R"({"b":1,"a":[2]})").has_value());
  EXPECT_FALSE(parse_json("{} x").has_value());
  EXPECT_FALSE(parse_json("{").has_value());
  EXPECT_FALSE(parse_json("").has_value());
  EXPECT_FALSE(parse_json("\"\xff\"").has_value());
  EXPECT_TRUE(parse_json("[[[]]]", 3).has_value());
  EXPECT_FALSE(parse_json("[[[[]]]]", 3).has_value());
  EXPECT_EQ(boost::json::serialize(*parse_json(R"({"b":1,"a":2})")), R"({"b":1,"a":2})");
}

}  // namespace
}  // namespace keelson::api

#include "admin/static_bundle.h"

#include <gtest/gtest.h>

namespace keelson::admin {
namespace {

using Files = std::map<std::string, Bytes>;

StaticBundle bundle() {
  return StaticBundle({{"index.html", "<!doctype html>"},
                       {"assets/app-Bx3kQ9zT.js", "0123456789"},
                       {"assets/app-settings.css", "body {}"},
                       {"assets/empty.txt", ""},
                       {"assets/unknown.kind", "?"}});
}

api::HttpResponse get(const std::string& path, api::HttpHeaders headers,
                      const std::string& method = "GET") {
  const StaticBundle files = bundle();
  api::HttpRequest request;
  request.method = method;
  request.headers = std::move(headers);
  return serve_file(*files.find(path), request);
}

const std::string kScript = "assets/app-Bx3kQ9zT.js";

TEST(StaticBundle, TypesAreThoseOfTheExtension) {
  EXPECT_EQ(bundle().index().content_type, "text/html; charset=utf-8");
  EXPECT_EQ(get(kScript, {}).headers.get("Content-Type"), "text/javascript; charset=utf-8");
  EXPECT_EQ(get("assets/unknown.kind", {}).headers.get("Content-Type"),
            "application/octet-stream");
  EXPECT_EQ(bundle().find("assets/none.js"), nullptr);
}

TEST(StaticBundle, OnlyAHashedNameIsCachedForEver) {
  EXPECT_EQ(get(kScript, {}).headers.get("Cache-Control"), "public, max-age=31536000, immutable");
  EXPECT_EQ(get("assets/app-settings.css", {}).headers.get("Cache-Control"), "no-cache");
  EXPECT_EQ(get("assets/empty.txt", {}).headers.get("Cache-Control"), "no-cache");
}

TEST(StaticBundle, TheTagFollowsTheContent) {
  const StaticBundle one(Files{{"index.html", "a"}});
  const StaticBundle same(Files{{"index.html", "a"}});
  const StaticBundle other(Files{{"index.html", "b"}});
  EXPECT_EQ(one.index().etag, same.index().etag);
  EXPECT_NE(one.index().etag, other.index().etag);
  EXPECT_TRUE(one.index().etag.starts_with('"') && one.index().etag.ends_with('"'));
}

TEST(StaticBundle, AMatchingIfNoneMatchIs304WithoutABody) {
  const std::string etag = bundle().find(kScript)->etag;
  for (const std::string& list : {etag, "W/" + etag, "\"x\", " + etag, std::string("*")}) {
    const api::HttpResponse response = get(kScript, {{"If-None-Match", list}});
    EXPECT_EQ(response.status, 304) << list;
    EXPECT_EQ(response.body, "");
    EXPECT_EQ(response.headers.get("ETag"), etag);
    EXPECT_EQ(response.headers.get("Cache-Control"), "public, max-age=31536000, immutable");
  }
  EXPECT_EQ(get(kScript, {{"If-None-Match", "\"x\""}}).status, 200);
  EXPECT_EQ(get(kScript, {{"If-None-Match", ""}}).status, 200);
}

TEST(StaticBundle, IfMatchComparesStrongly) {
  const std::string etag = bundle().find(kScript)->etag;
  EXPECT_EQ(get(kScript, {{"If-Match", etag}}).status, 200);
  EXPECT_EQ(get(kScript, {{"If-Match", "*"}}).status, 200);
  EXPECT_EQ(get(kScript, {{"If-Match", "W/" + etag}}).status, 412);
  EXPECT_EQ(get(kScript, {{"If-Match", "\"x\""}}).status, 412);
}

struct RangeCase {
  std::string range;
  int status;
  std::string body;
  std::string content_range;
};

TEST(StaticBundle, OneRangeIsCutOutAndAnImpossibleOneRefused) {
  const std::string whole = "0123456789";
  const std::vector<RangeCase> cases = {
      {"bytes=0-0", 206, "0", "bytes 0-0/10"},
      {"bytes=2-4", 206, "234", "bytes 2-4/10"},
      {"bytes=7-", 206, "789", "bytes 7-9/10"},
      {"bytes=7-100", 206, "789", "bytes 7-9/10"},
      {"bytes=-3", 206, "789", "bytes 7-9/10"},
      {"bytes=-100", 206, whole, "bytes 0-9/10"},
      {"bytes=10-", 416, "", "bytes */10"},
      {"bytes=99-100", 416, "", "bytes */10"},
      {"bytes=-0", 416, "", "bytes */10"},
      {"bytes=4-2", 200, whole, ""},
      {"bytes=0-1,3-4", 200, whole, ""},
      {"bytes=a-b", 200, whole, ""},
      {"bytes=1-b", 200, whole, ""},
      {"bytes=-", 200, whole, ""},
      {"bytes=", 200, whole, ""},
      {"bytes=99999999999999999999999-", 200, whole, ""},
      {"lines=0-1", 200, whole, ""},
  };
  for (const RangeCase& c : cases) {
    const api::HttpResponse response = get(kScript, {{"Range", c.range}});
    EXPECT_EQ(response.status, c.status) << c.range;
    EXPECT_EQ(response.headers.get("Content-Range"), c.content_range) << c.range;
    if (c.status != 416) {
      EXPECT_EQ(response.body, c.body) << c.range;
    }
  }
  EXPECT_EQ(get("assets/empty.txt", {{"Range", "bytes=0-"}}).status, 416);
}

TEST(StaticBundle, ARangeCountsForGetAloneAndOnlyOfTheVersionItNames) {
  const std::string etag = bundle().find(kScript)->etag;
  const api::HttpHeaders fresh = {{"Range", "bytes=0-1"}, {"If-Range", etag}};
  const api::HttpHeaders stale = {{"Range", "bytes=0-1"}, {"If-Range", "\"x\""}};
  const api::HttpHeaders weak = {{"Range", "bytes=0-1"}, {"If-Range", "W/" + etag}};
  EXPECT_EQ(get(kScript, fresh).status, 206);
  EXPECT_EQ(get(kScript, stale).status, 200);
  EXPECT_EQ(get(kScript, weak).status, 200);
  EXPECT_EQ(get(kScript, {{"Range", "bytes=0-1"}}, "HEAD").status, 200);
}

TEST(StaticBundleDeathTest, ABundleWithoutAnIndexIsABug) {
  const Files files = {{"assets/a.js", ""}};
  EXPECT_DEATH(StaticBundle{files}, "kIndex");
}

}  // namespace
}  // namespace keelson::admin

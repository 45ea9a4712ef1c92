#include "core/api/s3_tags.h"

#include <gtest/gtest.h>

#include "tests/core/api/s3_fixture.h"

namespace keelson::api {
namespace {

class S3TagsTest : public S3Fixture {
 protected:
  static std::string tag(const std::string& key, const std::string& value) {
    return "<Tag><Key>" + key + "</Key><Value>" + value + "</Value></Tag>";
  }
  static std::string tagging(const std::string& tags) {
    return "<Tagging xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><TagSet>" + tags +
           "</TagSet></Tagging>";
  }
  static std::string many(int count) {
    std::string tags;
    for (int i = 0; i < count; ++i) tags += tag("k" + std::to_string(i), "v");
    return tagging(tags);
  }

  HttpResponse set(const std::string& target, const std::string& body) {
    return ask("PUT", target + "?tagging", {}, body);
  }
  // "colour=blue …"
  std::string tags(const std::string& target) {
    const HttpResponse answer = ask("GET", target + "?tagging");
    if (answer.status != 200) return error_of(answer);
    const XmlElement root = xml_of(answer);
    EXPECT_EQ(root.name, "Tagging");
    std::string text;
    for (const XmlElement& each : (*root.find("TagSet")).children) {
      text += (text.empty() ? "" : " ") + std::string(each.get("Key")) + "=" +
              std::string(each.get("Value"));
    }
    return text;
  }
};

TEST_F(S3TagsTest, TagsOfABucketAreSetReplacedAndRemoved) {
  EXPECT_EQ(tags("/bucket"), "404 NoSuchTagSet");
  EXPECT_EQ(set("/bucket", tagging(tag("a", "1") + tag("b", ""))).status, 204);
  EXPECT_EQ(tags("/bucket"), "a=1 b=");
  EXPECT_EQ(set("/bucket", tagging(tag("c", "3"))).status, 204);
  EXPECT_EQ(tags("/bucket"), "c=3");
  EXPECT_EQ(ask("DELETE", "/bucket?tagging").status, 204);
  EXPECT_EQ(tags("/bucket"), "404 NoSuchTagSet");
  EXPECT_EQ(ask("HEAD", "/bucket").status, 200);
}

TEST_F(S3TagsTest, TagsOfAnObjectAreSetReplacedAndRemoved) {
  const std::string etag(put("content", {{"x-amz-meta-a", "b"}}).headers.get("ETag"));
  EXPECT_EQ(tags("/bucket/key"), "");
  EXPECT_EQ(set("/bucket/key", tagging(tag("a", "1") + tag("b", "2"))).status, 200);
  EXPECT_EQ(tags("/bucket/key"), "a=1 b=2");
  const HttpResponse got = ask("GET", "/bucket/key");
  EXPECT_EQ(got.headers.get("x-amz-tagging-count"), "2");
  EXPECT_EQ(got.headers.get("ETag"), etag);
  EXPECT_EQ(got.headers.get("x-amz-meta-a"), "b");
  EXPECT_EQ(got.headers.get("Last-Modified"), "Tue, 14 Nov 2023 22:13:20 GMT");
  EXPECT_EQ(body_of(ask("GET", "/bucket/key")), "content");
  EXPECT_EQ(ask("DELETE", "/bucket/key?tagging").status, 204);
  EXPECT_EQ(tags("/bucket/key"), "");
  EXPECT_EQ(body_of(ask("GET", "/bucket/key")), "content") << "only its tags are deleted";
}

TEST_F(S3TagsTest, TagsAreOfSomethingThatIsThere) {
  const std::string body = tagging(tag("a", "1"));
  EXPECT_EQ(tags("/bucket/none"), "404 NoSuchKey");
  EXPECT_EQ(error_of(set("/bucket/none", body)), "404 NoSuchKey");
  EXPECT_EQ(error_of(ask("DELETE", "/bucket/none?tagging")), "404 NoSuchKey");
  for (const std::string target : {"/nobody", "/nobody/key"}) {
    EXPECT_EQ(tags(target), "404 NoSuchBucket");
    EXPECT_EQ(error_of(set(target, body)), "404 NoSuchBucket");
    EXPECT_EQ(error_of(ask("DELETE", target + "?tagging")), "404 NoSuchBucket");
  }
}

TEST_F(S3TagsTest, TagsThatCannotBeAreRefused) {
  put("x");
  for (const std::string target : {"/bucket", "/bucket/key"}) {
    const auto answer = [&](const std::string& body) { return error_of(set(target, body)); };
    EXPECT_EQ(answer(tagging(tag("a", "1") + tag("a", "2"))), "400 InvalidTag");
    EXPECT_EQ(answer(tagging(tag("", "1"))), "400 InvalidTag");
    EXPECT_EQ(answer(tagging(tag("aws:a", "1"))), "400 InvalidTag");
    EXPECT_EQ(answer(tagging(tag("a?", "1"))), "400 InvalidTag");
    EXPECT_EQ(answer(tagging(tag("a", "1*"))), "400 InvalidTag");
    EXPECT_EQ(answer(tagging(tag(std::string(129, 'k'), "1"))), "400 InvalidTag");
    EXPECT_EQ(answer(tagging(tag("a", std::string(257, 'v')))), "400 InvalidTag");
    EXPECT_EQ(answer("<Tagging/>"), "400 MalformedXML");
    EXPECT_EQ(answer("<Other/>"), "400 MalformedXML");
    EXPECT_EQ(answer(""), "400 MalformedXML");
    EXPECT_EQ(answer(tagging("<Tag><Key>a</Key></Tag>")), "400 MalformedXML");
    EXPECT_EQ(answer(tagging("<Other/>")), "400 MalformedXML");
  }
  EXPECT_EQ(tags("/bucket"), "404 NoSuchTagSet");
  EXPECT_EQ(tags("/bucket/key"), "");
}

TEST_F(S3TagsTest, LimitsCountCharacters) {
  std::string name, value;
  for (int i = 0; i < 128; ++i) name += "\xc3\xa9";
  for (int i = 0; i < 256; ++i) value += "\xe2\x82\xac";
  EXPECT_EQ(set("/bucket", tagging(tag(name, value))).status, 204);
  EXPECT_EQ(tags("/bucket"), name + "=" + value);
}

TEST_F(S3TagsTest, AnObjectHasTenTagsABucketFifty) {
  put("x");
  EXPECT_EQ(set("/bucket/key", many(10)).status, 200);
  EXPECT_EQ(error_of(set("/bucket/key", many(11))), "400 BadRequest");
  EXPECT_EQ(set("/bucket", many(50)).status, 204);
  EXPECT_EQ(error_of(set("/bucket", many(51))), "400 BadRequest");
}

TEST_F(S3TagsTest, AnotherWriteInBetweenIsNotLost) {
  put("old");
  int writes = 0;
  store_.before_execute = [&] {
    if (++writes > 1) return;
    store_.values[object_record_key("bucket", "key")] = {
        ObjectRecord{.head = {.size = 3, .etag = "e"}, .headers = {}, .body = "new"}.encode(), 999};
  };
  EXPECT_EQ(set("/bucket/key", tagging(tag("a", "1"))).status, 200);
  EXPECT_EQ(writes, 2);
  EXPECT_EQ(body_of(ask("GET", "/bucket/key")), "new");
  EXPECT_EQ(tags("/bucket/key"), "a=1");
  store_.before_execute = [&] { ++store_.values[object_record_key("bucket", "key")].version; };
  EXPECT_EQ(error_of(ask("DELETE", "/bucket/key?tagging")), "409 OperationAborted");
}

TEST_F(S3TagsTest, AnObjectIsPutWithItsTags) {
  EXPECT_EQ(put("x", {{"x-amz-tagging", "a=1&b+c=%2B"}}).status, 200);
  EXPECT_EQ(tags("/bucket/key"), "a=1 b c=+");
  put("y");
  EXPECT_EQ(tags("/bucket/key"), "") << "they are the object's, not the key's";
  EXPECT_EQ(error_of(put("x", {{"x-amz-tagging", "a=1&a=2"}})), "400 InvalidTag");
  EXPECT_EQ(error_of(put("x", {{"x-amz-tagging", "a=%zz"}})), "400 InvalidArgument");
  EXPECT_EQ(error_of(put("x", {{"x-amz-tagging", "1&2&3&4&5&6&7&8&9&10&11"}})), "400 BadRequest");
  EXPECT_EQ(error_of(ask("GET", "/bucket/key", {{"x-amz-tagging", "a=1"}})), "501 NotImplemented");
}

TEST_F(S3TagsTest, AnUploadBeginsWithTheTagsOfItsObject) {
  const XmlElement begun =
      xml_of(ask("POST", "/bucket/big?uploads", {{"x-amz-tagging", "a=1"}}));
  const std::string target = "/bucket/big?uploadId=" + std::string(begun.get("UploadId"));
  const std::string etag(ask("PUT", target + "&partNumber=1", {}, "x").headers.get("ETag"));
  xml_of(ask("POST", target, {},
             "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>" + etag +
                 "</ETag></Part></CompleteMultipartUpload>"));
  EXPECT_EQ(tags("/bucket/big"), "a=1");
}

TEST_F(S3TagsTest, ACopyHasTheTagsOfItsSourceOrNewOnes) {
  put("x", {{"x-amz-tagging", "a=1"}});
  const auto copy = [&](HttpHeaders headers) {
    headers.add("x-amz-copy-source", "/bucket/key");
    return error_of(ask("PUT", "/bucket/copy", std::move(headers)));
  };
  EXPECT_EQ(copy({}), "200 ");
  EXPECT_EQ(tags("/bucket/copy"), "a=1");
  EXPECT_EQ(copy({{"x-amz-tagging-directive", "REPLACE"}, {"x-amz-tagging", "b=2"}}), "200 ");
  EXPECT_EQ(tags("/bucket/copy"), "b=2");
  EXPECT_EQ(copy({{"x-amz-tagging-directive", "REPLACE"}}), "200 ");
  EXPECT_EQ(tags("/bucket/copy"), "");
  EXPECT_EQ(copy({{"x-amz-tagging-directive", "COPY"}}), "200 ");
  EXPECT_EQ(tags("/bucket/copy"), "a=1");
  EXPECT_EQ(copy({{"x-amz-tagging-directive", "MERGE"}}), "400 InvalidArgument");
  EXPECT_EQ(copy({{"x-amz-tagging", "b=2"}}), "200 ");
  EXPECT_EQ(tags("/bucket/copy"), "a=1") << "to copy is the default";
}

}  // namespace
}  // namespace keelson::api

#include "core/api/s3_deletes.h"

#include <gtest/gtest.h>

#include "core/api/digest.h"
#include "tests/core/api/s3_fixture.h"

namespace keelson::api {
namespace {

class S3DeletesTest : public S3Fixture {
 protected:
  S3DeletesTest() {
    for (const std::string key : {"a", "b", "c"}) ask("PUT", "/bucket/" + key, {}, "x");
  }

  HttpResponse remove(const std::string& content, const std::string& bucket = "bucket") {
    const std::string body = "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" +
                             content + "</Delete>";
    return ask("POST", "/" + bucket + "?delete", {{"Content-MD5", base64_encode(md5(body))}}, body);
  }
  static std::string object(const std::string& key, const std::string& more = "") {
    return "<Object><Key>" + key + "</Key>" + more + "</Object>";
  }

  // "Deleted:a Error:k:KeyTooLongError …"
  std::string result(const HttpResponse& response) {
    std::string text;
    for (const XmlElement& row : xml_of(response).children) {
      text += (text.empty() ? "" : " ") + row.name + ":" + std::string(row.get("Key"));
      if (row.find("VersionId") != nullptr) text += "@" + std::string(row.get("VersionId"));
      if (row.find("Code") != nullptr) text += ":" + std::string(row.get("Code"));
    }
    return text;
  }
};

TEST_F(S3DeletesTest, WhatIsNamedIsDeletedWhetherItIsThereOrNot) {
  const auto before = store_.version;
  EXPECT_EQ(result(remove(object("a") + object("none") + object("a") + object("c"))),
            "Deleted:a Deleted:none Deleted:a Deleted:c");
  EXPECT_EQ(store_.version, before + 1) << "in one step";
  EXPECT_EQ(ask("GET", "/bucket/a").status, 404);
  EXPECT_EQ(ask("GET", "/bucket/b").status, 200);
  EXPECT_EQ(ask("GET", "/bucket/c").status, 404);
}

TEST_F(S3DeletesTest, QuietlyOnlyErrorsAreTold) {
  EXPECT_EQ(result(remove("<Quiet>true</Quiet>" + object("a"))), "");
  EXPECT_EQ(ask("GET", "/bucket/a").status, 404);
  EXPECT_EQ(result(remove("<Quiet>false</Quiet>" + object("b"))), "Deleted:b");
}

TEST_F(S3DeletesTest, TheOnlyVersionThereIsIsNull) {
  EXPECT_EQ(result(remove("<Quiet>true</Quiet>" + object("a", "<VersionId>v1</VersionId>"))),
            "Error:a@v1:NoSuchVersion");
  EXPECT_EQ(ask("GET", "/bucket/a").status, 200);
  EXPECT_EQ(result(remove(object("a", "<VersionId>null</VersionId>"))), "Deleted:a@null");
  EXPECT_EQ(ask("GET", "/bucket/a").status, 404);
}

TEST_F(S3DeletesTest, AKeyThatCannotBeIsAnErrorOfItsOwn) {
  const std::string longest(1024, 'k');
  EXPECT_EQ(result(remove(object(longest + "k") + object("a") + object(longest))),
            "Error:" + longest + "k:KeyTooLongError Deleted:a Deleted:" + longest);
  EXPECT_EQ(ask("GET", "/bucket/a").status, 404);
  EXPECT_EQ(result(remove(object(longest + "k"))), "Error:" + longest + "k:KeyTooLongError");
}

TEST_F(S3DeletesTest, KeysAreUnescaped) {
  ask("PUT", "/bucket/%3C%26%3E%0D", {}, "x");
  EXPECT_EQ(result(remove(object("&lt;&amp;&gt;&#13;"))), "Deleted:<&>\r");
  EXPECT_EQ(ask("GET", "/bucket/%3C%26%3E%0D").status, 404);
}

TEST_F(S3DeletesTest, ADigestOfTheListIsDemandedAndChecked) {
  const std::string body = "<Delete>" + object("a") + "</Delete>";
  const auto answer = [&](HttpHeaders headers) {
    return error_of(ask("POST", "/bucket?delete", std::move(headers), body));
  };
  EXPECT_EQ(answer({}), "400 InvalidRequest");
  EXPECT_EQ(answer({{"x-amz-sdk-checksum-algorithm", "SHA256"}}), "400 InvalidRequest");
  EXPECT_EQ(answer({{"Content-MD5", base64_encode(md5("other"))}}), "400 BadDigest");
  EXPECT_EQ(answer({{"x-amz-checksum-sha256", base64_encode(sha256("other"))}}), "400 BadDigest");
  EXPECT_EQ(ask("GET", "/bucket/a").status, 200);
  EXPECT_EQ(answer({{"x-amz-checksum-sha256", base64_encode(sha256(body))}}), "200 ");
  EXPECT_EQ(ask("GET", "/bucket/a").status, 404);
}

TEST_F(S3DeletesTest, AListThatIsNoneDeletesNothing) {
  const auto before = store_.version;
  for (const std::string& content :
       {std::string(), std::string("<Object/>"), object(""), "<Other/>" + object("a"),
        std::string("<Quiet>true</Quiet>"), std::string("<Object>")}) {
    EXPECT_EQ(error_of(remove(content)), "400 MalformedXML") << content;
  }
  EXPECT_EQ(error_of(remove(object("a", "<ETag>x</ETag>"))), "501 NotImplemented");
  std::string many;
  for (int i = 0; i < 1001; ++i) many += object("k");
  EXPECT_EQ(error_of(remove(many)), "400 MalformedXML");
  EXPECT_EQ(store_.version, before);
}

TEST_F(S3DeletesTest, AThousandOfTheLongestKeysAreTaken) {
  std::string key;
  for (int i = 0; i < 1020; ++i) key += "&quot;";
  std::string content;
  for (int i = 1000; i < 2000; ++i) content += object(std::to_string(i) + key);
  EXPECT_EQ(xml_of(remove(content)).children.size(), 1000u);
}

TEST_F(S3DeletesTest, TheBucketMustBeThere) {
  EXPECT_EQ(error_of(remove(object("a"), "nobody")), "404 NoSuchBucket");
  EXPECT_EQ(error_of(remove(object("a", "<VersionId>v</VersionId>"), "nobody")),
            "404 NoSuchBucket");
  EXPECT_EQ(error_of(remove(object("a"), "UPPER")), "400 InvalidBucketName");
}

TEST_F(S3DeletesTest, AnUnknownOutcomeIsToldAsSuch) {
  store_.failure = Error{ErrorCode::timed_out, ""};
  EXPECT_EQ(remove(object("a")).headers.get("x-keelson-outcome"), "unknown");
}

}  // namespace
}  // namespace keelson::api

#include "core/api/s3_buckets.h"

#include <gtest/gtest.h>

#include "tests/core/api/s3_fixture.h"

namespace keelson::api {
namespace {

class S3BucketsTest : public S3Fixture {
 protected:
  // "alpha beta …"; a token, if there is one, is kept in token_.
  std::string names(const std::string& query = "") {
    const XmlElement root = xml_of(ask("GET", "/" + query));
    EXPECT_EQ(root.name, "ListAllMyBucketsResult");
    EXPECT_EQ((*root.find("Owner")).get("ID"), "keelson");
    token_ = root.get("ContinuationToken");
    std::string all;
    for (const XmlElement& bucket : (*root.find("Buckets")).children) {
      EXPECT_EQ(bucket.get("CreationDate"), "2023-11-14T22:13:20.000Z");
      all += std::string(bucket.get("Name")) + " ";
    }
    return all;
  }

  // "keelson:FULL_CONTROL …/AllUsers:READ …"
  std::string grants(const std::string& target) {
    std::string all;
    const XmlElement root = xml_of(ask("GET", target));
    for (const XmlElement& grant : (*root.find("AccessControlList")).children) {
      const XmlElement& grantee = *grant.find("Grantee");
      all += std::string(grantee.get("ID")) + std::string(grantee.get("URI")) + ":" +
             std::string(grant.get("Permission")) + " ";
    }
    return all;
  }

  static std::string grant(const std::string& grantee, const std::string& permission) {
    return "<Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
           "xsi:type=\"x\">" +
           grantee + "</Grantee><Permission>" + permission + "</Permission></Grant>";
  }
  static std::string policy(const std::string& grants) {
    return "<AccessControlPolicy xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Owner><ID>"
           "keelson</ID></Owner><AccessControlList>" +
           grants + "</AccessControlList></AccessControlPolicy>";
  }

  const std::string owner_ = grant("<ID>keelson</ID>", "FULL_CONTROL");
  const std::string everyone_ =
      grant("<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>", "READ");
  const std::string private_grants_ = "keelson:FULL_CONTROL ";
  const std::string public_grants_ =
      "keelson:FULL_CONTROL http://acs.amazonaws.com/groups/global/AllUsers:READ ";
  std::string token_;
};

TEST_F(S3BucketsTest, TheBucketsThereAreAreListedInOrder) {
  for (const std::string name : {"zebra", "alpha", "alps"}) ask("PUT", "/" + name);
  EXPECT_EQ(names(), "alpha alps bucket zebra ");
  EXPECT_EQ(token_, "");
  EXPECT_EQ(names("?prefix=alp"), "alpha alps ");
  EXPECT_EQ(names("?prefix=nobody"), "");
  EXPECT_EQ(names("?x-id=ListBuckets&max-buckets=10000"), "alpha alps bucket zebra ");
}

TEST_F(S3BucketsTest, PagesOfBucketsGoOnWhereTheLastOneEnded) {
  for (const std::string name : {"zebra", "alpha", "alps", "gone"}) ask("PUT", "/" + name);
  ask("DELETE", "/gone");
  std::string all;
  std::string query = "?max-buckets=1";
  for (int page = 0; page < 4; ++page) {
    all += names(query);
    query = "?max-buckets=1&continuation-token=" + percent_encode(token_);
  }
  EXPECT_EQ(all, "alpha alps bucket zebra ");
  EXPECT_EQ(token_, "");
}

TEST_F(S3BucketsTest, PagesOfBucketsThatCannotBeAreRefused) {
  EXPECT_EQ(error_of(ask("GET", "/?max-buckets=0")), "400 InvalidArgument");
  EXPECT_EQ(error_of(ask("GET", "/?max-buckets=many")), "400 InvalidArgument");
  EXPECT_EQ(error_of(ask("GET", "/?continuation-token=many")), "400 InvalidArgument");
  EXPECT_EQ(error_of(ask("GET", "/?bucket-region=mars")), "501 NotImplemented");
}

TEST_F(S3BucketsTest, OnlyAnEmptyBucketIsDeleted) {
  put("x");
  EXPECT_EQ(error_of(ask("DELETE", "/bucket")), "409 BucketNotEmpty");
  EXPECT_EQ(ask("HEAD", "/bucket").status, 200);
  ask("DELETE", "/bucket/key");
  EXPECT_EQ(ask("DELETE", "/bucket").status, 204);
  EXPECT_EQ(error_of(ask("DELETE", "/bucket")), "404 NoSuchBucket");
  EXPECT_EQ(ask("HEAD", "/bucket").status, 404);
  EXPECT_EQ(names(), "");
  EXPECT_TRUE(store_.values.contains(bucket_entry_key("bucket"))) << "what it had is collected";
}

TEST_F(S3BucketsTest, ABucketIsEmptyWhateverItsNeighboursHold) {
  for (const std::string name : {"bucket-2", "bucke", "bucket.a"}) {
    ask("PUT", "/" + name);
    ask("PUT", "/" + name + "/key", {}, "x");
  }
  EXPECT_EQ(ask("DELETE", "/bucket").status, 204);
}

TEST_F(S3BucketsTest, WhetherABucketIsEmptyIsDecidedInTheLog) {
  store_.before_execute = [&] { store_.values[object_record_key("bucket", "late")] = {}; };
  EXPECT_EQ(error_of(ask("DELETE", "/bucket")), "409 BucketNotEmpty");
  store_.before_execute = [&] { store_.values.erase(bucket_record_key("bucket")); };
  EXPECT_EQ(error_of(ask("DELETE", "/bucket")), "404 NoSuchBucket");
}

TEST_F(S3BucketsTest, ADeletedBucketCanBeCreatedAgain) {
  ask("DELETE", "/bucket");
  EXPECT_EQ(ask("PUT", "/bucket").status, 200);
  EXPECT_EQ(names(), "bucket ");
}

TEST_F(S3BucketsTest, TheLocationIsTheRegionButForTheFirst) {
  EXPECT_EQ(ask("GET", "/bucket?location").body,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><LocationConstraint "
            "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"/>");
  const auto elsewhere = make(nullptr, {.region = "eu-central-1"});
  const HttpResponse there = ask(*elsewhere, make_request("GET", "/bucket?location"));
  EXPECT_EQ((*parse_xml(there.body)).text, "eu-central-1");
  EXPECT_EQ(ask(*elsewhere, make_request("HEAD", "/bucket")).headers.get("x-amz-bucket-region"),
            "eu-central-1");
  EXPECT_EQ(error_of(ask("GET", "/nobody?location")), "404 NoSuchBucket");
}

TEST_F(S3BucketsTest, WhatIsNeverSetIsAnsweredAsOfABucketOnWhichNobodySetIt) {
  for (const auto& [parameter, answer] : std::vector<std::pair<std::string, std::string>>{
           {"policy", "404 NoSuchBucketPolicy"},
           {"policyStatus", "404 NoSuchBucketPolicy"},
           {"cors", "404 NoSuchCORSConfiguration"},
           {"lifecycle", "404 NoSuchLifecycleConfiguration"},
           {"website", "404 NoSuchWebsiteConfiguration"},
           {"encryption", "404 ServerSideEncryptionConfigurationNotFoundError"},
           {"replication", "404 ReplicationConfigurationNotFoundError"},
           {"object-lock", "404 ObjectLockConfigurationNotFoundError"},
           {"publicAccessBlock", "404 NoSuchPublicAccessBlockConfiguration"},
           {"ownershipControls", "404 OwnershipControlsNotFoundError"}}) {
    EXPECT_EQ(error_of(ask("GET", "/bucket?" + parameter)), answer);
    EXPECT_EQ(error_of(ask("GET", "/nobody?" + parameter)), "404 NoSuchBucket");
    EXPECT_EQ(error_of(ask("PUT", "/bucket?" + parameter, {}, "<x/>")), "501 NotImplemented");
    EXPECT_EQ(error_of(ask("DELETE", "/bucket?" + parameter)), "501 NotImplemented");
  }
  for (const auto& [parameter, root] : std::vector<std::pair<std::string, std::string>>{
           {"versioning", "VersioningConfiguration"},
           {"logging", "BucketLoggingStatus"},
           {"notification", "NotificationConfiguration"},
           {"accelerate", "AccelerateConfiguration"}}) {
    const XmlElement document = xml_of(ask("GET", "/bucket?" + parameter));
    EXPECT_EQ(document.name, root);
    EXPECT_TRUE(document.children.empty());
    EXPECT_EQ(error_of(ask("PUT", "/bucket?" + parameter, {}, "<x/>")), "501 NotImplemented");
  }
  EXPECT_EQ(xml_of(ask("GET", "/bucket?requestPayment")).get("Payer"), "BucketOwner");
  EXPECT_EQ(ask("HEAD", "/bucket").status, 200);
}

TEST_F(S3BucketsTest, AclsArePrivateUnlessToldOtherwise) {
  EXPECT_EQ(grants("/bucket?acl"), private_grants_);
  EXPECT_EQ(ask("PUT", "/open", {{"x-amz-acl", "public-read"}}).status, 200);
  EXPECT_EQ(grants("/open?acl"), public_grants_);
  EXPECT_EQ(ask("PUT", "/closed", {{"x-amz-acl", "private"}}).status, 200);
  EXPECT_EQ(grants("/closed?acl"), private_grants_);
  EXPECT_EQ(error_of(ask("PUT", "/wide", {{"x-amz-acl", "public-read-write"}})),
            "501 NotImplemented");
  EXPECT_EQ(error_of(ask("PUT", "/wide", {{"x-amz-grant-read", "id=x"}})), "501 NotImplemented");
  EXPECT_EQ(ask("HEAD", "/wide").status, 404);
  EXPECT_EQ(error_of(ask("GET", "/nobody?acl")), "404 NoSuchBucket");
}

TEST_F(S3BucketsTest, AclsAreSetByTheirNames) {
  EXPECT_EQ(ask("PUT", "/bucket?acl", {{"x-amz-acl", "public-read"}}).status, 200);
  EXPECT_EQ(grants("/bucket?acl"), public_grants_);
  EXPECT_EQ(ask("PUT", "/bucket?acl", {{"x-amz-acl", "private"}}).status, 200);
  EXPECT_EQ(grants("/bucket?acl"), private_grants_);
  EXPECT_EQ(error_of(ask("PUT", "/bucket?acl", {{"x-amz-acl", "authenticated-read"}})),
            "501 NotImplemented");
  EXPECT_EQ(error_of(ask("PUT", "/bucket?acl")), "400 MissingSecurityHeader");
  EXPECT_EQ(error_of(ask("PUT", "/nobody?acl", {{"x-amz-acl", "private"}})), "404 NoSuchBucket");
}

TEST_F(S3BucketsTest, AclsAreSetByGrantsThatSayTheSame) {
  const auto set = [&](const std::string& body) { return ask("PUT", "/bucket?acl", {}, body); };
  EXPECT_EQ(set(policy(owner_ + everyone_)).status, 200);
  EXPECT_EQ(grants("/bucket?acl"), public_grants_);
  EXPECT_EQ(set(policy(owner_)).status, 200);
  EXPECT_EQ(grants("/bucket?acl"), private_grants_);
  for (const std::string& other :
       {everyone_, std::string(), owner_ + grant("<ID>somebody</ID>", "FULL_CONTROL"),
        owner_ + grant("<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>", "WRITE"),
        grant("<ID>keelson</ID>", "READ")}) {
    EXPECT_EQ(error_of(set(policy(other))), "501 NotImplemented") << other;
  }
  EXPECT_EQ(error_of(set("<Other/>")), "400 MalformedXML");
  EXPECT_EQ(error_of(set("<AccessControlPolicy/>")), "400 MalformedXML");
  EXPECT_EQ(error_of(set(policy("<Grant/>"))), "400 MalformedXML");
  EXPECT_EQ(error_of(ask("PUT", "/bucket?acl", {{"x-amz-acl", "private"}}, policy(owner_))),
            "400 InvalidRequest");
  EXPECT_EQ(grants("/bucket?acl"), private_grants_);
}

TEST_F(S3BucketsTest, AnAclIsSetBesideOtherChangesToTheBucket) {
  int writes = 0;
  store_.before_execute = [&] {
    if (++writes == 1) store_.values[bucket_record_key("bucket")].version = 999;
  };
  EXPECT_EQ(ask("PUT", "/bucket?acl", {{"x-amz-acl", "public-read"}}).status, 200);
  EXPECT_EQ(writes, 2);
  store_.before_execute = [&] { ++store_.values[bucket_record_key("bucket")].version; };
  EXPECT_EQ(error_of(ask("PUT", "/bucket?acl", {{"x-amz-acl", "private"}})),
            "409 OperationAborted");
  EXPECT_EQ(grants("/bucket?acl"), public_grants_);
}

TEST_F(S3BucketsTest, ObjectsBelongToTheirOwnerAlone) {
  put("x");
  EXPECT_EQ(grants("/bucket/key?acl"), private_grants_);
  EXPECT_EQ(error_of(ask("GET", "/bucket/none?acl")), "404 NoSuchKey");
  EXPECT_EQ(error_of(ask("GET", "/nobody/key?acl")), "404 NoSuchBucket");
  EXPECT_EQ(error_of(ask("PUT", "/bucket/key?acl", {{"x-amz-acl", "private"}})),
            "501 NotImplemented");
}

class S3EveryoneTest : public S3BucketsTest {
 protected:
  S3EveryoneTest() {
    credentials_.add("key", "secret");
    closed_ = make(&credentials_, {});
    EXPECT_EQ(ask("PUT", "/public", {{"x-amz-acl", "public-read"}}).status, 200);
    for (const std::string bucket : {"bucket", "public"}) {
      EXPECT_EQ(ask("PUT", "/" + bucket + "/key", {}, "content").status, 200);
    }
  }

  HttpResponse ask_unsigned(const std::string& method, const std::string& target,
                            HttpHeaders headers = {}, Bytes body = {}) {
    return ask(*closed_, make_request(method, target, std::move(headers), std::move(body)));
  }

  Credentials credentials_;
  std::unique_ptr<S3Adapter> closed_;
};

TEST_F(S3EveryoneTest, ReadsObjectsOfAPublicBucketAndListsThem) {
  EXPECT_EQ(body_of(ask_unsigned("GET", "/public/key")), "content");
  EXPECT_EQ(ask_unsigned("HEAD", "/public/key").status, 200);
  EXPECT_EQ(ask_unsigned("HEAD", "/public").status, 200);
  EXPECT_EQ(error_of(ask_unsigned("GET", "/public/none")), "404 NoSuchKey");
  EXPECT_EQ(error_of(ask_unsigned("GET", "/nobody/key")), "404 NoSuchBucket");
}

TEST_F(S3EveryoneTest, ListsAPublicBucketInEveryForm) {
  for (const std::string query : {"", "?list-type=2", "?versions", "?prefix=k&delimiter=/"}) {
    const XmlElement root = xml_of(ask_unsigned("GET", "/public" + query));
    const XmlElement* const row =
        root.find(query == "?versions" ? std::string("Version") : std::string("Contents"));
    ASSERT_NE(row, nullptr) << query;
    EXPECT_EQ(row->get("Key"), "key");
  }
}

TEST_F(S3EveryoneTest, ReadsNothingElse) {
  for (const std::string target :
       {"/bucket/key", "/bucket?list-type=2", "/bucket", "/bucket?versions", "/",
        "/public?location", "/public?acl", "/public?policy", "/public/key?acl", "/public?tagging",
        "/public/key?tagging", "/public?uploads"}) {
    EXPECT_EQ(error_of(ask_unsigned("GET", target)), "403 AccessDenied") << target;
  }
  EXPECT_EQ(ask_unsigned("HEAD", "/bucket").status, 403);
  EXPECT_EQ(ask_unsigned("HEAD", "/bucket/key").status, 403);
}

TEST_F(S3EveryoneTest, WritesNothing) {
  const auto before = store_.version;
  for (const auto& [method, target] : std::vector<std::pair<std::string, std::string>>{
           {"PUT", "/public/key"},
           {"PUT", "/new"},
           {"PUT", "/public?acl"},
           {"PUT", "/public/key?tagging"},
           {"POST", "/public?delete"},
           {"POST", "/public/key?uploads"},
           {"DELETE", "/public/key"},
           {"DELETE", "/public"}}) {
    EXPECT_EQ(error_of(ask_unsigned(method, target)), "403 AccessDenied") << method << target;
  }
  EXPECT_EQ(store_.version, before);
}

TEST_F(S3EveryoneTest, DoesNotSayHowAnAnswerLooks) {
  EXPECT_EQ(error_of(ask_unsigned("GET", "/public/key?response-content-type=text/html")),
            "400 InvalidRequest");
}

TEST_F(S3EveryoneTest, WhoeverSignsWronglyIsNotEveryone) {
  HttpRequest get = make_request("GET", "/public/key");
  sign_request(get, {"key", "wrong"}, clock_.wall_ms());
  EXPECT_EQ(error_of(ask(*closed_, get)), "403 SignatureDoesNotMatch");
  EXPECT_EQ(error_of(ask_unsigned("GET", "/public/key", {{"Authorization", "nonsense"}})),
            "400 InvalidRequest");
  EXPECT_EQ(error_of(ask_unsigned("GET", "/public/key?X-Amz-Signature=0")),
            "400 AuthorizationQueryParametersError");
}

TEST_F(S3EveryoneTest, ReadsNothingOfATimeWhenTheBucketWasPrivate) {
  // The ACL changes back and forth around the look at the object.
  int reads = 0;
  store_.before_get = [&] {
    if (++reads == 2) ++store_.values[bucket_record_key("public")].version;
  };
  EXPECT_EQ(body_of(ask_unsigned("GET", "/public/key")), "content");
  EXPECT_EQ(reads, 6) << "once more, as the bucket's record had changed";
  store_.before_get = [&] { ++store_.values[bucket_record_key("public")].version; };
  EXPECT_EQ(error_of(ask_unsigned("GET", "/public/key")), "503 SlowDown");
}

TEST_F(S3BucketsTest, OperationsOnBucketsNameThemWell) {
  for (const std::string query : {"", "?location", "?acl", "?versioning"}) {
    EXPECT_EQ(error_of(ask("DELETE", "/UPPER")), "400 InvalidBucketName");
    if (!query.empty()) {
      EXPECT_EQ(error_of(ask("GET", "/UPPER" + query)), "400 InvalidBucketName");
    }
  }
}

}  // namespace
}  // namespace keelson::api

#include "core/api/s3_request.h"

#include <gtest/gtest.h>

#include "tests/core/api/fakes.h"

namespace keelson::api {
namespace {

using Operation = S3Operation;

struct Example {
  std::string method;
  std::string path;  // Behind the bucket, with the query.
  Operation operation;
  HttpHeaders headers = {};
};

const std::vector<Example> kExamples = {
    {"PUT", "", Operation::create_bucket},
    {"HEAD", "", Operation::head_bucket},
    {"DELETE", "", Operation::delete_bucket},
    {"GET", "?location", Operation::get_bucket_location},
    {"GET", "?versioning", Operation::get_bucket_unset},
    {"GET", "?policy", Operation::get_bucket_unset},
    {"GET", "?acl", Operation::get_bucket_acl},
    {"PUT", "?acl", Operation::put_bucket_acl},
    {"GET", "?tagging", Operation::get_bucket_tagging},
    {"PUT", "?tagging", Operation::put_bucket_tagging},
    {"DELETE", "?tagging", Operation::delete_bucket_tagging},
    {"GET", "", Operation::list_objects},
    {"GET", "?prefix=a&marker=b", Operation::list_objects},
    {"GET", "?list-type=2&fetch-owner=true", Operation::list_objects_v2},
    {"GET", "?versions", Operation::list_object_versions},
    {"GET", "?uploads", Operation::list_multipart_uploads},
    {"POST", "?delete", Operation::delete_objects},
    {"PUT", "/a/key", Operation::put_object},
    {"PUT", "/a/key", Operation::copy_object, {{"x-amz-copy-source", "/other/key"}}},
    {"GET", "/a/key", Operation::get_object},
    {"GET", "/a/key?versionId=null&partNumber=1", Operation::get_object},
    {"GET", "/a/key?response-content-type=text/x", Operation::get_object},
    {"HEAD", "/a/key?versionId=null", Operation::head_object},
    {"DELETE", "/a/key", Operation::delete_object},
    {"DELETE", "/a/key?versionId=null", Operation::delete_object},
    {"GET", "/a/key?acl&versionId=null", Operation::get_object_acl},
    {"GET", "/a/key?tagging&versionId=null", Operation::get_object_tagging},
    {"PUT", "/a/key?tagging&versionId=null", Operation::put_object_tagging},
    {"DELETE", "/a/key?tagging&versionId=null", Operation::delete_object_tagging},
    {"POST", "/a/key?uploads", Operation::create_multipart_upload},
    {"PUT", "/a/key?partNumber=1&uploadId=u", Operation::upload_part},
    {"PUT",
     "/a/key?partNumber=1&uploadId=u",
     Operation::upload_part_copy,
     {{"x-amz-copy-source", "/other/key"}, {"x-amz-copy-source-range", "bytes=0-1"}}},
    {"POST", "/a/key?uploadId=u", Operation::complete_multipart_upload},
    {"DELETE", "/a/key?uploadId=u", Operation::abort_multipart_upload},
    {"GET", "/a/key?uploadId=u&max-parts=2", Operation::list_parts},
};

const std::vector<std::string> kDomains = {"s3.test", "Other.Domain"};

// "", or the code of the refusal.
std::string check(const HttpRequest& http) {
  const auto request = parse_s3_request(http, kDomains);
  if (!request) return std::string(request.error().error.code);
  const auto checked = check_supported(http, *request);
  return checked ? "" : std::string(checked.error().error.code);
}

void expect_request(const HttpRequest& http, const Example& example) {
  const auto request = parse_s3_request(http, kDomains);
  ASSERT_TRUE(request.has_value()) << http.target;
  EXPECT_EQ(request->operation, example.operation) << http.method << " " << http.target;
  EXPECT_EQ(request->bucket, "bucket");
  EXPECT_EQ(request->key, example.path.starts_with("/") ? "a/key" : "");
  EXPECT_EQ(check(http), "") << http.method << " " << http.target;
}

TEST(S3RequestTest, EveryOperationIsKnownByItsPathAndByItsVirtualHost) {
  for (const Example& example : kExamples) {
    expect_request(make_request(example.method, "/bucket" + example.path, example.headers),
                   example);
    const std::string root = example.path.starts_with("/") ? "" : "/";
    if (root == "/") {
      expect_request(make_request(example.method, "/bucket/" + example.path, example.headers),
                     example);
    }
    for (const std::string host :
         {"bucket.s3.test", "BUCKET.S3.TEST:9000", "bucket.other.domain"}) {
      HttpHeaders headers = example.headers;
      headers.add("Host", host);
      expect_request(make_request(example.method, root + example.path, headers), example);
    }
  }
}

TEST(S3RequestTest, TheServiceItselfListsBuckets) {
  for (const std::string host : {"s3.test", "localhost:9000", "10.0.0.1"}) {
    const auto request = parse_s3_request(make_request("GET", "/", {{"Host", host}}), kDomains);
    ASSERT_TRUE(request.has_value());
    EXPECT_EQ(request->operation, Operation::list_buckets);
  }
  EXPECT_EQ(check(make_request("PUT", "/")), "MethodNotAllowed");
  EXPECT_EQ(check(make_request("GET", "//key")), "InvalidBucketName");
}

TEST(S3RequestTest, AMethodThatAResourceDoesNotHaveIsNotAllowed) {
  EXPECT_EQ(check(make_request("POST", "/bucket")), "MethodNotAllowed");
  EXPECT_EQ(check(make_request("POST", "/bucket/key")), "MethodNotAllowed");
  for (const std::string method : {"PATCH", "OPTIONS", "TRACE", "get"}) {
    EXPECT_EQ(check(make_request(method, "/bucket/key")), "MethodNotAllowed");
  }
}

TEST(S3RequestTest, ASubresourceThatIsNotKnownNeverMeansTheResource) {
  for (const Example& example : kExamples) {
    const std::string separator = example.path.find('?') == std::string::npos ? "?" : "&";
    for (const std::string parameter : {"unknown", "legal-hold", "retention=1", "Tagging"}) {
      const HttpRequest http = make_request(
          example.method, "/bucket" + example.path + separator + parameter, example.headers);
      EXPECT_EQ(check(http), "NotImplemented") << http.method << " " << http.target;
    }
    HttpHeaders headers = example.headers;
    headers.add("x-amz-unknown", "1");
    EXPECT_EQ(check(make_request(example.method, "/bucket" + example.path, headers)),
              "NotImplemented");
  }
  EXPECT_EQ(check(make_request("PUT", "/bucket/key?uploadId=u")), "NotImplemented")
      << "a part without its number is no object";
}

TEST(S3RequestTest, TheOnlyVersionIsNull) {
  for (const std::string method : {"GET", "HEAD", "DELETE"}) {
    EXPECT_EQ(check(make_request(method, "/bucket/key?versionId=null")), "");
    EXPECT_EQ(check(make_request(method, "/bucket/key?versionId=3HL4kqtJ")), "InvalidArgument");
    EXPECT_EQ(check(make_request(method, "/bucket/key?versionId=")), "InvalidArgument");
  }
  EXPECT_EQ(check(make_request("PUT", "/bucket/key?versionId=null")), "NotImplemented");
}

TEST(S3RequestTest, ChecksumHeadersAreForTheirOperations) {
  const auto code = [](const std::string& method, const std::string& path, HttpHeaders headers) {
    return check(make_request(method, "/bucket/key" + path, std::move(headers)));
  };
  const HttpHeaders algorithm = {{"x-amz-checksum-algorithm", "CRC32"}};
  const HttpHeaders type = {{"x-amz-checksum-type", "COMPOSITE"}};
  EXPECT_EQ(code("POST", "?uploads", algorithm), "");
  EXPECT_EQ(code("POST", "?uploads", type), "");
  EXPECT_EQ(code("POST", "?uploadId=u", type), "");
  EXPECT_EQ(code("PUT", "", algorithm), "NotImplemented");
  EXPECT_EQ(code("PUT", "", type), "NotImplemented");
  EXPECT_EQ(code("GET", "", {{"x-amz-checksum-crc32", "AAAAAA=="}}), "NotImplemented");
  for (const std::string name : {"sha512", "md5", "xxhash64", "xxhash3", "xxhash128"}) {
    EXPECT_EQ(code("PUT", "", {{"x-amz-checksum-" + name, "AAAA"}}), "NotImplemented") << name;
  }
}

TEST(S3RequestTest, ConditionsAreForOperationsThatDecideByThem) {
  for (const Example& example : kExamples) {
    const bool reads = example.operation == Operation::get_object ||
                       example.operation == Operation::head_object;
    const bool writes = example.operation == Operation::put_object ||
                        example.operation == Operation::copy_object ||
                        example.operation == Operation::complete_multipart_upload ||
                        example.operation == Operation::delete_object;
    for (const std::string name : {"If-Match", "If-None-Match"}) {
      HttpHeaders headers = example.headers;
      headers.add(name, "*");
      EXPECT_EQ(check(make_request(example.method, "/bucket" + example.path, headers)),
                reads || writes ? "" : "NotImplemented")
          << example.method << " " << example.path;
    }
    for (const std::string name : {"If-Modified-Since", "If-Unmodified-Since"}) {
      HttpHeaders headers = example.headers;
      headers.add(name, "Tue, 14 Nov 2023 22:13:20 GMT");
      EXPECT_EQ(check(make_request(example.method, "/bucket" + example.path, headers)),
                reads ? "" : "NotImplemented");
    }
  }
}

// RFC 9110 §13.2.2, in its order.
TEST(S3RequestTest, ConditionsOnReadsAreDecidedInTheirOrder) {
  constexpr std::int64_t kModified = 1'700'000'000'500;  // Half a second after `at`.
  const std::string before = "Tue, 14 Nov 2023 22:13:19 GMT", at = "Tue, 14 Nov 2023 22:13:20 GMT";
  const std::string same = "\"e\"", other = "\"o\"";
  const auto judge = [&](HttpHeaders headers) {
    return judge_read_conditions(headers, same, kModified);
  };
  EXPECT_EQ(judge({}), 200);
  // Step 1 goes before step 2 and, if it is true, on to step 3.
  EXPECT_EQ(judge({{"If-Match", same}, {"If-Unmodified-Since", before}}), 200);
  EXPECT_EQ(judge({{"If-Match", other}, {"If-Unmodified-Since", at}}), 412);
  EXPECT_EQ(judge({{"If-Match", same}, {"If-None-Match", same}}), 304);
  EXPECT_EQ(judge({{"If-Match", other}, {"If-None-Match", same}}), 412);
  EXPECT_EQ(judge({{"If-Match", same}, {"If-Modified-Since", at}}), 304);
  // Step 2.
  EXPECT_EQ(judge({{"If-Unmodified-Since", at}}), 200) << "HTTP knows whole seconds";
  EXPECT_EQ(judge({{"If-Unmodified-Since", before}, {"If-None-Match", same}}), 412);
  EXPECT_EQ(judge({{"If-Unmodified-Since", at}, {"If-None-Match", same}}), 304);
  // Step 3 goes before step 4.
  EXPECT_EQ(judge({{"If-None-Match", "*"}}), 304);
  EXPECT_EQ(judge({{"If-None-Match", same}, {"If-Modified-Since", before}}), 304);
  EXPECT_EQ(judge({{"If-None-Match", other}, {"If-Modified-Since", at}}), 200);
  EXPECT_EQ(judge({{"If-Modified-Since", at}}), 304);
  EXPECT_EQ(judge({{"If-Modified-Since", before}}), 200);
  // "A recipient MUST ignore" a date that is none.
  EXPECT_EQ(judge({{"If-Modified-Since", "yesterday"}}), 200);
  EXPECT_EQ(judge({{"If-Unmodified-Since", "yesterday"}}), 200);
}

TEST(S3RequestTest, RangesOfNothingCannotBeSatisfied) {
  for (const std::string text : {"bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0"}) {
    const auto range = parse_range(text, 0);
    ASSERT_TRUE(range.has_value()) << text;
    EXPECT_EQ(range->count, 0u) << text;
  }
}

}  // namespace
}  // namespace keelson::api

#include "core/api/s3_adapter.h"

#include <gtest/gtest.h>

#include <set>

#include "core/api/date.h"
#include "core/api/digest.h"
#include "tests/core/api/s3_fixture.h"

namespace keelson::api {
namespace {

using namespace std::chrono_literals;

using S3AdapterTest = S3Fixture;

TEST_F(S3AdapterTest, WhatIsPutIsGot) {
  const HttpResponse stored =
      put("hello",
          {{"Content-Type", "text/plain"}, {"X-Amz-Meta-Color", "blue"}, {"Cache-Control", "x"}});
  EXPECT_EQ(stored.status, 200);
  EXPECT_EQ(stored.headers.get("ETag"), "\"5d41402abc4b2a76b9719d911017c592\"");
  for (const std::string method : {"GET", "HEAD"}) {
    const HttpResponse got = ask(method, "/bucket/key");
    EXPECT_EQ(got.status, 200);
    EXPECT_EQ(body_of(ask(method, "/bucket/key")), "hello");
    EXPECT_EQ(got.headers.get("ETag"), "\"5d41402abc4b2a76b9719d911017c592\"");
    EXPECT_EQ(got.headers.get("Content-Type"), "text/plain");
    EXPECT_EQ(got.headers.get("x-amz-meta-color"), "blue");
    EXPECT_EQ(got.headers.get("Cache-Control"), "x");
    EXPECT_EQ(got.headers.get("Last-Modified"), "Tue, 14 Nov 2023 22:13:20 GMT");
    EXPECT_EQ(got.headers.get("Accept-Ranges"), "bytes");
  }
  EXPECT_EQ(ask("DELETE", "/bucket/key").status, 204);
  EXPECT_EQ(ask("DELETE", "/bucket/key").status, 204);
  EXPECT_EQ(error_of(ask("GET", "/bucket/key")), "404 NoSuchKey");
}

TEST_F(S3AdapterTest, KeysAreOctetsAndVirtualHostsNameBuckets) {
  EXPECT_EQ(ask("PUT", "/bucket/a%2Fb//c%20%C3%A9+.", {}, "odd").status, 200);
  EXPECT_TRUE(store_.values.contains(object_record_key("bucket", "a/b//c \xc3\xa9+.")));
  EXPECT_EQ(ask("GET", "/a/b//c%20%C3%A9%2B.", {{"Host", "Bucket.S3.test:9000"}}).body, "odd");
  EXPECT_EQ(error_of(ask("PUT", "/bucket/%ff", {}, "x")), "400 InvalidURI");
  EXPECT_EQ(error_of(ask("PUT", "/bucket/%00", {}, "x")), "400 InvalidURI");
  EXPECT_EQ(error_of(ask("PUT", "/bucket/" + std::string(1025, 'k'), {}, "x")),
            "400 KeyTooLongError");
}

TEST_F(S3AdapterTest, BucketsMustExistAndBeNamedWell) {
  EXPECT_EQ(error_of(ask("PUT", "/bucket")), "409 BucketAlreadyOwnedByYou");
  EXPECT_EQ(ask("HEAD", "/bucket").status, 200);
  EXPECT_EQ(ask("HEAD", "/nobody").status, 404);
  EXPECT_EQ(error_of(ask("GET", "/nobody/k")), "404 NoSuchBucket");
  EXPECT_EQ(error_of(ask("PUT", "/nobody/k", {}, "x")), "404 NoSuchBucket");
  EXPECT_EQ(error_of(ask("DELETE", "/nobody/k")), "404 NoSuchBucket");
  for (const std::string name :
       {"healthz", "ab", "Upper", "a_b", "a..b", "-ab", "ab-", "a.-b", "10.0.0.1", "xn--abc"}) {
    EXPECT_EQ(error_of(ask("PUT", "/" + name)), "400 InvalidBucketName") << name;
  }
  EXPECT_EQ(ask("PUT", "/a.b-1").status, 200);
}

TEST_F(S3AdapterTest, TheBodyOfCreateBucketIsUnderstood) {
  const auto xml = [](const std::string& location) {
    return "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
           "<LocationConstraint>" +
           location + "</LocationConstraint></CreateBucketConfiguration>";
  };
  EXPECT_EQ(error_of(ask("PUT", "/other", {}, xml("mars"))), "400 InvalidLocationConstraint");
  EXPECT_EQ(error_of(ask("PUT", "/other", {}, "<x")), "400 MalformedXML");
  EXPECT_EQ(error_of(ask("PUT", "/other", {}, "<Other/>")), "400 MalformedXML");
  EXPECT_EQ(ask("PUT", "/other", {}, xml("us-east-1")).status, 200);
}

TEST_F(S3AdapterTest, DigestsAreCheckedBeforeAnythingIsStored) {
  const std::string good = base64_encode(md5("x"));
  EXPECT_EQ(error_of(put("y", {{"Content-MD5", good}})), "400 BadDigest");
  EXPECT_EQ(error_of(put("x", {{"Content-MD5", "nonsense"}})), "400 InvalidDigest");
  EXPECT_EQ(error_of(put("y", {{"x-amz-checksum-crc32", "jNxVsg=="}})), "400 BadDigest");
  EXPECT_EQ(error_of(put("x", {{"x-amz-content-sha256", to_hex(sha256("y"))}})),
            "400 XAmzContentSHA256Mismatch");
  EXPECT_EQ(store_.values.size(), 2u) << "only the bucket";
  EXPECT_EQ(put("x", {{"Content-MD5", good},
                      {"x-amz-content-sha256", to_hex(sha256("x"))},
                      {"x-amz-checksum-sha256", base64_encode(sha256("x"))}})
                .status,
            200);
}

TEST_F(S3AdapterTest, UnsignedChunksWithATrailingChecksumAreTakenApart) {
  const HttpHeaders headers = {{"x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"},
                               {"Content-Encoding", "gzip,aws-chunked"},
                               {"x-amz-decoded-content-length", "9"},
                               {"x-amz-trailer", "x-amz-checksum-crc32"}};
  const std::string body = "4\r\n1234\r\n5\r\n56789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n";
  EXPECT_EQ(put(body, headers).status, 200);
  const HttpResponse got = ask("GET", "/bucket/key");
  EXPECT_EQ(got.body, "123456789");
  EXPECT_EQ(got.headers.get("Content-Encoding"), "gzip");
  std::string wrong = body;
  wrong.replace(wrong.find("56789"), 5, "56788");
  EXPECT_EQ(error_of(put(wrong, headers)), "400 BadDigest");
  EXPECT_EQ(error_of(put("4\r\n1234\r\n0\r\n\r\n", headers)), "400 IncompleteBody");
  EXPECT_EQ(error_of(put("9\r\n123456789\r\n0\r\n\r\n", headers)), "400 MalformedTrailerError");
  EXPECT_EQ(error_of(put("9\r\n1234", headers)), "400 IncompleteBody");
  EXPECT_EQ(ask("GET", "/bucket/key").body, "123456789");
}

TEST_F(S3AdapterTest, SizesAreLimited) {
  const auto small = make(nullptr, {.object_bytes_max = 100});
  const auto put_to_small = [&](std::size_t size) {
    return error_of(ask(*small, make_request("PUT", "/bucket/key", {}, std::string(size, 'x'))));
  };
  EXPECT_EQ(put_to_small(100), "200 ");
  EXPECT_EQ(put_to_small(101), "400 EntityTooLarge");
  EXPECT_EQ(error_of(put("x", {{"x-amz-meta-a", std::string(2048, 'x')}})), "400 MetadataTooLarge");
  EXPECT_EQ(error_of(s3_->refusal(make_request("PUT", "/bucket/key"), 413, "")),
            "400 EntityTooLarge");
  HttpRequest without_length = make_request("PUT", "/bucket/key");
  without_length.headers = {{"Host", "h"}};
  EXPECT_EQ(error_of(ask(*s3_, without_length)), "411 MissingContentLength");
}

TEST_F(S3AdapterTest, WhatTheServerRefusesHasTheStatusOfS3) {
  const auto refused = [&](int status) {
    return error_of(s3_->refusal(make_request("PUT", "/bucket/key"), status, "as told"));
  };
  EXPECT_EQ(refused(408), "400 RequestTimeout");
  EXPECT_EQ(refused(413), "400 EntityTooLarge");
  EXPECT_EQ(refused(400), "400 BadRequest");
  EXPECT_EQ(refused(431), "431 BadRequest");
  EXPECT_EQ(refused(501), "501 NotImplemented");
  EXPECT_EQ(refused(503), "503 ServiceUnavailable");
}

TEST_F(S3AdapterTest, ABodyThatStopsComingIsA400AndStoresNothing) {
  struct Stops : BodySource {
    Result<Bytes> next(Deadline) override {
      if (reads++ == 0) return Bytes("begun");
      return Error{ErrorCode::timed_out, "too slow"};
    }
    int reads = 0;
  } stops;
  HttpRequest request = make_request("PUT", "/bucket/key");
  request.body_source = &stops;
  request.step_time = kLimit;
  EXPECT_EQ(error_of(ask(*s3_, request)), "400 RequestTimeout");
  EXPECT_EQ(error_of(ask("GET", "/bucket/key")), "404 NoSuchKey");
}

TEST_F(S3AdapterTest, ABodyThatComesInPiecesIsReadUnlessTheHeadIsRefused) {
  struct Pieces : BodySource {
    Result<Bytes> next(Deadline) override {
      return ++reads <= 3 ? Bytes("piece ") : Bytes();
    }
    int reads = 0;
  };
  const auto answer = [&](S3Adapter& s3, HttpRequest request, int reads) {
    Pieces pieces;
    request.body_source = &pieces;
    request.step_time = kLimit;
    EXPECT_TRUE(s3.streams_body(request));
    const std::string code = error_of(ask(s3, request));
    EXPECT_EQ(pieces.reads, reads) << code;
    return code;
  };
  EXPECT_EQ(answer(*s3_, make_request("PUT", "/bucket/key"), 4), "200 ");
  EXPECT_EQ(body_of(ask("GET", "/bucket/key")), "piece piece piece ");

  Credentials credentials;
  credentials.add("key", "secret");
  const auto closed = make(&credentials, {});
  EXPECT_EQ(answer(*closed, make_request("PUT", "/bucket/key"), 0), "403 AccessDenied");
  HttpRequest request = make_request("PUT", "/bucket/key", {{"Host", "localhost"}});
  sign_request(request, {"key", "wrong"}, clock_.wall_ms());
  EXPECT_EQ(answer(*closed, request, 0), "403 SignatureDoesNotMatch");
  EXPECT_EQ(answer(*s3_, make_request("PUT", "/bucket/key", {{"Content-MD5", "x"}}), 0),
            "400 InvalidDigest");
  EXPECT_EQ(answer(*s3_, make_request("PUT", "/bucket/key?unknown"), 0), "501 NotImplemented");
}

TEST_F(S3AdapterTest, ConditionsOnReads) {
  const std::string etag(put("x").headers.get("ETag"));
  const auto status = [&](HttpHeaders headers) {
    return ask("GET", "/bucket/key", std::move(headers)).status;
  };
  const std::string before = "Tue, 14 Nov 2023 22:13:19 GMT", at = "Tue, 14 Nov 2023 22:13:20 GMT";
  EXPECT_EQ(status({{"If-Match", etag}}), 200);
  EXPECT_EQ(status({{"If-Match", "\"other\", " + etag}}), 200);
  EXPECT_EQ(status({{"If-Match", "*"}}), 200);
  EXPECT_EQ(status({{"If-Match", "\"other\""}}), 412);
  EXPECT_EQ(status({{"If-None-Match", etag}}), 304);
  EXPECT_EQ(status({{"If-None-Match", "W/" + etag}}), 304);
  EXPECT_EQ(status({{"If-None-Match", "\"other\""}}), 200);
  EXPECT_EQ(status({{"If-Modified-Since", at}}), 304);
  EXPECT_EQ(status({{"If-Modified-Since", before}}), 200);
  EXPECT_EQ(status({{"If-Unmodified-Since", at}}), 200);
  EXPECT_EQ(status({{"If-Unmodified-Since", before}}), 412);
  EXPECT_EQ(status({{"If-Match", etag}, {"If-Unmodified-Since", before}}), 200);
  EXPECT_EQ(status({{"If-None-Match", "\"other\""}, {"If-Modified-Since", at}}), 200);
  EXPECT_EQ(ask("GET", "/bucket/key", {{"If-None-Match", etag}}).body, "");
}

TEST_F(S3AdapterTest, ConditionsOnWritesAreDecidedInTheLog) {
  EXPECT_EQ(error_of(put("x", {{"If-Match", "\"a\""}})), "404 NoSuchKey");
  EXPECT_EQ(error_of(put("x", {{"If-Match", "*"}})), "412 PreconditionFailed");
  EXPECT_EQ(put("1", {{"If-None-Match", "*"}}).status, 200);
  EXPECT_EQ(error_of(put("2", {{"If-None-Match", "*"}})), "412 PreconditionFailed");
  EXPECT_EQ(error_of(put("2", {{"If-None-Match", "\"a\""}})), "501 NotImplemented");
  const std::string etag(ask("GET", "/bucket/key").headers.get("ETag"));
  EXPECT_EQ(error_of(put("2", {{"If-Match", "\"other\""}})), "412 PreconditionFailed");
  EXPECT_EQ(put("2", {{"If-Match", etag}}).status, 200);
  EXPECT_EQ(ask("GET", "/bucket/key").body, "2");

  // Another write gets between the look at the ETag and the log.
  const std::string now(ask("GET", "/bucket/key").headers.get("ETag"));
  store_.before_execute = [&] { store_.values[object_record_key("bucket", "key")].version = 999; };
  EXPECT_EQ(error_of(put("3", {{"If-Match", now}})), "409 ConditionalRequestConflict");
  store_.before_execute = nullptr;
  EXPECT_EQ(ask("GET", "/bucket/key").body, "2");

  // The bucket is gone by the time the log decides.
  store_.before_execute = [&] { store_.values.erase(bucket_record_key("bucket")); };
  EXPECT_EQ(error_of(put("3")), "404 NoSuchBucket");
}

TEST_F(S3AdapterTest, Ranges) {
  put("0123456789");
  const auto range = [&](const std::string& text) {
    const HttpResponse got = ask("GET", "/bucket/key", {{"Range", text}});
    return std::to_string(got.status) + " " + std::string(got.headers.get("Content-Range")) + " " +
           (got.status == 416 ? "" : got.body);
  };
  EXPECT_EQ(range("bytes=2-4"), "206 bytes 2-4/10 234");
  EXPECT_EQ(range("bytes=7-"), "206 bytes 7-9/10 789");
  EXPECT_EQ(range("bytes=-3"), "206 bytes 7-9/10 789");
  EXPECT_EQ(range("bytes=-30"), "206 bytes 0-9/10 0123456789");
  EXPECT_EQ(range("bytes=8-18446744073709551615"), "206 bytes 8-9/10 89");
  EXPECT_EQ(range("bytes=10-"), "416 bytes */10 ");
  EXPECT_EQ(range("bytes=-0"), "416 bytes */10 ");
  for (const std::string ignored : {"bytes=4-2", "bytes=a-b", "bytes=", "bytes=-", "lines=1-2",
                                    "bytes=0-1,3-4", "bytes=99999999999999999999-"}) {
    EXPECT_EQ(range(ignored), "200  0123456789") << ignored;
  }
  EXPECT_EQ(ask("GET", "/bucket/key", {{"Range", "bytes=0-0"}, {"If-Range", "\"old\""}}).status,
            200);
}

TEST_F(S3AdapterTest, WhatIsNotSupportedIsRefusedAndChangesNothing) {
  put("x");
  const auto before = store_.version;
  for (const std::string query :
       {"acl", "uploads", "retention", "policy", "unknown=1", "response-expires=1"}) {
    for (const std::string method : {"PUT", "DELETE"}) {
      EXPECT_EQ(error_of(ask(method, "/bucket/key?" + query)), "501 NotImplemented") << query;
    }
  }
  for (const HttpHeaders::Field& field :
       std::vector<HttpHeaders::Field>{{"x-amz-copy-source-range", "bytes=0-1"},
                                       {"x-amz-acl", "public-read"},
                                       {"x-amz-server-side-encryption", "AES256"},
                                       {"x-amz-storage-class", "GLACIER"},
                                       {"x-amz-checksum-crc16", "x"},
                                       {"If-Unmodified-Since", "Tue, 14 Nov 2023 22:13:20 GMT"},
                                       {"Content-Range", "bytes 0-1/2"},
                                       {"x-amz-new-thing", "1"}}) {
    EXPECT_EQ(error_of(put("y", {field})), "501 NotImplemented") << field.name;
  }
  EXPECT_EQ(error_of(put("y", {{"x-amz-security-token", "t"}})), "400 InvalidToken");
  EXPECT_EQ(error_of(ask("POST", "/bucket/key", {}, "x")), "405 MethodNotAllowed");
  EXPECT_EQ(store_.version, before);
  EXPECT_EQ(put("y", {{"x-amz-acl", "private"}, {"x-amz-storage-class", "STANDARD"}}).status, 200);
  EXPECT_EQ(ask("GET", "/bucket/key?response-content-type=a%0d%0ab&x-id=GetObject")
                .headers.get("Content-Type"),
            "a\r\nb")
      << "the server makes blanks of it";
}

TEST_F(S3AdapterTest, TheStoresErrorsKeepUnknownApartFromNotApplied) {
  store_.failure = Error{ErrorCode::timed_out, ""};
  const HttpResponse unknown = put("x");
  EXPECT_EQ(error_of(unknown), "503 ServiceUnavailable");
  EXPECT_EQ(unknown.headers.get("x-keelson-outcome"), "unknown");
  EXPECT_EQ(unknown.headers.get("Retry-After"), "1");
  const HttpResponse read = ask("GET", "/bucket/key");
  EXPECT_EQ(error_of(read), "503 ServiceUnavailable");
  EXPECT_EQ(read.headers.find("x-keelson-outcome"), nullptr);
  EXPECT_EQ(put("x", {{"If-Match", "\"a\""}}).headers.get("x-keelson-outcome"), "not_applied");
  store_.failure = Error{ErrorCode::unavailable, ""};
  EXPECT_EQ(put("x").headers.get("x-keelson-outcome"), "not_applied");
  EXPECT_EQ(ask("DELETE", "/bucket/key").headers.get("x-keelson-outcome"), "not_applied");
  store_.failure = Error{ErrorCode::io_error, ""};
  EXPECT_EQ(put("x").headers.get("x-keelson-outcome"), "unknown");
}

TEST_F(S3AdapterTest, EveryReplyHasAnIdAndErrorsAreXml) {
  const HttpResponse a = ask("GET", "/bucket/<&>");
  const HttpResponse b = ask("GET", "/bucket/<&>");
  const std::string id(a.headers.get("x-amz-request-id"));
  EXPECT_EQ(id.size(), 16u);
  EXPECT_NE(id, b.headers.get("x-amz-request-id"));
  EXPECT_EQ(a.headers.get("Content-Type"), "application/xml");
  EXPECT_EQ(a.body,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>NoSuchKey</Code><Message>The "
            "specified key does not exist.</Message><Resource>/bucket/&lt;&amp;&gt;</Resource>"
            "<RequestId>" +
                id + "</RequestId></Error>");
}

TEST_F(S3AdapterTest, EachWriteHasATokenOfItsOwn) {
  put("x");
  put("x");
  ask("DELETE", "/bucket/key");
  for (const Bytes& token : store_.tokens) EXPECT_EQ(token.size(), 16u);
  const std::set<Bytes> distinct(store_.tokens.begin(), store_.tokens.end());
  EXPECT_EQ(distinct.size(), store_.tokens.size());
}

TEST_F(S3AdapterTest, SignaturesAreDemandedWhereThereAreCredentials) {
  Credentials credentials;
  credentials.add("key", "secret");
  const auto closed = make(&credentials, {});
  const SigV4Signer signer{"key", "secret", "us-east-1", "s3"};
  const auto answer = [&](HttpRequest request, const SigV4Signer& by, std::int64_t skew_ms = 0) {
    sign_request(request, by, clock_.wall_ms() + skew_ms);
    return error_of(ask(*closed, request));
  };
  const HttpRequest put = make_request("PUT", "/bucket/k%20%24", {}, "x");
  EXPECT_EQ(answer(put, signer), "200 ");
  EXPECT_EQ(answer(put, {"nobody", "secret", "us-east-1", "s3"}), "403 InvalidAccessKeyId");
  EXPECT_EQ(answer(put, {"key", "wrong", "us-east-1", "s3"}), "403 SignatureDoesNotMatch");
  EXPECT_EQ(answer(put, {"key", "secret", "mars", "s3"}), "400 AuthorizationHeaderMalformed");
  EXPECT_EQ(answer(put, signer, 16 * 60 * 1000), "403 RequestTimeTooSkewed");
  EXPECT_EQ(error_of(ask(*closed, put)), "403 AccessDenied");
  EXPECT_EQ(error_of(ask(*closed, make_request("DELETE", "/bucket/k%20%24"))),
            "403 AccessDenied");
  HttpRequest get = make_request("GET", "/bucket/k%20%24?response-content-type=text/x");
  presign_request(get, signer, clock_.wall_ms(), 60);
  const HttpResponse got = ask(*closed, get);
  EXPECT_EQ(got.body, "x");
  EXPECT_EQ(got.headers.get("Content-Type"), "text/x");
}

}  // namespace
}  // namespace keelson::api

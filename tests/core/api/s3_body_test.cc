#include "core/api/s3_body.h"

#include <gtest/gtest.h>

#include <deque>

namespace keelson::api {
namespace {

constexpr std::uint64_t kBytesMax = 1000;
const std::string kBody = "123456789";  // Whose CRCs every catalogue has.

// Gives pieces of a few octets; then, in the place of the end, a failure if there is one.
class Pieces : public BodySource {
 public:
  explicit Pieces(BytesView body, std::optional<Error> failure = {})
      : left_(body), size_(body.size()), failure_(std::move(failure)) {}
  std::optional<std::uint64_t> size() const override { return size_; }
  Result<Bytes> next(Deadline) override {
    const Bytes piece(left_.substr(0, 4));
    left_.remove_prefix(piece.size());
    if (piece.empty() && failure_) return *failure_;
    return piece;
  }
  void forget_size() { size_.reset(); }

 private:
  BytesView left_;
  std::optional<std::uint64_t> size_;
  std::optional<Error> failure_;
};

// What next() gives in the end: "" or the code of the refusal, and what came before.
struct Outcome {
  std::string code;
  Bytes object;
  Fields checksums;
};

Outcome read(S3Body& body) {
  Outcome outcome;
  while (true) {
    const auto piece = body.next(Deadline::never());
    if (!piece) {
      outcome.code = piece.error().error.code;
      EXPECT_EQ(body.next(Deadline::never()).error().error.code, outcome.code) << "for good";
      return outcome;
    }
    if ((*piece).empty()) break;
    outcome.object += *piece;
  }
  EXPECT_EQ(body.md5(), md5(outcome.object));
  outcome.checksums = body.checksums();
  return outcome;
}

Authentication by(const HttpHeaders& head) {
  HttpRequest request;
  request.headers = head;
  return unauthenticated(request);
}

Outcome read(const HttpHeaders& head, BytesView encoded) {
  Pieces source(encoded);
  S3Body body(head, source, by(head), {kBytesMax});
  return read(body);
}

// Of the head alone.
std::string head_code(const HttpHeaders& head, BytesView encoded = "x") {
  Pieces source(encoded);
  const S3Body body(head, source, by(head), {kBytesMax});
  const auto checked = body.check_head();
  return checked ? "" : std::string(checked.error().error.code);
}

HttpHeaders trailing(const std::string& size, const std::string& name) {
  return {{"x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"},
          {"Content-Encoding", "aws-chunked"},
          {"x-amz-decoded-content-length", size},
          {"x-amz-trailer", name}};
}

struct Known {
  std::string name;
  std::string algorithm;
  std::string value;
};
const std::vector<Known> kKnown = {
    {"x-amz-checksum-crc32", "CRC32", "y/Q5Jg=="},
    {"x-amz-checksum-crc32c", "CRC32C", "4waSgw=="},
    {"x-amz-checksum-crc64nvme", "CRC64NVME", "rosUhgp5mIg="},
    {"x-amz-checksum-sha1", "SHA1", "98O8HYCOBHMq32eZZczDTKeuNEE="},
    {"x-amz-checksum-sha256", "SHA256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="}};

TEST(S3BodyTest, EveryChecksumIsComparedWhereverItStands) {
  for (const auto& [name, algorithm, value] : kKnown) {
    const HttpHeaders head = {{name, value}, {"x-amz-sdk-checksum-algorithm", algorithm}};
    const Outcome good = read(head, kBody);
    EXPECT_EQ(good.code, "") << name;
    EXPECT_EQ(good.object, kBody);
    ASSERT_EQ(good.checksums.size(), 1u);
    EXPECT_EQ(good.checksums[0].name, name);
    EXPECT_EQ(good.checksums[0].value, value);
    EXPECT_EQ(read(head, "123456788").code, "BadDigest") << name;

    HttpHeaders announced = trailing("9", name);
    announced.add("x-amz-sdk-checksum-algorithm", algorithm);
    const std::string encoded = "9\r\n123456789\r\n0\r\n" + name + ":" + value + "\r\n\r\n";
    EXPECT_EQ(read(announced, encoded).code, "") << name;
    EXPECT_EQ(read(announced, encoded).checksums.at(0).value, value);
    std::string wrong = encoded;
    wrong.replace(wrong.find("456"), 3, "654");
    EXPECT_EQ(read(announced, wrong).code, "BadDigest") << name;
  }
}

TEST(S3BodyTest, TheHashThatWasSignedIsCompared) {
  const HttpHeaders head = {{"x-amz-content-sha256", to_hex(sha256(kBody))}};
  EXPECT_EQ(read(head, kBody).code, "");
  EXPECT_EQ(read(head, "123456788").code, "XAmzContentSHA256Mismatch");
  HttpHeaders both = head;
  both.add("x-amz-checksum-sha256", kKnown[4].value);
  EXPECT_EQ(read(both, kBody).code, "");
}

TEST(S3BodyTest, ContentMd5IsCompared) {
  EXPECT_EQ(read({{"Content-MD5", base64_encode(md5(kBody))}}, kBody).code, "");
  EXPECT_EQ(read({{"Content-MD5", base64_encode(md5("x"))}}, kBody).code, "BadDigest");
  EXPECT_EQ(head_code({{"Content-MD5", "nonsense"}}), "InvalidDigest");
  EXPECT_EQ(head_code({{"Content-MD5", ""}}), "InvalidDigest");
}

TEST(S3BodyTest, ALengthBeyondTheLimitIsRefusedByTheHeadOrOnTheWay) {
  const std::string large(kBytesMax + 1, 'x');
  EXPECT_EQ(head_code({}, large), "EntityTooLarge");
  EXPECT_EQ(read({}, std::string(kBytesMax, 'x')).code, "");
  Pieces source(large);
  source.forget_size();
  S3Body body({}, source, {}, {kBytesMax});
  EXPECT_TRUE(body.check_head());
  const Outcome outcome = read(body);
  EXPECT_EQ(outcome.code, "EntityTooLarge");
  EXPECT_LE(outcome.object.size(), kBytesMax);
  EXPECT_EQ(head_code(trailing("1001", "x-amz-checksum-crc32")), "EntityTooLarge");
}

TEST(S3BodyTest, ChunksNeedTheirDecodedLengthAndKeepToIt) {
  HttpHeaders head = trailing("9", "x-amz-checksum-crc32");
  head.set("x-amz-decoded-content-length", "nine");
  EXPECT_EQ(head_code(head), "InvalidArgument");
  EXPECT_EQ(head_code({{"x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}}),
            "MissingContentLength");
  for (const std::string_view size : {"8", "10"}) {
    EXPECT_EQ(read(trailing(std::string(size), "x-amz-checksum-crc32"),
                   "9\r\n123456789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n")
                  .code,
              "IncompleteBody");
  }
  EXPECT_EQ(read(trailing("9", "x-amz-checksum-crc32"), "9\r\n1234").code, "IncompleteBody");
  EXPECT_EQ(head_code({{"Content-Encoding", "aws-chunked"}}), "InvalidRequest");
}

TEST(S3BodyTest, ATrailerIsWhatWasAnnouncedNoLessAndNoMore) {
  const auto code = [](const std::string& trailer) {
    return read(trailing("9", "x-amz-checksum-crc32"), "9\r\n123456789\r\n0\r\n" + trailer).code;
  };
  EXPECT_EQ(code("x-amz-checksum-crc32:y/Q5Jg==\r\n\r\n"), "");
  EXPECT_EQ(code("\r\n"), "MalformedTrailerError");
  EXPECT_EQ(code("x-amz-checksum-crc32c:4waSgw==\r\n\r\n"), "MalformedTrailerError");
  EXPECT_EQ(code("x-amz-checksum-crc32:y/Q5Jg==\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n"),
            "MalformedTrailerError");
  EXPECT_EQ(code("x-amz-checksum-crc32:y/Q5Jg==\r\nx-amz-meta-a:b\r\n\r\n"),
            "MalformedTrailerError");
  EXPECT_EQ(code("x-amz-checksum-crc32:nonsense\r\n\r\n"), "InvalidRequest");
  EXPECT_EQ(code("no colon\r\n\r\n"), "MalformedTrailerError");
}

TEST(S3BodyTest, AnnouncementsThatContradictEachOtherAreRefused) {
  const std::string crc32 = "y/Q5Jg==", crc32c = "4waSgw==";
  EXPECT_EQ(head_code({{"x-amz-checksum-crc32", crc32}, {"x-amz-checksum-crc32c", crc32c}}),
            "InvalidRequest");
  EXPECT_EQ(head_code({{"x-amz-checksum-crc32", crc32}, {"X-Amz-Checksum-Crc32", crc32}}),
            "InvalidRequest");
  EXPECT_EQ(head_code({{"x-amz-checksum-crc32", "y/Q5"}}), "InvalidRequest");
  EXPECT_EQ(head_code({{"x-amz-sdk-checksum-algorithm", "CRC32"}}), "InvalidRequest");
  EXPECT_EQ(
      head_code({{"x-amz-sdk-checksum-algorithm", "CRC32"}, {"x-amz-checksum-crc32c", crc32c}}),
      "InvalidRequest");
  EXPECT_EQ(
      head_code({{"x-amz-sdk-checksum-algorithm", "CRC16"}, {"x-amz-checksum-crc32", crc32}}),
      "InvalidRequest");
  EXPECT_EQ(head_code({{"x-amz-trailer", "x-amz-checksum-crc32"}}), "InvalidRequest")
      << "a body without a trailer";
  EXPECT_EQ(head_code(trailing("9", "x-amz-meta-a")), "InvalidRequest");
  HttpHeaders both = trailing("9", "x-amz-checksum-crc32");
  both.add("x-amz-checksum-crc32", crc32);
  EXPECT_EQ(head_code(both), "InvalidRequest");
}

TEST(S3BodyTest, ChecksumsOfSomethingElseAreLeftAlone) {
  const HttpHeaders head = {{"x-amz-checksum-crc32", "AAAAAA=="}};
  Pieces source(kBody);
  S3Body body(head, source, {}, {.bytes_max = kBytesMax, .checksums_are_its_own = false});
  const Outcome outcome = read(body);
  EXPECT_EQ(outcome.code, "");
  EXPECT_TRUE(outcome.checksums.empty());
}

TEST(S3BodyTest, TheConnectionsFailuresHaveTheirCodes) {
  const auto code = [](ErrorCode failure) {
    Pieces source("abc", Error{failure, "as told"});
    S3Body body({}, source, {}, {kBytesMax});
    return read(body).code;
  };
  EXPECT_EQ(code(ErrorCode::timed_out), "RequestTimeout");
  EXPECT_EQ(code(ErrorCode::connection_lost), "IncompleteBody");
  EXPECT_EQ(code(ErrorCode::invalid_argument), "BadRequest");
}

TEST(S3BodyTest, SignedChunksAreVerified) {
  const HttpHeaders head = {{"x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"},
                            {"x-amz-decoded-content-length", "3"}};
  Authentication signed_by = by(head);
  signed_by.signing_key = derive_signing_key("secret", "20130524", "us-east-1", "s3");
  Pieces source("3;chunk-signature=00\r\nabc\r\n0;chunk-signature=00\r\n\r\n");
  S3Body body(head, source, signed_by, {kBytesMax});
  EXPECT_EQ(read(body).code, "SignatureDoesNotMatch");
}

}  // namespace
}  // namespace keelson::api

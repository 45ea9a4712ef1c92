// Checksums of objects that were uploaded in parts, with parts of a few octets.
#include "core/api/digest.h"
#include "core/api/s3_object_checksum.h"
#include "tests/core/api/s3_fixture.h"

namespace keelson::api {
namespace {

class S3MultipartChecksumTest : public S3Fixture {
 protected:
  S3MultipartChecksumTest()
      : S3Fixture({.chunk_bytes = 8, .inline_bytes_max = 4, .part_bytes_min = 10}) {}

  static HttpHeaders asking(const std::string& algorithm, const std::string& type = "") {
    HttpHeaders headers = {{"x-amz-checksum-algorithm", algorithm}};
    if (!type.empty()) headers.add("x-amz-checksum-type", type);
    return headers;
  }
  static std::string header(DigestKind kind) { return std::string(checksum_header(kind)); }
  static std::string checksum(DigestKind kind, BytesView text) {
    return base64_encode(digest(kind, text));
  }

  std::string begin(HttpHeaders headers) {
    const HttpResponse begun = ask("POST", "/bucket/key?uploads", std::move(headers));
    EXPECT_EQ(begun.status, 200) << begun.body;
    return std::string(parse_xml(begun.body)->get("UploadId"));
  }
  HttpResponse part(const std::string& upload, int number, const std::string& body,
                    HttpHeaders headers = {}) {
    return ask("PUT",
               "/bucket/key?partNumber=" + std::to_string(number) + "&uploadId=" + upload,
               std::move(headers), body);
  }
  // Both parts, each with its checksum.
  void put_parts(const std::string& upload, DigestKind kind) {
    EXPECT_EQ(part(upload, 1, first_, {{header(kind), checksum(kind, first_)}}).status, 200);
    EXPECT_EQ(part(upload, 2, last_, {{header(kind), checksum(kind, last_)}}).status, 200);
  }
  // With an element of that name and text in each part, unless the name is "".
  HttpResponse complete(const std::string& upload, const std::string& element,
                        const std::vector<std::string>& texts, HttpHeaders headers = {}) {
    XmlWriter xml("CompleteMultipartUpload");
    for (std::size_t i = 0; i < 2; ++i) {
      xml.begin("Part");
      xml.add("PartNumber", std::to_string(i + 1));
      xml.add("ETag", to_hex(md5(i == 0 ? first_ : last_)));
      if (!element.empty()) xml.add(element, texts.at(i));
      xml.end();
    }
    return ask("POST", "/bucket/key?uploadId=" + upload, std::move(headers), xml.finish());
  }
  HttpResponse complete(const std::string& upload, DigestKind kind, HttpHeaders headers = {}) {
    return complete(upload, checksum_element(header(kind)),
                    {checksum(kind, first_), checksum(kind, last_)}, std::move(headers));
  }
  // "value TYPE"
  std::string checksum_of_object(DigestKind kind) {
    const HttpResponse head = ask("HEAD", "/bucket/key", {{"x-amz-checksum-mode", "ENABLED"}});
    return std::string(head.headers.get(header(kind))) + ' ' +
           std::string(head.headers.get("x-amz-checksum-type"));
  }

  const std::string first_ = "the first part", last_ = "end";
};

TEST_F(S3MultipartChecksumTest, ACompositeOneIsThatOfThePartsChecksums) {
  for (const DigestKind kind :
       {DigestKind::crc32, DigestKind::crc32c, DigestKind::sha1, DigestKind::sha256}) {
    const std::string algorithm(checksum_algorithm(kind));
    const std::string upload = begin(asking(algorithm));
    put_parts(upload, kind);
    const HttpResponse done = complete(upload, kind);
    ASSERT_EQ(done.status, 200) << done.body;
    const std::string value =
        checksum(kind, digest(kind, first_) + digest(kind, last_)) + "-2";
    const XmlElement xml = xml_of(done);
    EXPECT_EQ(xml.get("Checksum" + algorithm), value);
    EXPECT_EQ(xml.get("ChecksumType"), "COMPOSITE");
    EXPECT_EQ(checksum_of_object(kind), value + " COMPOSITE");
    EXPECT_EQ(complete(upload, kind).body, done.body) << "asked again";
  }
}

// The parts' and the object's checksums that AWS has answered for three parts.
TEST_F(S3MultipartChecksumTest, ACompositeOneIsWhatAwsMakesOfTheSameParts) {
  std::vector<PartRecord> parts;
  for (const std::string value : {"lcKa6Boe7a167tUCN5C4OaFygGSYD8MBnBARTrdL+1w=",
                                  "gHjhbUT4oo2tSCtSZJdlKi+jeNXJT+VImqdPXsXvkOc=",
                                  "4l9PQ3zOPZ0oGFvknFX+J4zZwE4WMzO+l3r8XrbWOeM="}) {
    parts.emplace_back().checksums = {{"x-amz-checksum-sha256", value}};
  }
  const auto combined = combined_checksum({DigestKind::sha256, ChecksumType::composite}, parts);
  ASSERT_TRUE(combined.has_value());
  EXPECT_EQ(combined->at(0).value, "rVWtNbadtsaKXJAcgWPWjifHzJaXde/iV4jaJAOdivc=-3");
}

TEST_F(S3MultipartChecksumTest, AFullObjectsIsThatOfAllOctets) {
  for (const DigestKind kind : {DigestKind::crc32, DigestKind::crc32c, DigestKind::crc64nvme}) {
    const std::string algorithm(checksum_algorithm(kind));
    const std::string upload = begin(asking(algorithm, "FULL_OBJECT"));
    // The second part's is not given: it is computed.
    EXPECT_EQ(part(upload, 1, first_, {{header(kind), checksum(kind, first_)}}).status, 200);
    EXPECT_EQ(part(upload, 2, last_).headers.get(header(kind)), checksum(kind, last_));
    const std::string value = checksum(kind, first_ + last_);
    const HttpResponse done =
        complete(upload, "", {}, {{header(kind), value}, {"x-amz-checksum-type", "FULL_OBJECT"}});
    ASSERT_EQ(done.status, 200) << done.body;
    EXPECT_EQ(xml_of(done).get("Checksum" + algorithm), value);
    EXPECT_EQ(xml_of(done).get("ChecksumType"), "FULL_OBJECT");
    EXPECT_EQ(checksum_of_object(kind), value + " FULL_OBJECT");
  }
}

TEST_F(S3MultipartChecksumTest, AnUploadSaysWhichChecksumItHas) {
  const auto begun = [&](HttpHeaders headers) {
    const HttpResponse response = ask("POST", "/bucket/key?uploads", std::move(headers));
    if (response.status != 200) return error_of(response);
    return std::string(response.headers.get("x-amz-checksum-algorithm")) + ' ' +
           std::string(response.headers.get("x-amz-checksum-type"));
  };
  EXPECT_EQ(begun({}), " ");
  EXPECT_EQ(begun(asking("CRC32")), "CRC32 COMPOSITE");
  EXPECT_EQ(begun(asking("SHA256", "COMPOSITE")), "SHA256 COMPOSITE");
  EXPECT_EQ(begun(asking("CRC32C", "FULL_OBJECT")), "CRC32C FULL_OBJECT");
  EXPECT_EQ(begun(asking("CRC64NVME")), "CRC64NVME FULL_OBJECT");
  EXPECT_EQ(begun(asking("CRC64NVME", "COMPOSITE")), "400 InvalidRequest");
  EXPECT_EQ(begun(asking("SHA1", "FULL_OBJECT")), "400 InvalidRequest");
  EXPECT_EQ(begun(asking("SHA256", "FULL_OBJECT")), "400 InvalidRequest");
  EXPECT_EQ(begun(asking("SHA512")), "400 InvalidRequest");
  EXPECT_EQ(begun(asking("CRC32", "HALF_OBJECT")), "400 InvalidRequest");
  EXPECT_EQ(begun({{"x-amz-checksum-type", "COMPOSITE"}}), "400 InvalidRequest");
}

TEST_F(S3MultipartChecksumTest, APartHasTheChecksumOfItsUpload) {
  const std::string upload = begin(asking("SHA256"));
  const auto answer = [&](HttpHeaders headers) {
    return error_of(part(upload, 1, first_, std::move(headers)));
  };
  EXPECT_EQ(answer({}), "400 InvalidRequest");
  EXPECT_EQ(answer({{"x-amz-checksum-crc32", checksum(DigestKind::crc32, first_)}}),
            "400 InvalidRequest");
  EXPECT_EQ(answer({{"x-amz-checksum-sha256", checksum(DigestKind::sha256, last_)}}),
            "400 BadDigest");
  EXPECT_EQ(rows_with("s3/part/"), 0u);
  EXPECT_EQ(answer({{"x-amz-checksum-sha256", checksum(DigestKind::sha256, first_)}}), "200 ");
}

TEST_F(S3MultipartChecksumTest, WhatTheClientSaysOfThePartsIsCompared) {
  const DigestKind kind = DigestKind::crc32;
  const std::string upload = begin(asking("CRC32"));
  put_parts(upload, kind);
  const std::string one = checksum(kind, first_), two = checksum(kind, last_);
  EXPECT_EQ(error_of(complete(upload, "", {})), "400 InvalidRequest") << "not vouched for";
  EXPECT_EQ(error_of(complete(upload, "ChecksumCRC32", {one, one})), "400 InvalidPart");
  EXPECT_EQ(error_of(complete(upload, "ChecksumCRC32C", {one, two})), "400 InvalidPart");
  EXPECT_EQ(error_of(complete(upload, "ChecksumSHA1",
                              {checksum(DigestKind::sha1, first_),
                               checksum(DigestKind::sha1, last_)})),
            "400 InvalidPart");
  EXPECT_EQ(error_of(ask("GET", "/bucket/key")), "404 NoSuchKey");
  EXPECT_EQ(complete(upload, "ChecksumCRC32", {one, two}).status, 200);
}

TEST_F(S3MultipartChecksumTest, WhatTheClientSaysOfTheObjectIsCompared) {
  const DigestKind kind = DigestKind::crc32;
  const std::string upload = begin(asking("CRC32"));
  put_parts(upload, kind);
  const std::string value = checksum(kind, digest(kind, first_) + digest(kind, last_));
  const auto answer = [&](HttpHeaders headers) {
    return error_of(complete(upload, kind, std::move(headers)));
  };
  EXPECT_EQ(answer({{"x-amz-checksum-crc32", checksum(kind, first_ + last_)}}), "400 BadDigest");
  EXPECT_EQ(answer({{"x-amz-checksum-crc32", value + "-3"}}), "400 BadDigest");
  EXPECT_EQ(answer({{"x-amz-checksum-crc32c", value}}), "400 InvalidRequest");
  EXPECT_EQ(answer({{"x-amz-checksum-type", "FULL_OBJECT"}}), "400 BadDigest");
  EXPECT_EQ(answer({{"x-amz-checksum-type", "ANY"}}), "400 InvalidRequest");
  EXPECT_EQ(error_of(ask("GET", "/bucket/key")), "404 NoSuchKey");
  EXPECT_EQ(answer({{"x-amz-checksum-crc32", value + "-2"}, {"x-amz-checksum-type", "COMPOSITE"}}),
            "200 ");
}

TEST_F(S3MultipartChecksumTest, AnUploadWithoutChecksumsTakesPartsThatHaveThem) {
  const DigestKind kind = DigestKind::crc64nvme;
  const std::string upload = begin({});
  put_parts(upload, kind);
  EXPECT_EQ(error_of(complete(upload, kind,
                              {{header(kind), checksum(kind, first_ + last_)}})),
            "400 InvalidRequest")
      << "a claim that nobody would compare";
  EXPECT_EQ(error_of(complete(upload, "ChecksumCRC64NVME", {"AAAAAAAAAAA=", "AAAAAAAAAAA="})),
            "400 InvalidPart");
  EXPECT_EQ(complete(upload, kind).status, 200);
  EXPECT_EQ(checksum_of_object(kind), " ");
}

TEST_F(S3MultipartChecksumTest, ListingsSayIt) {
  const DigestKind kind = DigestKind::sha1;
  const std::string upload = begin(asking("SHA1"));
  put_parts(upload, kind);
  const XmlElement parts = xml_of(ask("GET", "/bucket/key?uploadId=" + upload));
  EXPECT_EQ(parts.get("ChecksumAlgorithm"), "SHA1");
  EXPECT_EQ(parts.get("ChecksumType"), "COMPOSITE");
  EXPECT_EQ(parts.find("Part")->get("ChecksumSHA1"), checksum(kind, first_));
  const XmlElement uploads = xml_of(ask("GET", "/bucket?uploads"));
  EXPECT_EQ(uploads.find("Upload")->get("ChecksumType"), "COMPOSITE");
  EXPECT_EQ(complete(upload, kind).status, 200);
  const XmlElement objects = xml_of(ask("GET", "/bucket?list-type=2"));
  EXPECT_EQ(objects.find("Contents")->get("ChecksumAlgorithm"), "SHA1");
  EXPECT_EQ(objects.find("Contents")->get("ChecksumType"), "COMPOSITE");
}

TEST_F(S3MultipartChecksumTest, ACopysIsOfAllItsOctets) {
  const std::string upload = begin(asking("SHA256"));
  put_parts(upload, DigestKind::sha256);
  EXPECT_EQ(complete(upload, DigestKind::sha256).status, 200);
  const auto copy = [&](HttpHeaders headers) {
    headers.add("x-amz-copy-source", "bucket/key");
    return ask("PUT", "/bucket/copy", std::move(headers));
  };
  const XmlElement same = xml_of(copy({}));
  EXPECT_EQ(same.get("ChecksumSHA256"), checksum(DigestKind::sha256, first_ + last_));
  EXPECT_EQ(same.get("ChecksumType"), "FULL_OBJECT");
  const XmlElement other = xml_of(copy(asking("CRC32C")));
  EXPECT_EQ(other.get("ChecksumCRC32C"), checksum(DigestKind::crc32c, first_ + last_));
  EXPECT_EQ(other.find("ChecksumSHA256"), nullptr);
  EXPECT_EQ(error_of(copy(asking("MD5"))), "400 InvalidRequest");
}

TEST_F(S3MultipartChecksumTest, ACopiedPartsIsComputed) {
  put(first_);
  for (const std::string type : {"COMPOSITE", "FULL_OBJECT"}) {
    const std::string upload = begin(asking("CRC32", type));
    const HttpResponse copied = ask("PUT", "/bucket/key?partNumber=1&uploadId=" + upload,
                                    {{"x-amz-copy-source", "bucket/key"}});
    EXPECT_EQ(xml_of(copied).get("ChecksumCRC32"), checksum(DigestKind::crc32, first_));
  }
}

TEST_F(S3MultipartChecksumTest, AnObjectOfOnePutSaysFullObject) {
  const HttpResponse answer =
      put(first_, {{"x-amz-checksum-crc32", checksum(DigestKind::crc32, first_)}});
  EXPECT_EQ(answer.headers.get("x-amz-checksum-type"), "FULL_OBJECT");
  EXPECT_EQ(checksum_of_object(DigestKind::crc32),
            checksum(DigestKind::crc32, first_) + " FULL_OBJECT");
  const HttpResponse silent = ask("HEAD", "/bucket/key");
  EXPECT_EQ(silent.headers.find("x-amz-checksum-type"), nullptr);
}

}  // namespace
}  // namespace keelson::api

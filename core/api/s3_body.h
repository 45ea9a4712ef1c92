// The body of an S3 request as the object's octets: without the framing of aws-chunked, and held
// against everything that the head, the chunks and the trailer say of it.
#pragma once

#include <optional>
#include <string>

#include "core/api/aws_chunked.h"
#include "core/api/digest.h"
#include "core/api/http.h"
#include "core/api/s3_checksum.h"
#include "core/api/s3_error.h"
#include "core/api/s3_objects.h"
#include "core/api/sigv4.h"

namespace keelson::api {

struct S3BodyRules {
  std::uint64_t bytes_max;  // Of the object; beyond: EntityTooLarge.
  // Whether x-amz-checksum-* are of this body: of CompleteMultipartUpload they are of the object.
  bool checksums_are_its_own = true;
};

class S3Body : public S3BodySource {
 public:
  // `source` gives the body as it comes and outlives this object. `by` is what verified the head,
  // or unauthenticated().
  S3Body(const HttpHeaders& head, BodySource& source, const Authentication& by,
         const S3BodyRules& rules);

  // What the head alone makes a refusal, before anything is read: digests that are none, lengths
  // that are missing or too large, announcements that contradict each other.
  S3Result<void> check_head() const;

  // The next octets of the object. The empty piece at the end says that all was there and that
  // every signature and digest was right; until then nothing that was read may become visible. The
  // client's slowness is for the server to limit: the deadline does not count. Errors, for good:
  // those of check_head(), EntityTooLarge, IncompleteBody, SignatureDoesNotMatch,
  // MalformedTrailerError, XAmzContentSHA256Mismatch, BadDigest, RequestTimeout, InvalidRequest.
  S3Result<Bytes> next(Deadline deadline) override;

  // Of a checksum of the full object the parts' are nobody's claim, and computed if need be.
  S3Result<void> expect_checksum(const ChecksumChoice& choice) override;

  Bytes md5() const override;
  Fields checksums() const override;

 private:
  S3Result<void> take_length(const HttpHeaders& head);
  S3Result<void> take_digests(const HttpHeaders& head);
  S3Result<void> take_checksum(const HttpHeaders& head);
  S3Result<void> take_announced_trailer(const HttpHeaders& head);
  S3Result<void> take_algorithm(const HttpHeaders& head) const;

  S3Result<Bytes> read();
  S3Result<Bytes> decode(Bytes piece);
  S3Result<void> count(BytesView octets);
  S3Result<void> take_trailer();
  S3Result<void> compare();

  BodySource& source_;
  const PayloadKind payload_;
  const std::string payload_sha256_;
  const S3BodyRules rules_;
  std::optional<AwsChunkedDecoder> decoder_;

  // What the client says.
  std::optional<std::uint64_t> size_;  // Of the object.
  std::optional<Bytes> content_md5_;
  std::optional<DigestKind> announced_;  // The checksum that is to come in the trailer.
  std::optional<S3Checksum> checksum_;   // From a header or, at the end, the trailer.
  std::optional<DigestKind> computed_;   // In the place of the one that it does not give.

  // What is so.
  Digests digests_{DigestKind::md5};
  std::uint64_t read_bytes_ = 0;
  bool has_ended_ = false;
  Bytes md5_;

  std::optional<S3Refusal> refusal_;
};

}  // namespace keelson::api

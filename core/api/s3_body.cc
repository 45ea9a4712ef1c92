// Tested by tests/core/api/s3_body_test.cc.
#include "core/api/s3_body.h"

#include <utility>

#include "core/base/check.h"

namespace keelson::api {

namespace {

bool is_chunked(PayloadKind payload) {
  return payload == PayloadKind::chunks_signed || payload == PayloadKind::chunks_signed_trailer ||
         payload == PayloadKind::chunks_unsigned_trailer;
}

bool has_trailer(PayloadKind payload) {
  return payload == PayloadKind::chunks_signed_trailer ||
         payload == PayloadKind::chunks_unsigned_trailer;
}

S3Refusal invalid_request(std::string message) {
  return {s3_error::invalid_request, std::move(message)};
}

S3Refusal bad_digest(std::string_view name) {
  return {s3_error::bad_digest,
          "The " + std::string(name) + " you specified did not match what we received."};
}

S3Refusal refusal_of(const ChunkFailure& failure) {
  switch (failure.error) {
    case ChunkError::malformed:
      return {s3_error::incomplete_body, "aws-chunked: " + failure.message};
    case ChunkError::malformed_trailer:
      return {s3_error::malformed_trailer};
    case ChunkError::mismatch:
      return {s3_error::signature_does_not_match, failure.message};
  }
  CHECK(false);
  return {};
}

S3Refusal refusal_of(const Error& failure) {
  switch (failure.code) {
    case ErrorCode::timed_out:
      return {s3_error::request_timeout};
    case ErrorCode::connection_lost:
      return {s3_error::incomplete_body};
    default:
      return {s3_error::bad_request, failure.message};
  }
}

}  // namespace

S3Body::S3Body(const HttpHeaders& head, BodySource& source, const Authentication& by,
               const S3BodyRules& rules)
    : source_(source),
      payload_(by.payload),
      payload_sha256_(by.payload_sha256),
      rules_(rules) {
  CHECK(payload_ != PayloadKind::unknown);
  CHECK((payload_ == PayloadKind::whole) == !payload_sha256_.empty());
  if (is_chunked(payload_)) decoder_.emplace(by);
  if (payload_ == PayloadKind::whole) digests_.add(DigestKind::sha256);
  auto taken = take_length(head);
  if (taken) taken = take_digests(head);
  if (!taken) refusal_ = std::move(taken).error();
}

S3Result<void> S3Body::check_head() const {
  if (refusal_) return *refusal_;
  return {};
}

S3Result<void> S3Body::take_length(const HttpHeaders& head) {
  size_ = source_.size();
  if (decoder_) {
    const std::string* const decoded = head.find("x-amz-decoded-content-length");
    if (decoded == nullptr) return S3Refusal{s3_error::missing_content_length};
    size_ = parse_count(*decoded);
    if (!size_) {
      return S3Refusal{s3_error::invalid_argument,
                       "The x-amz-decoded-content-length you specified is not valid."};
    }
  } else if (head.has_token("Content-Encoding", "aws-chunked")) {
    return invalid_request("aws-chunked needs x-amz-content-sha256: STREAMING-...");
  }
  if (size_ && *size_ > rules_.bytes_max) return S3Refusal{s3_error::entity_too_large};
  return {};
}

S3Result<void> S3Body::take_digests(const HttpHeaders& head) {
  if (const std::string* const sent = head.find("Content-MD5")) {
    content_md5_ = parse_digest(DigestKind::md5, *sent);
    if (!content_md5_ || head.count("Content-MD5") > 1) {
      return S3Refusal{s3_error::invalid_digest, "The Content-MD5 you specified is not valid."};
    }
  }
  if (!rules_.checksums_are_its_own) return {};
  TRY(take_checksum(head));
  TRY(take_announced_trailer(head));
  return take_algorithm(head);
}

S3Result<void> S3Body::take_checksum(const HttpHeaders& head) {
  for (const auto& [name, value] : head) {
    const auto kind = checksum_of_header(name);
    if (!kind) continue;
    if (checksum_) {
      return invalid_request(
          "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.");
    }
    auto claimed = parse_digest(*kind, value);
    if (!claimed) return invalid_request("Value for " + to_lower(name) + " header is invalid.");
    checksum_ = {*kind, *std::move(claimed)};
    digests_.add(*kind);
  }
  return {};
}

S3Result<void> S3Body::take_announced_trailer(const HttpHeaders& head) {
  const std::string* const name = head.find("x-amz-trailer");
  if (name == nullptr) return {};
  announced_ = checksum_of_header(trim(*name));
  if (!announced_ || !has_trailer(payload_) || head.count("x-amz-trailer") > 1) {
    return invalid_request("The value specified in the x-amz-trailer header is not supported");
  }
  if (checksum_) return invalid_request("Expecting a single x-amz-checksum- header.");
  digests_.add(*announced_);
  return {};
}

// The SDKs say which checksum they give; one that then gives none has lost it.
S3Result<void> S3Body::take_algorithm(const HttpHeaders& head) const {
  const std::string* const algorithm = head.find("x-amz-sdk-checksum-algorithm");
  if (algorithm == nullptr) return {};
  const auto kind = checksum_of_algorithm(*algorithm);
  if (!kind) return invalid_request("Checksum algorithm provided is unsupported.");
  if (!announced_ && !checksum_) {
    return invalid_request(
        "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or "
        "x-amz-trailer headers were found.");
  }
  if (*kind != (announced_ ? *announced_ : checksum_->kind)) {
    return invalid_request("Value for x-amz-sdk-checksum-algorithm header is invalid.");
  }
  return {};
}

S3Result<void> S3Body::expect_checksum(const ChecksumChoice& choice) {
  CHECK(read_bytes_ == 0 && !has_ended_);
  const auto given = checksum_ ? std::optional(checksum_->kind) : announced_;
  if (given == choice.kind) return {};
  if (!given && choice.type == ChecksumType::full_object) {
    computed_ = choice.kind;
    digests_.add(choice.kind);
    return {};
  }
  return invalid_request("Checksum Type mismatch occurred, expected checksum Type: " +
                         to_lower(checksum_algorithm(choice.kind)) + ", actual checksum Type: " +
                         (given ? to_lower(checksum_algorithm(*given)) : "null"));
}

S3Result<Bytes> S3Body::next(Deadline) {
  if (refusal_) return *refusal_;
  if (has_ended_) return Bytes();
  auto octets = read();
  if (!octets) refusal_ = octets.error();
  return octets;
}

S3Result<Bytes> S3Body::read() {
  while (true) {
    Result<Bytes> piece = source_.next(Deadline::never());
    if (!piece) return refusal_of(piece.error());
    const bool is_end = piece->empty();
    TRY(Bytes octets, decode(*std::move(piece)));
    TRY(count(octets));
    if (!octets.empty()) return octets;
    if (!is_end) continue;
    TRY(compare());
    has_ended_ = true;
    return octets;
  }
}

S3Result<Bytes> S3Body::decode(Bytes piece) {
  if (!decoder_) return piece;
  Bytes octets;
  const auto failure = piece.empty() ? decoder_->finish() : decoder_->put(piece, octets);
  if (failure) return refusal_of(*failure);
  return octets;
}

S3Result<void> S3Body::count(BytesView octets) {
  read_bytes_ += octets.size();
  if (size_ && read_bytes_ > *size_) return S3Refusal{s3_error::incomplete_body};
  if (read_bytes_ > rules_.bytes_max) return S3Refusal{s3_error::entity_too_large};
  digests_.put(octets);
  return {};
}

// Fields that were not announced are not passed over: they might be digests that nobody checks.
S3Result<void> S3Body::take_trailer() {
  for (const auto& [name, value] : decoder_->trailers()) {
    const auto kind = checksum_of_header(name);
    if (!announced_ || kind != announced_ || checksum_) {
      return S3Refusal{s3_error::malformed_trailer};
    }
    auto claimed = parse_digest(*kind, value);
    if (!claimed) return invalid_request("Value for " + name + " trailing header is invalid.");
    checksum_ = {*kind, *std::move(claimed)};
  }
  if (announced_ && !checksum_) return S3Refusal{s3_error::malformed_trailer};
  return {};
}

S3Result<void> S3Body::compare() {
  if (size_ && read_bytes_ != *size_) return S3Refusal{s3_error::incomplete_body};
  if (decoder_) TRY(take_trailer());
  md5_ = digests_.take(DigestKind::md5);
  const Bytes sha256 =
      digests_.has(DigestKind::sha256) ? digests_.take(DigestKind::sha256) : Bytes();
  if (payload_ == PayloadKind::whole && to_hex(sha256) != payload_sha256_) {
    return S3Refusal{s3_error::content_sha256_mismatch};
  }
  if (content_md5_ && *content_md5_ != md5_) return bad_digest("Content-MD5");
  const auto kind = checksum_ ? std::optional(checksum_->kind) : computed_;
  if (!kind) return {};
  const Bytes actual = *kind == DigestKind::sha256 ? sha256 : digests_.take(*kind);
  if (computed_) checksum_ = S3Checksum{*kind, actual};
  if (checksum_->value != actual) return bad_digest(checksum_header(*kind));
  return {};
}

Bytes S3Body::md5() const {
  CHECK(has_ended_);
  return md5_;
}

Fields S3Body::checksums() const {
  CHECK(has_ended_);
  if (!checksum_) return {};
  return {{std::string(checksum_header(checksum_->kind)), base64_encode(checksum_->value)}};
}

}  // namespace keelson::api

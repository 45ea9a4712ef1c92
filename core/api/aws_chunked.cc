// Tested by tests/core/api/aws_chunked_test.cc, with the examples that AWS has published.
#include "core/api/aws_chunked.h"

#include <algorithm>
#include <charconv>

#include "core/base/check.h"

namespace keelson::api {

namespace {

constexpr std::string_view kSignature = ";chunk-signature=";
constexpr std::string_view kEmptySha256 =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr std::size_t kLineBytesMax = 4096;
constexpr std::size_t kTrailerBytesMax = 16 * 1024;

ChunkFailure malformed(std::string what) {
  return {ChunkError::malformed, std::move(what)};
}
ChunkFailure malformed_trailer(std::string what) {
  return {ChunkError::malformed_trailer, std::move(what)};
}

}  // namespace

ChunkSignatures::ChunkSignatures(const Authentication& by)
    : signing_key_(by.payload == PayloadKind::chunks_unsigned_trailer ? Bytes() : by.signing_key),
      date_and_scope_("\n" + by.amz_date + "\n" + by.scope + "\n"),
      previous_(by.seed_signature) {}

bool ChunkSignatures::accept_chunk(BytesView sha256_of_chunk, std::string_view signature) {
  return accept("AWS4-HMAC-SHA256-PAYLOAD",
                std::string(kEmptySha256) + "\n" + to_hex(sha256_of_chunk), signature);
}

bool ChunkSignatures::accept_trailer(BytesView sha256_of_fields, std::string_view signature) {
  return accept("AWS4-HMAC-SHA256-TRAILER", to_hex(sha256_of_fields), signature);
}

bool ChunkSignatures::accept(std::string_view algorithm, const std::string& hashes,
                             std::string_view signature) {
  CHECK(wanted());
  previous_ = to_hex(hmac_sha256(
      signing_key_, std::string(algorithm) + date_and_scope_ + previous_ + "\n" + hashes));
  return equal_in_constant_time(previous_, signature);
}

AwsChunkedDecoder::AwsChunkedDecoder(const Authentication& by)
    : trailer_is_signed_(by.payload == PayloadKind::chunks_signed_trailer), signatures_(by) {}

std::optional<ChunkFailure> AwsChunkedDecoder::put(BytesView encoded, Bytes& decoded) {
  while (!encoded.empty()) {
    if (place_ == Place::octets) {
      const BytesView octets =
          encoded.substr(0, static_cast<std::size_t>(
                                std::min<std::uint64_t>(octets_left_, encoded.size())));
      if (signatures_.wanted()) chunk_digest_.put(octets);
      decoded += octets;
      encoded.remove_prefix(octets.size());
      octets_left_ -= octets.size();
      if (octets_left_ == 0) place_ = Place::chunk_end;
      continue;
    }
    // Lines end with CRLF; with LF alone in trailers, as AWS's own examples have it.
    const std::size_t end = encoded.find('\n');
    line_ += encoded.substr(0, end);
    if (line_.size() > kLineBytesMax) return malformed("a line is too long");
    if (end == BytesView::npos) return std::nullopt;
    encoded.remove_prefix(end + 1);
    if (line_.ends_with('\r')) {
      line_.pop_back();
    } else if (place_ != Place::trailer) {
      return malformed("a line does not end with CRLF");
    }
    if (auto failure = take_line()) return failure;
    line_.clear();
  }
  return std::nullopt;
}

std::optional<ChunkFailure> AwsChunkedDecoder::take_line() {
  switch (place_) {
    case Place::chunk_head:
      return take_chunk_head();
    case Place::chunk_end:
      if (!line_.empty()) return malformed("a chunk does not end where it says");
      return end_chunk();
    case Place::trailer:
      return take_trailing_field();
    case Place::octets:
      break;
  }
  CHECK(false);
  return std::nullopt;
}

std::optional<ChunkFailure> AwsChunkedDecoder::take_chunk_head() {
  const std::string_view line = line_;
  const std::string_view size = line.substr(0, line.find(';'));
  const auto [end, error] =
      std::from_chars(size.data(), size.data() + size.size(), octets_left_, 16);
  if (error != std::errc() || end != size.data() + size.size()) {
    return malformed("a bad chunk size");
  }
  const std::string_view extension = line.substr(size.size());
  const bool is_signed = extension.starts_with(kSignature);
  chunk_signature_ = is_signed ? extension.substr(kSignature.size()) : std::string_view();
  is_last_ = octets_left_ == 0;
  if (!is_last_) {
    place_ = Place::octets;
    return std::nullopt;
  }
  return end_chunk();  // The last one has no octets, nor a line for their end.
}

std::optional<ChunkFailure> AwsChunkedDecoder::end_chunk() {
  place_ = is_last_ ? Place::trailer : Place::chunk_head;
  if (signatures_.wanted() &&
      !signatures_.accept_chunk(chunk_digest_.take(DigestKind::sha256), chunk_signature_)) {
    return ChunkFailure{ChunkError::mismatch, "a chunk's signature does not match"};
  }
  return std::nullopt;
}

// Behind the last chunk: nothing but an empty line, or fields, the last of which may sign the
// others. AWS's example has empty lines between them as well.
std::optional<ChunkFailure> AwsChunkedDecoder::take_trailing_field() {
  const std::string_view line = line_;
  trailer_bytes_ += line.size() + 1;
  if (trailer_bytes_ > kTrailerBytesMax) return malformed_trailer("the trailer is too long");
  if (line.empty()) return std::nullopt;
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return malformed_trailer("a field without a colon");
  const std::string name = to_lower(trim(line.substr(0, colon)));
  const std::string_view value = trim(line.substr(colon + 1));
  if (name == "x-amz-trailer-signature") {
    if (!trailer_signature_.empty()) return malformed_trailer("two signatures");
    trailer_signature_ = value;
    return std::nullopt;
  }
  canonical_trailer_.append(name).append(1, ':').append(value).append(1, '\n');
  trailers_.add(name, std::string(value));
  return std::nullopt;
}

std::optional<ChunkFailure> AwsChunkedDecoder::finish() {
  if (place_ != Place::trailer) return malformed("the body ends before its last chunk");
  if (!line_.empty()) return malformed_trailer("the body ends within a field");
  if (signatures_.wanted() && trailer_is_signed_ &&
      !signatures_.accept_trailer(sha256(canonical_trailer_), trailer_signature_)) {
    return ChunkFailure{ChunkError::mismatch, "the trailer's signature does not match"};
  }
  return std::nullopt;
}

}  // namespace keelson::api

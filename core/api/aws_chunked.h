// Bodies in the encoding "aws-chunked": chunks with a signature each, or unsigned ones, and
// trailing fields with a checksum. Taken apart as they come: a chunk may be as large as the client
// likes and is never held.
//
//   body    = *chunk last [ *( name ":" value CRLF ) ] CRLF
//   chunk   = hex-size [ ";chunk-signature=" hex ] CRLF octets CRLF
//   last    = "0" [ ";chunk-signature=" hex ] CRLF
#pragma once

#include <optional>
#include <string>

#include "core/api/digest.h"
#include "core/api/http.h"
#include "core/api/sigv4.h"

namespace keelson::api {

enum class ChunkError {
  malformed,          // Not in the encoding, or it ends too early.
  malformed_trailer,  // The trailing fields are not.
  mismatch,           // A signature.
};

struct ChunkFailure {
  ChunkError error;
  std::string message;
};

// Each signature covers the one before it, so that chunks can be neither moved nor left out.
class ChunkSignatures {
 public:
  // Takes what it needs of the authentication of the request's head.
  explicit ChunkSignatures(const Authentication& by);

  // Whether there is anything to verify: a signing key, and chunks that are signed.
  bool wanted() const { return !signing_key_.empty(); }

  // The next in the chain: of a chunk, by the SHA-256 of its octets, or of the trailing fields, by
  // that of their canonical form. False: forged. REQUIRES: wanted().
  bool accept_chunk(BytesView sha256, std::string_view signature);
  bool accept_trailer(BytesView sha256, std::string_view signature);

 private:
  bool accept(std::string_view algorithm, const std::string& hashes, std::string_view signature);

  const Bytes signing_key_;
  const std::string date_and_scope_;
  std::string previous_;
};

class AwsChunkedDecoder {
 public:
  // If `by` has a signing key, every chunk and the trailer are verified; without one (an open
  // listener) signatures are passed over.
  explicit AwsChunkedDecoder(const Authentication& by);

  // Takes all of `encoded` and appends the octets of the object to `decoded`: before the signature
  // of their chunk has been verified, as that may be far away. After a failure the decoder is done
  // for, and so is what it gave.
  std::optional<ChunkFailure> put(BytesView encoded, Bytes& decoded);

  // The stream has ended. Only if this fails with nothing was it whole and, where that was wanted,
  // signed.
  std::optional<ChunkFailure> finish();

  // The trailing fields, names in lower case, without the signature's.
  const HttpHeaders& trailers() const { return trailers_; }

 private:
  enum class Place { chunk_head, octets, chunk_end, trailer };

  std::optional<ChunkFailure> take_line();
  std::optional<ChunkFailure> take_chunk_head();
  std::optional<ChunkFailure> end_chunk();
  std::optional<ChunkFailure> take_trailing_field();

  const bool trailer_is_signed_;
  ChunkSignatures signatures_;
  Digests chunk_digest_{DigestKind::sha256};

  Place place_ = Place::chunk_head;
  std::string line_;                // As much as has come of it.
  std::uint64_t octets_left_ = 0;   // Of this chunk.
  bool is_last_ = false;            // This chunk.
  std::string chunk_signature_;     // What the client says it is.
  HttpHeaders trailers_;
  std::size_t trailer_bytes_ = 0;
  std::string canonical_trailer_;
  std::string trailer_signature_;
};

}  // namespace keelson::api

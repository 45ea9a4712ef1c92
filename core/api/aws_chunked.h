// Bodies in the encoding "aws-chunked": chunks with a signature each, or unsigned ones, and
// trailing fields with a checksum.
//
//   body    = *chunk last [ *( name ":" value CRLF ) ] CRLF
//   chunk   = hex-size [ ";chunk-signature=" hex ] CRLF octets CRLF
//   last    = "0" [ ";chunk-signature=" hex ] CRLF
#pragma once

#include "core/api/http.h"
#include "core/api/sigv4.h"
#include "core/base/result.h"

namespace keelson::api {

struct DecodedBody {
  Bytes body;
  HttpHeaders trailers;
};

enum class ChunkError { malformed, mismatch };

struct ChunkFailure {
  ChunkError error;
  std::string message;
};

// Decodes `encoded` and, if it is signed and `authentication` has a signing key, verifies each
// chunk and the trailer. Without a signing key (an open listener) signatures are passed over.
std::variant<DecodedBody, ChunkFailure> decode_aws_chunked(BytesView encoded,
                                                           const Authentication& authentication);

}  // namespace keelson::api

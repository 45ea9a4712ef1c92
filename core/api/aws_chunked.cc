// Tested by tests/core/api/sigv4_test.cc, with the example that AWS has published.
#include "core/api/aws_chunked.h"

#include <algorithm>
#include <charconv>

#include "core/api/digest.h"

namespace keelson::api {

namespace {

constexpr std::string_view kSignature = ";chunk-signature=";
constexpr std::size_t kLineBytesMax = 4096;

// The next line without its end, which is CRLF (LF in trailers, as AWS's own examples have it).
std::optional<std::string_view> take_line(BytesView& rest) {
  const std::size_t end = rest.find('\n');
  if (end == BytesView::npos || end > kLineBytesMax) return std::nullopt;
  std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

ChunkFailure malformed(std::string what) {
  return {ChunkError::malformed, std::move(what)};
}

// Each signature covers the one before it, so that chunks can be neither moved nor left out.
class SignatureChain {
 public:
  explicit SignatureChain(const Authentication& by)
      : by_(by), previous_(by.seed_signature), empty_hash_(to_hex(sha256({}))) {}

  bool wanted() const {
    return !by_.signing_key.empty() && by_.payload != PayloadKind::chunks_unsigned_trailer;
  }

  bool accept_chunk(BytesView octets, std::string_view signature) {
    return accept("AWS4-HMAC-SHA256-PAYLOAD", empty_hash_ + "\n" + to_hex(sha256(octets)),
                  signature);
  }
  bool accept_trailer(BytesView canonical, std::string_view signature) {
    return accept("AWS4-HMAC-SHA256-TRAILER", to_hex(sha256(canonical)), signature);
  }

 private:
  bool accept(std::string_view algorithm, const std::string& hashes, std::string_view signature) {
    const std::string to_sign = std::string(algorithm) + "\n" + by_.amz_date + "\n" + by_.scope +
                                "\n" + previous_ + "\n" + hashes;
    previous_ = to_hex(hmac_sha256(by_.signing_key, to_sign));
    return equal_in_constant_time(previous_, signature);
  }

  const Authentication& by_;
  std::string previous_;
  const std::string empty_hash_;
};

// Behind the last chunk: nothing but an empty line, or fields, the last of which may sign the
// others.
std::optional<ChunkFailure> take_trailers(BytesView& rest, SignatureChain& chain,
                                          bool must_be_signed, HttpHeaders& trailers) {
  std::string canonical;
  std::string_view signature;
  while (!rest.empty()) {
    const auto line = take_line(rest);
    if (!line) return malformed("an unfinished trailing field");
    if (line->empty()) continue;
    const std::size_t colon = line->find(':');
    if (colon == std::string_view::npos) return malformed("a trailing field without a colon");
    const std::string name = to_lower(trim(line->substr(0, colon)));
    const std::string_view value = trim(line->substr(colon + 1));
    if (name == "x-amz-trailer-signature") {
      signature = value;
      continue;
    }
    canonical.append(name).append(1, ':').append(value).append(1, '\n');
    trailers.add(name, std::string(value));
  }
  if (must_be_signed && !chain.accept_trailer(canonical, signature)) {
    return ChunkFailure{ChunkError::mismatch, "the trailer's signature does not match"};
  }
  return std::nullopt;
}

}  // namespace

std::variant<DecodedBody, ChunkFailure> decode_aws_chunked(BytesView encoded,
                                                           const Authentication& authentication) {
  SignatureChain chain(authentication);
  DecodedBody decoded;
  decoded.body.reserve(encoded.size());
  for (BytesView rest = encoded;;) {
    const auto line = take_line(rest);
    if (!line) return malformed("an unfinished chunk head");
    const std::size_t semicolon = std::min(line->find(';'), line->size());
    std::size_t size = 0;
    const auto [end, error] = std::from_chars(line->data(), line->data() + semicolon, size, 16);
    if (error != std::errc() || end != line->data() + semicolon)
      return malformed("a bad chunk size");
    if (size > rest.size()) return malformed("the body ends within a chunk");
    const BytesView octets = rest.substr(0, size);
    if (chain.wanted()) {
      const std::string_view extension = line->substr(semicolon);
      if (!extension.starts_with(kSignature) ||
          !chain.accept_chunk(octets, extension.substr(kSignature.size()))) {
        return ChunkFailure{ChunkError::mismatch, "a chunk's signature does not match"};
      }
    }
    if (size == 0) {
      const bool signed_trailer =
          chain.wanted() && authentication.payload == PayloadKind::chunks_signed_trailer;
      if (auto failure = take_trailers(rest, chain, signed_trailer, decoded.trailers)) {
        return *failure;
      }
      return decoded;
    }
    decoded.body += octets;
    rest.remove_prefix(size);
    if (!rest.starts_with("\r\n")) return malformed("a chunk does not end where it says");
    rest.remove_prefix(2);
  }
}

}  // namespace keelson::api

// AWS Signature Version 4: verifying what clients signed, in the header or in a presigned query,
// and signing as a client does. The signature covers method, path, query, the client's
// SignedHeaders, and a hash of the payload. What S3 clients say of the payload is verified by the
// head alone, before the body is read; that the body is what they said is s3_body.h.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <variant>

#include "core/api/credentials.h"
#include "core/api/http.h"
#include "core/runtime/clock.h"

namespace keelson::api {

enum class AuthError {
  missing,           // Neither header nor query carries a signature.
  ambiguous,         // Both do.
  unsupported,       // Another way of signing than AWS4-HMAC-SHA256.
  malformed,         // Not as it should be.
  no_date,           // Neither X-Amz-Date nor Date is there and valid.
  no_payload_hash,   // x-amz-content-sha256 is missing, or
  bad_payload_hash,  // none of what it may say.
  wrong_scope,       // Another region or service, or a date that differs from the request's.
  unknown_key,
  skewed,            // More than 15 minutes from our clock.
  expired,           // A presigned request whose time is over.
  unsigned_header,   // An x-amz-* header that the signature does not cover.
  mismatch,
};

struct AuthFailure {
  AuthError error;
  std::string message;
};

// What x-amz-content-sha256 says of the body.
enum class PayloadKind {
  whole,  // Its SHA-256.
  unsigned_payload,
  chunks_signed,            // STREAMING-AWS4-HMAC-SHA256-PAYLOAD
  chunks_signed_trailer,    // STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER
  chunks_unsigned_trailer,  // STREAMING-UNSIGNED-PAYLOAD-TRAILER
  unknown,
};

PayloadKind payload_kind(std::string_view declared);

// Who signed, and what is needed to verify the body that follows (s3_body.h).
struct Authentication {
  std::string access_key;  // Empty on an open listener.
  bool presigned = false;
  PayloadKind payload = PayloadKind::unsigned_payload;
  std::string payload_sha256;  // In hex, if `payload` is whole.
  Bytes signing_key;
  std::string amz_date;
  std::string scope;  // "20130524/us-east-1/s3/aws4_request"
  std::string seed_signature;
};

// Of an S3 request that nobody has to have signed: only what it says of its body.
Authentication unauthenticated(const HttpRequest& request);

class SigV4Verifier {
 public:
  struct Options {
    std::string region = "us-east-1";
    std::string service = "s3";
  };

  // The references outlive this object; credentials may change between calls.
  SigV4Verifier(const Credentials& credentials, const Clock& clock, Options options);

  // Verifies the head. For S3 the body is still to be compared with what the head says of it; for
  // every other service the signature covers the body itself. REQUIRES then: it has been read.
  std::variant<Authentication, AuthFailure> verify(const HttpRequest& request);

 private:
  struct Claim;  // What the client says it signed.

  std::variant<Claim, AuthFailure> header_claim(const HttpRequest& request) const;
  std::variant<Claim, AuthFailure> query_claim(const HttpRequest& request) const;
  std::optional<AuthFailure> take_scope(std::string_view credential, Claim& claim) const;
  std::optional<AuthFailure> take_signed_headers(std::string_view list, Claim& claim) const;
  std::optional<AuthFailure> check_time(const Claim& claim) const;
  std::optional<AuthFailure> check_covered(const HttpRequest& request, const Claim& claim) const;
  bool signature_matches(const HttpRequest& request, const Claim& claim, const Bytes& key) const;
  const Bytes& signing_key(const std::string& access_key, const std::string& secret,
                           const std::string& date);

  const Credentials& credentials_;
  const Clock& clock_;
  const Options options_;

  // By access key; a new date or secret replaces the key of the old one.
  struct DerivedKey {
    std::string date;
    std::string secret;
    Bytes key;
  };
  std::map<std::string, DerivedKey> derived_keys_;
};

// --- for clients ---

struct SigV4Signer {
  std::string access_key;
  std::string secret_key;
  std::string region = "us-east-1";
  std::string service = "s3";
};

// Adds X-Amz-Date, X-Amz-Content-Sha256 (of the body, unless it is there already) and
// Authorization, which covers Host and all headers that are there. REQUIRES: Host is set.
void sign_request(HttpRequest& request, const SigV4Signer& signer, std::int64_t wall_ms);

// Appends the signature to the request's target, valid for `seconds`. REQUIRES: Host is set.
void presign_request(HttpRequest& request, const SigV4Signer& signer, std::int64_t wall_ms,
                     int seconds);

// --- for aws_chunked.cc and tests ---

Bytes derive_signing_key(std::string_view secret_key, std::string_view date,
                         std::string_view region, std::string_view service);

}  // namespace keelson::api

// Tested by tests/core/api/sigv4_test.cc, with the signatures that AWS has published.
#include "core/api/sigv4.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "core/api/date.h"
#include "core/api/digest.h"
#include "core/base/check.h"

namespace keelson::api {

namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view kTerminator = "aws4_request";
constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";
constexpr std::int64_t kSkewLimitMs = 15 * 60 * 1000;
constexpr int kPresignedSecondsMax = 7 * 24 * 3600;

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> pieces;
  for (;;) {
    const std::size_t end = text.find(separator);
    pieces.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return pieces;
    text.remove_prefix(end + 1);
  }
}

// Each pair encoded, sorted by name and then value; the presigned signature does not cover itself.
std::optional<std::string> canonical_query(std::string_view query) {
  const auto parameters = parse_query(query, /*plus_is_space=*/false);
  if (!parameters) return std::nullopt;
  std::vector<std::pair<std::string, std::string>> encoded;
  for (const QueryParameter& parameter : *parameters) {
    if (parameter.name == "X-Amz-Signature") continue;
    encoded.emplace_back(percent_encode(parameter.name), percent_encode(parameter.value));
  }
  std::sort(encoded.begin(), encoded.end());
  std::string out;
  for (const auto& [name, value] : encoded) {
    if (!out.empty()) out += '&';
    out.append(name).append(1, '=').append(value);
  }
  return out;
}

// "name:value\n" for each name, values trimmed, runs of blanks made one, several joined by commas.
std::string canonical_headers(const HttpHeaders& headers, const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    out += name;
    out += ':';
    bool first = true;
    for (const auto& field : headers) {
      if (!equal_without_case(field.name, name)) continue;
      if (!first) out += ',';
      first = false;
      bool after_blank = false;
      for (const char c : trim(field.value)) {
        const bool blank = c == ' ' || c == '\t';
        if (!blank || !after_blank) out += blank ? ' ' : c;
        after_blank = blank;
      }
    }
    out += '\n';
  }
  return out;
}

std::string join(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out.append(out.empty() ? 0 : 1, ';').append(name);
  return out;
}

struct Canonical {
  std::string_view method;
  std::string path;
  std::string query;
  std::string headers;
  std::string signed_headers;
  std::string payload_hash;
};

std::string signature_of(const Canonical& canonical, std::string_view amz_date,
                         std::string_view scope, const Bytes& key) {
  std::string request;
  request.append(canonical.method).append(1, '\n');
  request.append(canonical.path).append(1, '\n');
  request.append(canonical.query).append(1, '\n');
  request.append(canonical.headers).append(1, '\n');
  request.append(canonical.signed_headers).append(1, '\n');
  request.append(canonical.payload_hash);
  std::string to_sign(kAlgorithm);
  to_sign.append(1, '\n').append(amz_date).append(1, '\n').append(scope).append(1, '\n');
  to_sign += to_hex(sha256(request));
  return to_hex(hmac_sha256(key, to_sign));
}

// How the path may stand in the canonical request. S3 signs it encoded once, as sent; but some
// clients send fewer escapes than they sign. Other services encode the encoded path again.
std::vector<std::string> canonical_paths(const HttpRequest& request, std::string_view service) {
  if (service != "s3") return {percent_encode(request.raw_path, true), request.raw_path};
  std::vector<std::string> paths = {request.raw_path};
  if (const auto decoded = percent_decode(request.raw_path)) {
    std::string encoded = percent_encode(*decoded, true);
    if (encoded != paths.front()) paths.push_back(std::move(encoded));
  }
  return paths;
}

}  // namespace

struct SigV4Verifier::Claim {
  bool presigned = false;
  std::string access_key;
  std::string date;  // Of the scope: "20130524".
  std::string scope;
  std::string amz_date;
  std::int64_t signed_at_ms = 0;
  int valid_seconds = 0;  // Presigned only.
  std::vector<std::string> signed_headers;
  std::string signature;
  std::string payload_hash;  // As in the canonical request.
};

PayloadKind payload_kind(std::string_view declared) {
  if (declared.empty() || declared == kUnsignedPayload) return PayloadKind::unsigned_payload;
  if (declared == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD") return PayloadKind::chunks_signed;
  if (declared == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER") {
    return PayloadKind::chunks_signed_trailer;
  }
  if (declared == "STREAMING-UNSIGNED-PAYLOAD-TRAILER") return PayloadKind::chunks_unsigned_trailer;
  const bool is_hash =
      declared.size() == 64 && declared.find_first_not_of("0123456789abcdef") == declared.npos;
  return is_hash ? PayloadKind::whole : PayloadKind::unknown;
}

Authentication unauthenticated(const HttpRequest& request) {
  Authentication open;
  const std::string_view declared = request.headers.get("x-amz-content-sha256");
  open.payload = payload_kind(declared);
  if (open.payload == PayloadKind::whole) open.payload_sha256 = declared;
  return open;
}

SigV4Verifier::SigV4Verifier(const Credentials& credentials, const Clock& clock, Options options)
    : credentials_(credentials), clock_(clock), options_(std::move(options)) {}

std::optional<AuthFailure> SigV4Verifier::take_scope(std::string_view credential,
                                                     Claim& claim) const {
  const auto parts = split(credential, '/');
  if (parts.size() != 5 || parts[4] != kTerminator || parts[0].empty() || parts[1].size() != 8) {
    return AuthFailure{AuthError::malformed,
                       "the credential must be ACCESS_KEY/DATE/REGION/SERVICE/aws4_request"};
  }
  if (parts[2] != options_.region) {
    return AuthFailure{
        AuthError::wrong_scope,
        "the region '" + std::string(parts[2]) + "' is wrong; expecting '" + options_.region + "'"};
  }
  if (parts[3] != options_.service) {
    return AuthFailure{AuthError::wrong_scope,
                       "the service is wrong; expecting '" + options_.service + "'"};
  }
  claim.access_key = parts[0];
  claim.date = parts[1];
  claim.scope = credential.substr(parts[0].size() + 1);
  return std::nullopt;
}

std::optional<AuthFailure> SigV4Verifier::take_signed_headers(std::string_view list,
                                                              Claim& claim) const {
  for (const std::string_view name : split(list, ';')) {
    if (name.empty() || name != to_lower(name)) {
      return AuthFailure{AuthError::malformed, "SignedHeaders must be lower-case names"};
    }
    claim.signed_headers.emplace_back(name);
  }
  const auto& names = claim.signed_headers;
  if (std::find(names.begin(), names.end(), "host") == names.end()) {
    return AuthFailure{AuthError::malformed, "SignedHeaders must include host"};
  }
  return std::nullopt;
}

std::variant<SigV4Verifier::Claim, AuthFailure> SigV4Verifier::header_claim(
    const HttpRequest& request) const {
  Claim claim;
  std::string_view rest = request.headers.get("Authorization");
  if (!rest.starts_with(kAlgorithm) || rest.substr(kAlgorithm.size()).find_first_of(" \t") != 0) {
    return AuthFailure{AuthError::unsupported,
                       "The authorization mechanism you have provided is not supported. Please use "
                       "AWS4-HMAC-SHA256."};
  }
  rest.remove_prefix(kAlgorithm.size());
  std::map<std::string_view, std::string_view> parts;
  for (const std::string_view piece : split(rest, ',')) {
    const std::string_view part = trim(piece);
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos ||
        !parts.emplace(part.substr(0, equals), part.substr(equals + 1)).second) {
      return AuthFailure{AuthError::malformed, "the Authorization header is malformed"};
    }
  }
  if (parts.size() != 3 || !parts.contains("Credential") || !parts.contains("SignedHeaders") ||
      !parts.contains("Signature")) {
    return AuthFailure{AuthError::malformed,
                       "the Authorization header needs Credential, SignedHeaders and Signature"};
  }
  if (auto failure = take_scope(parts["Credential"], claim)) return *failure;
  if (auto failure = take_signed_headers(parts["SignedHeaders"], claim)) return *failure;
  claim.signature = parts["Signature"];

  claim.amz_date = request.headers.get("x-amz-date");
  auto signed_at = parse_amz_date(claim.amz_date);
  if (claim.amz_date.empty() && (signed_at = parse_http_date(request.headers.get("Date")))) {
    claim.amz_date = amz_date(*signed_at);
  }
  if (!signed_at) {
    return AuthFailure{AuthError::no_date,
                       "AWS authentication requires a valid Date or x-amz-date header"};
  }
  claim.signed_at_ms = *signed_at;
  claim.payload_hash = request.headers.get("x-amz-content-sha256");
  if (options_.service != "s3") {
    claim.payload_hash = to_hex(sha256(request.body));
  } else if (claim.payload_hash.empty()) {
    return AuthFailure{AuthError::no_payload_hash,
                       "Missing required header for this request: x-amz-content-sha256"};
  }
  return claim;
}

std::variant<SigV4Verifier::Claim, AuthFailure> SigV4Verifier::query_claim(
    const HttpRequest& request) const {
  Claim claim;
  claim.presigned = true;
  const auto parameters = parse_query(request.query, /*plus_is_space=*/false);
  if (!parameters) return AuthFailure{AuthError::malformed, "the query is malformed"};
  std::map<std::string_view, std::string_view> parts;
  for (const QueryParameter& parameter : *parameters) {
    if (!parameter.name.starts_with("X-Amz-")) continue;
    if (!parts.emplace(parameter.name, parameter.value).second) {
      return AuthFailure{AuthError::malformed, parameter.name + " occurs twice"};
    }
  }
  for (const std::string_view name : {"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date",
                                      "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"}) {
    if (!parts.contains(name)) {
      return AuthFailure{AuthError::malformed, std::string(name) + " is missing"};
    }
  }
  if (parts["X-Amz-Algorithm"] != kAlgorithm) {
    return AuthFailure{AuthError::malformed, "X-Amz-Algorithm must be AWS4-HMAC-SHA256"};
  }
  if (auto failure = take_scope(parts["X-Amz-Credential"], claim)) return *failure;
  if (auto failure = take_signed_headers(parts["X-Amz-SignedHeaders"], claim)) return *failure;
  claim.amz_date = parts["X-Amz-Date"];
  const auto signed_at = parse_amz_date(claim.amz_date);
  if (!signed_at) return AuthFailure{AuthError::malformed, "X-Amz-Date is malformed"};
  claim.signed_at_ms = *signed_at;
  const std::string_view expires = parts["X-Amz-Expires"];
  const auto [end, error] =
      std::from_chars(expires.data(), expires.data() + expires.size(), claim.valid_seconds);
  if (error != std::errc() || end != expires.data() + expires.size() || claim.valid_seconds < 1 ||
      claim.valid_seconds > kPresignedSecondsMax) {
    return AuthFailure{AuthError::malformed, "X-Amz-Expires must be 1 to 604800 seconds"};
  }
  claim.signature = parts["X-Amz-Signature"];
  // Where the header was not signed, some clients name the hash among the parameters.
  const std::string* const declared = request.headers.find("x-amz-content-sha256");
  const auto parameter = parts.find("X-Amz-Content-Sha256");
  claim.payload_hash = declared != nullptr          ? std::string_view(*declared)
                       : parameter != parts.end() ? parameter->second
                                                    : kUnsignedPayload;
  return claim;
}

std::optional<AuthFailure> SigV4Verifier::check_time(const Claim& claim) const {
  if (!claim.amz_date.starts_with(claim.date)) {
    return AuthFailure{AuthError::wrong_scope, "the credential's date is not that of the request"};
  }
  const std::int64_t age_ms = clock_.wall_ms() - claim.signed_at_ms;
  if (age_ms < -kSkewLimitMs || (!claim.presigned && age_ms > kSkewLimitMs)) {
    return AuthFailure{
        AuthError::skewed,
        "The difference between the request time and the current time is too large."};
  }
  if (claim.presigned && age_ms > claim.valid_seconds * std::int64_t{1000}) {
    return AuthFailure{AuthError::expired, "Request has expired"};
  }
  return std::nullopt;
}

std::optional<AuthFailure> SigV4Verifier::check_covered(const HttpRequest& request,
                                                        const Claim& claim) const {
  for (const auto& field : request.headers) {
    const std::string name = to_lower(field.name);
    if (!name.starts_with("x-amz-")) continue;
    const auto& names = claim.signed_headers;
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      return AuthFailure{
          AuthError::unsigned_header,
          "There were headers present in the request which were not signed: " + name};
    }
  }
  return std::nullopt;
}

bool SigV4Verifier::signature_matches(const HttpRequest& request, const Claim& claim,
                                      const Bytes& key) const {
  const auto query = canonical_query(request.query);
  if (!query) return false;
  Canonical canonical{request.method,
                      {},
                      *query,
                      canonical_headers(request.headers, claim.signed_headers),
                      join(claim.signed_headers),
                      claim.payload_hash};
  bool matches = false;
  for (std::string& path : canonical_paths(request, options_.service)) {
    canonical.path = std::move(path);
    const std::string expected = signature_of(canonical, claim.amz_date, claim.scope, key);
    matches = matches || equal_in_constant_time(expected, claim.signature);
    if (matches) break;
  }
  return matches;
}

const Bytes& SigV4Verifier::signing_key(const std::string& access_key, const std::string& secret,
                                        const std::string& date) {
  DerivedKey& derived = derived_keys_[access_key];
  if (derived.date != date || derived.secret != secret) {
    derived = {date, secret, derive_signing_key(secret, date, options_.region, options_.service)};
  }
  return derived.key;
}

std::variant<Authentication, AuthFailure> SigV4Verifier::verify(const HttpRequest& request) {
  const bool in_header = request.headers.find("Authorization") != nullptr;
  const bool in_query = request.query.find("X-Amz-Signature") != std::string::npos ||
                        request.query.find("X-Amz-Algorithm") != std::string::npos;
  if (!in_header && !in_query) return AuthFailure{AuthError::missing, "Access Denied."};
  if (in_header && in_query) {
    return AuthFailure{AuthError::ambiguous,
                       "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter "
                       "or the Authorization header should be specified"};
  }
  auto claimed = in_header ? header_claim(request) : query_claim(request);
  if (auto* failure = std::get_if<AuthFailure>(&claimed)) return std::move(*failure);
  const Claim& claim = std::get<Claim>(claimed);
  const PayloadKind payload = payload_kind(claim.payload_hash);
  if (payload == PayloadKind::unknown) {
    return AuthFailure{AuthError::bad_payload_hash,
                       "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, a STREAMING- form, or a "
                       "valid sha256 value."};
  }
  if (auto failure = check_time(claim)) return *failure;
  const std::string* const secret = credentials_.find_secret(claim.access_key);
  if (secret == nullptr) {
    return AuthFailure{AuthError::unknown_key,
                       "The access key you provided does not exist in our records."};
  }
  const Bytes& key = signing_key(claim.access_key, *secret, claim.date);
  if (!signature_matches(request, claim, key)) {
    return AuthFailure{AuthError::mismatch,
                       "The request signature we calculated does not match the signature you "
                       "provided. Check your key and signing method."};
  }
  if (auto failure = check_covered(request, claim)) return *failure;
  return Authentication{.access_key = claim.access_key,
                        .presigned = claim.presigned,
                        .payload = payload,
                        .payload_sha256 =
                            payload == PayloadKind::whole ? claim.payload_hash : std::string(),
                        .signing_key = key,
                        .amz_date = claim.amz_date,
                        .scope = claim.scope,
                        .seed_signature = claim.signature};
}

Bytes derive_signing_key(std::string_view secret_key, std::string_view date,
                         std::string_view region, std::string_view service) {
  const Bytes date_key = hmac_sha256("AWS4" + std::string(secret_key), date);
  return hmac_sha256(hmac_sha256(hmac_sha256(date_key, region), service), kTerminator);
}

namespace {

std::vector<std::string> all_header_names(const HttpHeaders& headers) {
  std::set<std::string> names;
  for (const auto& field : headers) names.insert(to_lower(field.name));
  return {names.begin(), names.end()};
}

std::string scope_of(const SigV4Signer& signer, std::string_view amz_date) {
  return std::string(amz_date.substr(0, 8)) + "/" + signer.region + "/" + signer.service + "/" +
         std::string(kTerminator);
}

std::string client_signature(const HttpRequest& request, const SigV4Signer& signer,
                             const std::vector<std::string>& names, std::string_view amz_date,
                             std::string payload_hash) {
  const auto query = canonical_query(request.query);
  CHECK(query.has_value());
  const Bytes key =
      derive_signing_key(signer.secret_key, amz_date.substr(0, 8), signer.region, signer.service);
  const Canonical canonical{request.method, canonical_paths(request, signer.service).front(),
                            *query,         canonical_headers(request.headers, names),
                            join(names),    std::move(payload_hash)};
  return signature_of(canonical, amz_date, scope_of(signer, amz_date), key);
}

}  // namespace

void sign_request(HttpRequest& request, const SigV4Signer& signer, std::int64_t wall_ms) {
  CHECK(request.headers.find("Host") != nullptr);
  const std::string date = amz_date(wall_ms);
  request.headers.set("X-Amz-Date", date);
  if (request.headers.find("X-Amz-Content-Sha256") == nullptr) {
    request.headers.add("X-Amz-Content-Sha256", to_hex(sha256(request.body)));
  }
  const std::vector<std::string> names = all_header_names(request.headers);
  const std::string signature = client_signature(
      request, signer, names, date, std::string(request.headers.get("X-Amz-Content-Sha256")));
  request.headers.add("Authorization",
                      std::string(kAlgorithm) + " Credential=" + signer.access_key + "/" +
                          scope_of(signer, date) + ", SignedHeaders=" + join(names) +
                          ", Signature=" + signature);
}

void presign_request(HttpRequest& request, const SigV4Signer& signer, std::int64_t wall_ms,
                     int seconds) {
  CHECK(request.headers.find("Host") != nullptr);
  const std::string date = amz_date(wall_ms);
  const std::vector<std::string> names = all_header_names(request.headers);
  std::string target = request.target;
  target += target.find('?') == std::string::npos ? '?' : '&';
  target.append("X-Amz-Algorithm=").append(kAlgorithm);
  target += "&X-Amz-Credential=" + percent_encode(signer.access_key + "/" + scope_of(signer, date));
  target += "&X-Amz-Date=" + date + "&X-Amz-Expires=" + std::to_string(seconds) +
            "&X-Amz-SignedHeaders=" + percent_encode(join(names));
  request.set_target(target);
  const std::string signature =
      client_signature(request, signer, names, date, std::string(kUnsignedPayload));
  request.set_target(target + "&X-Amz-Signature=" + signature);
}

}  // namespace keelson::api

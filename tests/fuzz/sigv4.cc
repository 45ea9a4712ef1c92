// Signatures: lines of a method, a target, and header fields "name:value". Nobody here knows the
// secret, so nothing is ever accepted; and what the secret signs is always accepted.
#include "core/api/date.h"
#include "core/api/sigv4.h"
#include "core/base/check.h"
#include "tests/fuzz/fuzz.h"

namespace keelson::api {
namespace {

class StillClock : public Clock {
 public:
  Instant now() const override { return {}; }
  std::int64_t wall_ms() const override { return 1'369'353'600'000; }  // 20130524T000000Z
};

HttpRequest read_request(std::string_view text) {
  HttpRequest request;
  request.method = take_line(text);
  request.set_target(take_line(text));
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    request.headers.add(std::string(line.substr(0, colon)),
                        std::string(trim(line.substr(colon + 1))));
  }
  return request;
}

bool is_accepted(SigV4Verifier& verifier, const HttpRequest& request) {
  return std::holds_alternative<Authentication>(verifier.verify(request));
}

// A request that a client could send: the fields are as they would be read from the wire.
void check_signer(SigV4Verifier& verifier, const SigV4Signer& signer, HttpRequest request,
                  const StillClock& clock) {
  if (!parse_query(request.query, /*plus_is_space=*/false)) return;
  if (request.target.find('#') != std::string::npos) return;  // Never sent (RFC 9110 §4.2.4).
  HttpHeaders headers;
  for (const auto& [name, value] : request.headers) {
    const bool is_token = !name.empty() && name.find_first_not_of(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == name.npos;
    const bool is_signers = equal_without_case(name, "Authorization") ||
                            to_lower(name).starts_with("x-amz-");
    if (is_token && !is_signers) headers.add(name, value);
  }
  headers.set("Host", "h");
  request.headers = headers;
  if (request.query.find("X-Amz-") != std::string::npos) return;
  HttpRequest presigned = request;
  sign_request(request, signer, clock.wall_ms());
  CHECK(is_accepted(verifier, request));
  presign_request(presigned, signer, clock.wall_ms(), 60);
  CHECK(is_accepted(verifier, presigned));
}

}  // namespace
}  // namespace keelson::api

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keelson::api;
  const StillClock clock;
  Credentials credentials;
  credentials.add("AKIAIOSFODNN7EXAMPLE", "a secret that is in no corpus");
  SigV4Verifier verifier(credentials, clock, {});
  const HttpRequest request =
      read_request({reinterpret_cast<const char*>(data), size});
  CHECK(!is_accepted(verifier, request));
  check_signer(verifier, {"AKIAIOSFODNN7EXAMPLE", "a secret that is in no corpus"}, request, clock);
  return 0;
}

// Tested by tests/core/base/digest_test.cc and tests/core/api/sigv4_test.cc.
#include "core/base/digest.h"

#include <openssl/core.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "core/base/check.h"

namespace keelson {

namespace {

// Left to itself, OpenSSL reads a configuration file of the machine at its first use: what a digest
// is must not depend on that, and a simulated world has no files. Cheap after the first call.
void use_openssl_without_configuration() {
  CHECK(OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr) == 1);
}

// EVP_sha256() names an algorithm that OpenSSL 3 then looks up at each use, which takes longer than
// digesting a small request. Looked up once, it stays for the life of the process.
const EVP_MD* fetched_sha256() {
  use_openssl_without_configuration();
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  CHECK(algorithm != nullptr);
  return algorithm;
}

EVP_MAC* fetched_hmac() {
  use_openssl_without_configuration();
  static EVP_MAC* const algorithm = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  CHECK(algorithm != nullptr);
  return algorithm;
}

const unsigned char* octets(BytesView bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace

Bytes sha256(BytesView bytes) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  CHECK(EVP_Digest(bytes.data(), bytes.size(), out, &size, fetched_sha256(), nullptr) == 1);
  return Bytes(reinterpret_cast<const char*>(out), size);
}

Bytes hmac_sha256(BytesView key, BytesView bytes) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  CHECK(HMAC(fetched_sha256(), key.data(), static_cast<int>(key.size()), octets(bytes),
             bytes.size(), out, &size) != nullptr);
  return Bytes(reinterpret_cast<const char*>(out), size);
}

bool equal_in_constant_time(BytesView a, BytesView b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

struct HmacSha256::Context {
  EVP_MAC_CTX* const context = EVP_MAC_CTX_new(fetched_hmac());
  ~Context() { EVP_MAC_CTX_free(context); }
};

HmacSha256::HmacSha256(BytesView key) : context_(std::make_unique<Context>()) {
  CHECK(context_->context != nullptr);
  char name[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      {"digest", OSSL_PARAM_UTF8_STRING, name, sizeof name - 1, OSSL_PARAM_UNMODIFIED},
      {nullptr, 0, nullptr, 0, 0}};
  CHECK(EVP_MAC_init(context_->context, octets(key), key.size(), parameters) == 1);
}

HmacSha256::~HmacSha256() = default;

std::array<char, 32> HmacSha256::of(std::initializer_list<BytesView> parts) {
  CHECK(EVP_MAC_init(context_->context, nullptr, 0, nullptr) == 1);  // With the same key.
  for (const BytesView part : parts) {
    CHECK(EVP_MAC_update(context_->context, octets(part), part.size()) == 1);
  }
  std::array<char, 32> out;
  std::size_t size = 0;
  CHECK(EVP_MAC_final(context_->context, reinterpret_cast<unsigned char*>(out.data()), &size,
                      out.size()) == 1);
  CHECK(size == out.size());
  return out;
}

}  // namespace keelson

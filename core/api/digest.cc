// Tested by tests/core/api/sigv4_test.cc.
#include "core/api/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <boost/crc.hpp>

#include "core/base/check.h"

namespace keelson::api {

namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Left to itself, OpenSSL reads a configuration file of the machine at its first use: what a digest
// is must not depend on that, and a simulated world has no files. Cheap after the first call.
void use_openssl_without_configuration() {
  CHECK(OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr) == 1);
}

// EVP_md5() names an algorithm that OpenSSL 3 then looks up at each use, which takes longer than
// digesting a small object. Looked up once, it stays for the life of the process.
const EVP_MD* fetched_md5() {
  use_openssl_without_configuration();
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "MD5", nullptr);
  CHECK(algorithm != nullptr);
  return algorithm;
}

Bytes digest(const EVP_MD* algorithm, BytesView bytes) {
  use_openssl_without_configuration();
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  CHECK(EVP_Digest(bytes.data(), bytes.size(), out, &size, algorithm, nullptr) == 1);
  return Bytes(reinterpret_cast<const char*>(out), size);
}

}  // namespace

Bytes sha1(BytesView bytes) {
  return digest(EVP_sha1(), bytes);
}
Bytes md5(BytesView bytes) {
  return Md5().digest(bytes);
}

Md5::Md5() : context_(EVP_MD_CTX_new()) {
  CHECK(context_ != nullptr);
  CHECK(EVP_DigestInit_ex(context_, fetched_md5(), nullptr) == 1);
}
Md5::~Md5() {
  EVP_MD_CTX_free(context_);
}

Bytes Md5::digest(BytesView bytes) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  // Without an algorithm it begins anew with the one it has.
  CHECK(EVP_DigestInit_ex(context_, nullptr, nullptr) == 1);
  CHECK(EVP_DigestUpdate(context_, bytes.data(), bytes.size()) == 1);
  CHECK(EVP_DigestFinal_ex(context_, out, &size) == 1);
  return Bytes(reinterpret_cast<const char*>(out), size);
}

std::uint32_t crc32(BytesView bytes) {
  boost::crc_32_type crc;
  crc.process_bytes(bytes.data(), bytes.size());
  return crc.checksum();
}

std::uint32_t crc32c(BytesView bytes) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
  crc.process_bytes(bytes.data(), bytes.size());
  return crc.checksum();
}

std::string base64_encode(BytesView bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      out += j <= count ? kAlphabet[group >> (18 - 6 * j) & 63] : '=';
    }
  }
  return out;
}

std::optional<Bytes> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  Bytes out;
  out.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const bool last = i + 4 == text.size();
    const std::size_t padding = !last || text[i + 3] != '=' ? 0 : text[i + 2] == '=' ? 2 : 1;
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 4; ++j) {
      const std::size_t value = j < 4 - padding ? kAlphabet.find(text[i + j]) : 0;
      if (value == std::string_view::npos) return std::nullopt;
      group = group << 6 | static_cast<std::uint32_t>(value);
    }
    for (std::size_t j = 0; j < 3 - padding; ++j) {
      out += static_cast<char>(group >> (16 - 8 * j) & 255);
    }
  }
  return out;
}

}  // namespace keelson::api

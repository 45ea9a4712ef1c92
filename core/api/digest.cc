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
const EVP_MD* fetched(DigestKind kind) {
  use_openssl_without_configuration();
  static const EVP_MD* const md5 = EVP_MD_fetch(nullptr, "MD5", nullptr);
  static const EVP_MD* const sha1 = EVP_MD_fetch(nullptr, "SHA1", nullptr);
  static const EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  const EVP_MD* const algorithm = kind == DigestKind::md5 ? md5
                                  : kind == DigestKind::sha1 ? sha1
                                                             : sha256;
  CHECK(algorithm != nullptr);
  return algorithm;
}

}  // namespace

class RunningDigest {
 public:
  virtual ~RunningDigest() = default;
  virtual void put(BytesView octets) = 0;
  // Begins anew.
  virtual Bytes take() = 0;
};

namespace {

class EvpDigest : public RunningDigest {
 public:
  explicit EvpDigest(const EVP_MD* algorithm) : context_(EVP_MD_CTX_new()) {
    CHECK(context_ != nullptr);
    CHECK(EVP_DigestInit_ex(context_, algorithm, nullptr) == 1);
  }
  ~EvpDigest() override { EVP_MD_CTX_free(context_); }

  void put(BytesView octets) override {
    CHECK(EVP_DigestUpdate(context_, octets.data(), octets.size()) == 1);
  }
  Bytes take() override {
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    CHECK(EVP_DigestFinal_ex(context_, out, &size) == 1);
    // Without an algorithm it begins anew with the one it has.
    CHECK(EVP_DigestInit_ex(context_, nullptr, nullptr) == 1);
    return Bytes(reinterpret_cast<const char*>(out), size);
  }

 private:
  EVP_MD_CTX* const context_;
};

template <typename Crc>
class CrcDigest : public RunningDigest {
 public:
  void put(BytesView octets) override { crc_.process_bytes(octets.data(), octets.size()); }
  Bytes take() override {
    const std::uint64_t value = crc_.checksum();
    crc_.reset();
    Bytes big_endian;
    for (std::size_t shift = Crc::bit_count; shift > 0; shift -= 8) {
      big_endian += static_cast<char>(value >> (shift - 8) & 255);
    }
    return big_endian;
  }

 private:
  Crc crc_;
};

using Crc32 = boost::crc_32_type;
using Crc32c = boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true>;
using Crc64Nvme = boost::crc_optimal<64, 0xAD93D23594C93659, 0xFFFFFFFFFFFFFFFF,
                                     0xFFFFFFFFFFFFFFFF, true, true>;

}  // namespace

std::size_t digest_bytes(DigestKind kind) {
  switch (kind) {
    case DigestKind::md5:
      return 16;
    case DigestKind::sha1:
      return 20;
    case DigestKind::sha256:
      return 32;
    case DigestKind::crc32:
    case DigestKind::crc32c:
      return 4;
    case DigestKind::crc64nvme:
      return 8;
  }
  CHECK(false);
  return 0;
}

Digests::Digests(std::initializer_list<DigestKind> kinds) {
  for (const DigestKind kind : kinds) add(kind);
}
Digests::~Digests() = default;

void Digests::add(DigestKind kind) {
  std::unique_ptr<RunningDigest>& running = running_[static_cast<std::size_t>(kind)];
  if (running != nullptr) return;
  switch (kind) {
    case DigestKind::md5:
    case DigestKind::sha1:
    case DigestKind::sha256:
      running = std::make_unique<EvpDigest>(fetched(kind));
      return;
    case DigestKind::crc32:
      running = std::make_unique<CrcDigest<Crc32>>();
      return;
    case DigestKind::crc32c:
      running = std::make_unique<CrcDigest<Crc32c>>();
      return;
    case DigestKind::crc64nvme:
      running = std::make_unique<CrcDigest<Crc64Nvme>>();
      return;
  }
}

bool Digests::has(DigestKind kind) const {
  return running_[static_cast<std::size_t>(kind)] != nullptr;
}

void Digests::put(BytesView octets) {
  for (const auto& running : running_) {
    if (running != nullptr) running->put(octets);
  }
}

Bytes Digests::take(DigestKind kind) {
  CHECK(has(kind));
  Bytes value = running_[static_cast<std::size_t>(kind)]->take();
  CHECK(value.size() == digest_bytes(kind));
  return value;
}

Bytes digest(DigestKind kind, BytesView bytes) {
  Digests one({kind});
  one.put(bytes);
  return one.take(kind);
}
Bytes sha1(BytesView bytes) {
  return digest(DigestKind::sha1, bytes);
}
Bytes md5(BytesView bytes) {
  return digest(DigestKind::md5, bytes);
}

std::uint32_t crc32(BytesView bytes) {
  Crc32 crc;
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

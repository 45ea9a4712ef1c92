// Digests and checksums that the protocols ask for, and base64. Raw octets go in and out; hex is
// to_hex() of core/base/bytes.h.
#pragma once

#include <optional>
#include <string_view>

#include "core/base/digest.h"

struct evp_md_ctx_st;

namespace keelson::api {

using keelson::equal_in_constant_time;
using keelson::hmac_sha256;
using keelson::sha256;

Bytes sha1(BytesView bytes);
Bytes md5(BytesView bytes);

// MD5 of one thing after another, for less than md5() takes of a small one.
class Md5 {
 public:
  Md5();
  ~Md5();
  Md5(const Md5&) = delete;
  Md5& operator=(const Md5&) = delete;

  Bytes digest(BytesView bytes);

 private:
  evp_md_ctx_st* const context_;
};

// CRC-32 of IEEE 802.3 and CRC-32C (Castagnoli).
std::uint32_t crc32(BytesView bytes);
std::uint32_t crc32c(BytesView bytes);

std::string base64_encode(BytesView bytes);
// Nothing unless it is padded base64 with nothing around it.
std::optional<Bytes> base64_decode(std::string_view text);

}  // namespace keelson::api

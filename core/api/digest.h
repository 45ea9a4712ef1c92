// Digests and checksums that the protocols ask for, and base64. Raw octets go in and out; hex is
// to_hex() of core/base/bytes.h.
#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <string_view>

#include "core/base/digest.h"

namespace keelson::api {

using keelson::equal_in_constant_time;
using keelson::hmac_sha256;
using keelson::sha256;

enum class DigestKind {
  md5,
  sha1,
  sha256,
  crc32,      // IEEE 802.3
  crc32c,     // Castagnoli
  crc64nvme,  // Of the NVM Express specification.
};

// The size of a value, in octets.
std::size_t digest_bytes(DigestKind kind);

class RunningDigest;

// Several digests of one run of octets that comes in pieces. CRCs are big-endian, as AWS has them.
class Digests {
 public:
  explicit Digests(std::initializer_list<DigestKind> kinds);
  ~Digests();

  // One more, if it is not there yet, of what is put from now on.
  void add(DigestKind kind);
  bool has(DigestKind kind) const;

  void put(BytesView octets);

  // Of all that was put since the last call for that kind. REQUIRES: has(kind).
  Bytes take(DigestKind kind);

 private:
  std::unique_ptr<RunningDigest> running_[6];  // By kind; null where it was not asked for.
};

// Of one run that is whole.
Bytes digest(DigestKind kind, BytesView bytes);
Bytes sha1(BytesView bytes);
Bytes md5(BytesView bytes);
std::uint32_t crc32(BytesView bytes);

std::string base64_encode(BytesView bytes);
// Nothing unless it is padded base64 with nothing around it.
std::optional<Bytes> base64_decode(std::string_view text);

}  // namespace keelson::api

// SHA-256 and what is made of it. Octets go in and out; hex is to_hex() of bytes.h. The digests
// that single protocols ask for are in core/api/digest.h.
#pragma once

#include <array>
#include <initializer_list>
#include <memory>

#include "core/base/bytes.h"

namespace keelson {

Bytes sha256(BytesView bytes);
Bytes hmac_sha256(BytesView key, BytesView bytes);

// Takes the same time wherever the two differ; lengths are no secret.
bool equal_in_constant_time(BytesView a, BytesView b);

// HMAC-SHA256 with one key many times: the key's own blocks are digested once.
class HmacSha256 {
 public:
  explicit HmacSha256(BytesView key);
  ~HmacSha256();

  // Of the parts, as if they were one.
  std::array<char, 32> of(std::initializer_list<BytesView> parts);

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace keelson

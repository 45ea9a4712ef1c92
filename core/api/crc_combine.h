// The CRC of octets whose pieces' CRCs are known: nothing is read again.
#pragma once

#include <cstdint>
#include <vector>

#include "core/api/digest.h"

namespace keelson::api {

struct CrcOfRun {
  Bytes crc;  // As Digests give it: big-endian.
  std::uint64_t bytes = 0;
};

// Whether the digest of a whole follows from those of its pieces and their lengths.
bool can_combine(DigestKind kind);

// Of all runs, one behind the other. REQUIRES: can_combine(kind), CRCs of that kind.
Bytes combine_crcs(DigestKind kind, const std::vector<CrcOfRun>& runs);

}  // namespace keelson::api

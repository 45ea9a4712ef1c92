// The checksums of objects as S3 names them: headers, trailing fields, and algorithms.
#pragma once

#include <optional>
#include <string_view>

#include "core/api/digest.h"

namespace keelson::api {

struct S3Checksum {
  DigestKind kind = DigestKind::crc32;  // Any but md5.
  Bytes value;
};

// "x-amz-checksum-crc32c". REQUIRES: kind is not md5.
std::string_view checksum_header(DigestKind kind);
// Nothing if there is no such checksum; without regard to case.
std::optional<DigestKind> checksum_of_header(std::string_view name);

// "CRC32C". REQUIRES: kind is not md5.
std::string_view checksum_algorithm(DigestKind kind);
std::optional<DigestKind> checksum_of_algorithm(std::string_view name);

// From base64, if it has the size that it must have.
std::optional<Bytes> parse_digest(DigestKind kind, std::string_view text);

}  // namespace keelson::api

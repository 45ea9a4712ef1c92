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

// How the checksum of an object that was uploaded in parts comes about.
enum class ChecksumType {
  full_object,  // Of all octets.
  composite,    // Of the parts' checksums, one behind the other.
};

// "FULL_OBJECT", "COMPOSITE".
std::string_view checksum_type(ChecksumType type);
std::optional<ChecksumType> checksum_type_of(std::string_view name);

// What an upload in parts is to have.
struct ChecksumChoice {
  DigestKind kind = DigestKind::crc32;  // Any but md5.
  ChecksumType type = ChecksumType::full_object;
};

// From base64, if it has the size that it must have.
std::optional<Bytes> parse_digest(DigestKind kind, std::string_view text);

}  // namespace keelson::api

// Tested by tests/core/api/s3_body_test.cc.
#include "core/api/s3_checksum.h"

#include <array>

#include "core/api/http.h"
#include "core/base/check.h"

namespace keelson::api {

namespace {

struct Named {
  DigestKind kind;
  std::string_view header;
  std::string_view algorithm;
};

constexpr std::array<Named, 5> kChecksums = {
    {{DigestKind::crc32, "x-amz-checksum-crc32", "CRC32"},
     {DigestKind::crc32c, "x-amz-checksum-crc32c", "CRC32C"},
     {DigestKind::crc64nvme, "x-amz-checksum-crc64nvme", "CRC64NVME"},
     {DigestKind::sha1, "x-amz-checksum-sha1", "SHA1"},
     {DigestKind::sha256, "x-amz-checksum-sha256", "SHA256"}}};

const Named& named(DigestKind kind) {
  const Named* found = nullptr;
  for (const Named& one : kChecksums) {
    if (one.kind == kind) found = &one;
  }
  CHECK(found != nullptr);
  return *found;
}

}  // namespace

std::string_view checksum_header(DigestKind kind) {
  return named(kind).header;
}

std::string_view checksum_algorithm(DigestKind kind) {
  return named(kind).algorithm;
}

std::optional<DigestKind> checksum_of_header(std::string_view name) {
  for (const Named& one : kChecksums) {
    if (equal_without_case(one.header, name)) return one.kind;
  }
  return std::nullopt;
}

std::optional<DigestKind> checksum_of_algorithm(std::string_view name) {
  for (const Named& one : kChecksums) {
    if (one.algorithm == name) return one.kind;
  }
  return std::nullopt;
}

std::string_view checksum_type(ChecksumType type) {
  return type == ChecksumType::full_object ? "FULL_OBJECT" : "COMPOSITE";
}

std::optional<ChecksumType> checksum_type_of(std::string_view name) {
  for (const ChecksumType type : {ChecksumType::full_object, ChecksumType::composite}) {
    if (name == checksum_type(type)) return type;
  }
  return std::nullopt;
}

std::optional<Bytes> parse_digest(DigestKind kind, std::string_view text) {
  auto value = base64_decode(text);
  if (value && value->size() != digest_bytes(kind)) return std::nullopt;
  return value;
}

}  // namespace keelson::api

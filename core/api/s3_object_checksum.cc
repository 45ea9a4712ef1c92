// Tested by tests/core/api/s3_multipart_checksum_test.cc.
#include "core/api/s3_object_checksum.h"

#include <utility>

#include "core/api/crc_combine.h"
#include "core/base/check.h"

namespace keelson::api {

namespace {

constexpr std::string_view kAlgorithmHeader = "x-amz-checksum-algorithm";
constexpr std::string_view kTypeHeader = "x-amz-checksum-type";

S3Refusal invalid_request(std::string message) {
  return {s3_error::invalid_request, std::move(message)};
}

// The value of a composite one ends with the number of the parts; base64 has no "-".
ChecksumType type_of(std::string_view value) {
  return value.find('-') == std::string_view::npos ? ChecksumType::full_object
                                                   : ChecksumType::composite;
}

// Of an upload that asks for an algorithm only.
ChecksumType usual_type(DigestKind kind) {
  return kind == DigestKind::crc64nvme ? ChecksumType::full_object : ChecksumType::composite;
}

std::string_view without_count(std::string_view value) {
  return value.substr(0, value.find('-'));
}

// The part's, or nullptr.
const std::string* find_checksum(const Fields& checksums, DigestKind kind) {
  for (const auto& [name, value] : checksums) {
    if (name == checksum_header(kind)) return &value;
  }
  return nullptr;
}

}  // namespace

std::string checksum_element(std::string_view header) {
  const auto kind = checksum_of_header(header);
  CHECK(kind.has_value());
  return "Checksum" + std::string(checksum_algorithm(*kind));
}

void set_checksums(ObjectRecord& record, Fields checksums) {
  CHECK(checksums.size() <= 1);
  record.checksums = std::move(checksums);
  record.head.checksum_algorithm.clear();
  record.head.checksum_type.clear();
  for (const auto& [name, value] : record.checksums) {
    const auto kind = checksum_of_header(name);
    CHECK(kind.has_value());
    record.head.checksum_algorithm = checksum_algorithm(*kind);
    record.head.checksum_type = checksum_type(type_of(value));
  }
}

void add_checksums(const Fields& checksums, HttpHeaders& headers) {
  for (const auto& [name, value] : checksums) {
    headers.set(name, value);
    headers.set(std::string(kTypeHeader), std::string(checksum_type(type_of(value))));
  }
}

void add_checksums(const Fields& checksums, XmlWriter& xml) {
  for (const auto& [name, value] : checksums) {
    xml.add(checksum_element(name), value);
    xml.add("ChecksumType", checksum_type(type_of(value)));
  }
}

S3Result<std::optional<DigestKind>> asked_algorithm(const HttpHeaders& headers) {
  const std::string* const name = headers.find(kAlgorithmHeader);
  if (name == nullptr) return std::optional<DigestKind>();
  const auto kind = checksum_of_algorithm(*name);
  if (!kind) {
    return invalid_request(
        "Checksum algorithm provided is unsupported. Please try again with any of the valid "
        "types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]");
  }
  return kind;
}

S3Result<std::optional<ChecksumChoice>> asked_checksum(const HttpHeaders& headers) {
  TRY(const auto kind, asked_algorithm(headers));
  const std::string* const type = headers.find(kTypeHeader);
  if (!kind && type != nullptr) {
    return invalid_request(
        "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm "
        "header.");
  }
  if (!kind) return std::optional<ChecksumChoice>();
  ChecksumChoice choice{*kind, usual_type(*kind)};
  if (type != nullptr) {
    const auto asked = checksum_type_of(*type);
    if (!asked) return invalid_request("Value for x-amz-checksum-type header is invalid.");
    choice.type = *asked;
  }
  const bool fits = choice.type == ChecksumType::full_object ? can_combine(choice.kind)
                                                             : choice.kind != DigestKind::crc64nvme;
  if (fits) return std::optional(choice);
  return invalid_request("The " + std::string(checksum_type(choice.type)) +
                         " checksum type cannot be used with the " +
                         to_lower(checksum_algorithm(choice.kind)) + " checksum algorithm.");
}

void set_checksum(UploadRecord& record, const ChecksumChoice& choice) {
  record.checksum_algorithm = checksum_algorithm(choice.kind);
  record.checksum_type = checksum_type(choice.type);
}

std::optional<ChecksumChoice> checksum_of(const UploadRecord& record) {
  const auto kind = checksum_of_algorithm(record.checksum_algorithm);
  if (!kind) return std::nullopt;
  return ChecksumChoice{*kind, checksum_type_of(record.checksum_type).value_or(usual_type(*kind))};
}

S3Result<Fields> combined_checksum(const ChecksumChoice& choice,
                                   const std::vector<PartRecord>& parts) {
  std::vector<CrcOfRun> runs;
  Bytes all;
  for (const PartRecord& part : parts) {
    const std::string* const text = find_checksum(part.checksums, choice.kind);
    const auto value = text == nullptr ? std::nullopt : parse_digest(choice.kind, *text);
    if (!value) return S3Refusal{s3_error::invalid_part};
    if (choice.type == ChecksumType::composite) {
      all += *value;
    } else {
      runs.push_back({*value, part.size});
    }
  }
  const std::string name(checksum_header(choice.kind));
  if (choice.type == ChecksumType::full_object) {
    return Fields{{name, base64_encode(combine_crcs(choice.kind, runs))}};
  }
  return Fields{{name, base64_encode(digest(choice.kind, all)) + '-' +
                           std::to_string(parts.size())}};
}

S3Result<void> check_claims(const HttpHeaders& headers, const std::optional<ChecksumChoice>& choice,
                            const Fields& checksums) {
  const std::string* const type = headers.find(kTypeHeader);
  if (type != nullptr && !checksum_type_of(*type)) {
    return invalid_request("Value for x-amz-checksum-type header is invalid.");
  }
  if (type != nullptr && (!choice || *type != checksum_type(choice->type))) {
    return S3Refusal{s3_error::bad_digest,
                     "The x-amz-checksum-type you specified is not that of the upload."};
  }
  for (const auto& [header, claimed] : headers) {
    const auto kind = checksum_of_header(header);
    if (!kind) continue;
    if (!choice || *kind != choice->kind) {
      return invalid_request("Checksum Type mismatch occurred, expected checksum Type: " +
                             (choice ? to_lower(checksum_algorithm(choice->kind)) : "null") +
                             ", actual checksum Type: " + to_lower(checksum_algorithm(*kind)));
    }
    const std::string* const actual = find_checksum(checksums, *kind);
    CHECK(actual != nullptr);
    // Clients give a composite one with or without the number of the parts.
    if (claimed == *actual || claimed == without_count(*actual)) continue;
    return S3Refusal{s3_error::bad_digest, "The " + std::string(checksum_algorithm(*kind)) +
                                               " you specified did not match the calculated "
                                               "checksum."};
  }
  return {};
}

}  // namespace keelson::api

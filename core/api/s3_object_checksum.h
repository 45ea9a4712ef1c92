// The checksum that an object has, and how it comes from those of its parts ("Checking object
// integrity in Amazon S3" of the user guide).
#pragma once

#include <optional>
#include <vector>

#include "core/api/s3_checksum.h"
#include "core/api/s3_error.h"
#include "core/api/s3_records.h"
#include "core/api/xml.h"

namespace keelson::api {

// "ChecksumCRC32" of "x-amz-checksum-crc32".
std::string checksum_element(std::string_view header);

// The checksums that an object has from now on.
void set_checksums(ObjectRecord& record, Fields checksums);

// As an answer says it of an object: x-amz-checksum-crc32 and x-amz-checksum-type, or their
// elements. Nothing if there is no checksum.
void add_checksums(const Fields& checksums, HttpHeaders& headers);
void add_checksums(const Fields& checksums, XmlWriter& xml);

// --- of uploads in parts ---

// What x-amz-checksum-algorithm asks for. Errors: InvalidRequest.
S3Result<std::optional<DigestKind>> asked_algorithm(const HttpHeaders& headers);

// What CreateMultipartUpload asks for. Errors: InvalidRequest, of an algorithm or a type that is
// none, or that do not go together: a SHA of all octets does not follow from those of the parts.
S3Result<std::optional<ChecksumChoice>> asked_checksum(const HttpHeaders& headers);

// The same, as the upload's record has it.
void set_checksum(UploadRecord& record, const ChecksumChoice& choice);
std::optional<ChecksumChoice> checksum_of(const UploadRecord& record);

// Of the object that the parts make. Errors: InvalidPart, if one does not have the checksum.
S3Result<Fields> combined_checksum(const ChecksumChoice& choice,
                                   const std::vector<PartRecord>& parts);

// What CompleteMultipartUpload says of the object in its head, against what is so. Errors:
// BadDigest; InvalidRequest, of a checksum that the object does not have.
S3Result<void> check_claims(const HttpHeaders& headers, const std::optional<ChecksumChoice>& choice,
                            const Fields& checksums);

}  // namespace keelson::api

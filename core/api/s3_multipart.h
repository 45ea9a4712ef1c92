// Uploads in parts: CreateMultipartUpload, UploadPart, CompleteMultipartUpload,
// AbortMultipartUpload.
//
// A part is a blob and a record that refers to it. Completing an upload is one step: the object
// refers to the blobs of the parts that were asked for, and the upload is over. It is remembered
// for a while, so that whoever did not hear the answer may ask again.
#pragma once

#include <vector>

#include "core/api/s3_call.h"
#include "core/api/s3_objects.h"

namespace keelson::api {

struct FoundUpload {
  UploadRecord record;
  std::uint64_t version = 0;
  Bytes id;
};

class S3Multipart {
 public:
  // What `context` refers to outlives this object.
  explicit S3Multipart(const S3Context& context) : context_(context) {}

  // All suspend. Errors of the store apart: NoSuchBucket, and, but for the first, NoSuchUpload.
  S3Result<HttpResponse> create(const S3Call& call);
  S3Result<HttpResponse> upload_part(const S3Call& call, S3BodySource& body);
  S3Result<HttpResponse> complete(const S3Call& call);
  S3Result<HttpResponse> abort(const S3Call& call);

 private:
  struct AskedPart {
    std::uint32_t number = 0;
    std::string etag;  // Without quotation marks.
    Fields checksums;  // "ChecksumCRC32", base64.
  };

  static S3Result<std::vector<AskedPart>> parse_parts(BytesView xml);
  static bool is_as_asked(const PartRecord& part, const AskedPart& asked);
  static S3Result<void> check_vouched(const ChecksumChoice& choice,
                                      const std::vector<AskedPart>& asked);
  S3Result<ObjectRecord> make_object(const S3Call& call, FoundUpload upload,
                                     const std::vector<PartRecord>& parts) const;
  S3Result<std::vector<PartRecord>> find_parts(const S3Call& call, BytesView upload,
                                               const std::vector<AskedPart>& asked);
  S3Result<bool> try_to_complete(const S3Call& call, BytesView upload,
                                 const std::vector<AskedPart>& asked, CompletedRecord& done);
  HttpResponse completed(const S3Call& call, const CompletedRecord& done) const;

  S3Context context_;
};

// --- for the listings of uploads and parts, and for copies ---

// The open upload that the request's uploadId names. Errors: NoSuchBucket, NoSuchUpload.
S3Result<FoundUpload> find_upload(const S3Context& context, const S3Call& call);

// Errors: InvalidArgument.
S3Result<std::uint32_t> part_number_of(const S3Request& request);

// Stores the source as a part of the upload.
S3Result<PartRecord> store_part(const S3Context& context, const S3Call& call,
                                const FoundUpload& upload, S3BodySource& source);

}  // namespace keelson::api

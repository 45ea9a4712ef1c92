// The operations on one object: PutObject, GetObject, HeadObject, DeleteObject.
#pragma once

#include <optional>

#include "core/api/s3_blobs.h"
#include "core/api/s3_call.h"
#include "core/api/s3_checksum.h"

namespace keelson::api {

// A body of a request on its way into the store.
class S3BodySource : public S3Source {
 public:
  // Says that it is a part of an upload that has checksums. Errors: InvalidRequest, if it comes
  // with another one, or without one that only the client can vouch for. REQUIRES: nothing has
  // been read.
  virtual S3Result<void> expect_checksum(const ChecksumChoice& choice) = 0;

  // Both REQUIRE that the end has been read.
  virtual Bytes md5() const = 0;
  // "x-amz-checksum-crc32", base64: the one that came along or was expected, if any.
  virtual Fields checksums() const = 0;
};

class S3Objects {
 public:
  // What `context` refers to outlives this object.
  explicit S3Objects(const S3Context& context) : context_(context) {}

  // All suspend, but for `body`, which they read, only on the store.
  S3Result<HttpResponse> put(const S3Call& call, S3BodySource& body);
  // Of HEAD as well. A large body comes as HttpResponse::source.
  S3Result<HttpResponse> get(const S3Call& call);
  S3Result<HttpResponse> remove(const S3Call& call);

 private:
  S3Context context_;
};

// --- for s3_multipart.cc and s3_copy.cc ---

// What If-Match and If-None-Match on a write come to, in the log.
struct WriteCondition {
  std::optional<kv::Condition> condition;
  bool was_read_first = false;  // The log knows versions, not ETags.
};
// Looks at the object if it must. Errors: PreconditionFailed, NoSuchBucket, NoSuchKey; those of the
// store.
S3Result<WriteCondition> write_condition(const S3Context& context, const S3Call& call);

// Puts the record in the place of the object, in one step with what `batch` has besides: it comes
// behind the bucket's and the object's own conditions. Errors: NoSuchBucket, PreconditionFailed,
// ConditionalRequestConflict; those of the store. Gives the number of the failed condition among
// those of `batch`, if it was one of them.
S3Result<std::optional<std::size_t>> commit_object(const S3Context& context, const S3Call& call,
                                                   const WriteCondition& condition,
                                                   const ObjectRecord& record, kv::Batch batch);

// The same, with the body that was stored: the record says where it is. True if the collector was
// faster.
S3Result<bool> commit_body(const S3Context& context, const S3Call& call,
                           const WriteCondition& condition, ObjectRecord& record, StoredBody body);

// The headers that are kept with an object and sent back with it. Errors: MetadataTooLarge.
S3Result<HttpHeaders> kept_headers(const HttpHeaders& sent);

}  // namespace keelson::api

// CopyObject and UploadPartCopy: bodies that are in the store already. Octets are copied, not
// shared: every blob has one owner. The source is read at one moment and the copy committed at a
// later one; what was read is what is written, whatever becomes of the source meanwhile.
#pragma once

#include "core/api/s3_call.h"

namespace keelson::api {

class S3Copies {
 public:
  // What `context` refers to outlives this object.
  explicit S3Copies(const S3Context& context) : context_(context) {}

  // Both suspend. Errors of the store and of objects_.put() apart: NoSuchBucket and NoSuchKey also
  // of the source; PreconditionFailed, if a condition on it does not hold; InvalidArgument,
  // InvalidRequest.
  S3Result<HttpResponse> copy_object(const S3Call& call);
  S3Result<HttpResponse> copy_part(const S3Call& call);

 private:
  S3Context context_;
};

}  // namespace keelson::api

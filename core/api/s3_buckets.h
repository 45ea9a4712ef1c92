// The operations on buckets: ListBuckets, CreateBucket, HeadBucket, DeleteBucket, and what is asked
// of a bucket's configuration. Its ACL is s3_acls.h, its tags are s3_tags.h.
#pragma once

#include <functional>

#include "core/api/s3_call.h"

namespace keelson::api {

class S3Buckets {
 public:
  // What `context` refers to outlives this object.
  explicit S3Buckets(const S3Context& context) : context_(context) {}

  // All may suspend, on the store only.
  S3Result<HttpResponse> list(const S3Call& call);
  S3Result<HttpResponse> create(const S3Call& call);
  S3Result<HttpResponse> head(const S3Call& call);
  // Only of an empty bucket; the log decides. Uploads that are under way end with it.
  S3Result<HttpResponse> remove(const S3Call& call);
  S3Result<HttpResponse> get_location(const S3Call& call);
  // GET of a sub-resource that no bucket here has or can have: the API reference's answer for a
  // bucket on which nobody has set it.
  S3Result<HttpResponse> get_unset(const S3Call& call);

 private:
  S3Context context_;
};

// Reads a bucket's record, changes it, and writes it back unless it was written in between; then
// again, a few times. Errors: NoSuchBucket, InvalidBucketName, OperationAborted; those of the
// store.
S3Result<void> change_bucket(const S3Context& context, const S3Call& call,
                             const std::function<void(BucketRecord&)>& change);

}  // namespace keelson::api

// Listings: of objects (ListObjectsV2, ListObjects, ListObjectVersions), of uploads and of parts.
//
// The rows of a page are of one moment, at which the bucket was there. They are read first, then
// the bucket: objects are only in a bucket that is there, and one that was created since was empty
// when it was, as the page then is. Names are in the order of their octets, which for UTF-8 is that
// of its characters. Where a page ends is told by a name, so that any node gives the next one.
#pragma once

#include "core/api/s3_call.h"

namespace keelson::api {

class S3Listing {
 public:
  // What `context` refers to outlives this object.
  explicit S3Listing(const S3Context& context) : context_(context) {}

  // All suspend, on the store only. Errors of the store apart: NoSuchBucket, InvalidBucketName,
  // InvalidArgument; of parts(), NoSuchUpload.
  S3Result<HttpResponse> objects_v2(const S3Call& call);
  S3Result<HttpResponse> objects_v1(const S3Call& call);
  S3Result<HttpResponse> versions(const S3Call& call);
  S3Result<HttpResponse> uploads(const S3Call& call);
  S3Result<HttpResponse> parts(const S3Call& call);

 private:
  S3Context context_;
};

}  // namespace keelson::api

// Tags of buckets and objects.
#pragma once

#include "core/api/s3_call.h"

namespace keelson::api {

class S3Tags {
 public:
  // What `context` refers to outlives this object.
  explicit S3Tags(const S3Context& context) : context_(context) {}

  // All suspend, on the store only. Errors of the store apart: NoSuchBucket, InvalidBucketName; of
  // an object NoSuchKey, of a bucket NoSuchTagSet; of put, MalformedXML, InvalidTag, BadRequest; of
  // changes, OperationAborted.
  S3Result<HttpResponse> get_of_bucket(const S3Call& call);
  S3Result<HttpResponse> put_of_bucket(const S3Call& call);
  S3Result<HttpResponse> remove_of_bucket(const S3Call& call);
  S3Result<HttpResponse> get_of_object(const S3Call& call);
  S3Result<HttpResponse> put_of_object(const S3Call& call);
  S3Result<HttpResponse> remove_of_object(const S3Call& call);

 private:
  // Reads an object's record, changes its tags, and writes it back unless it was written in
  // between; then again, a few times.
  S3Result<void> change_object(const S3Call& call, const Fields& tags);

  S3Context context_;
};

// The tags that x-amz-tagging gives a new object; none if it is not there. Errors: InvalidArgument,
// InvalidTag, BadRequest.
S3Result<Fields> tags_of_header(const HttpHeaders& headers);

// The tags of a copy, as x-amz-tagging-directive says: its source's, or those of x-amz-tagging.
// Errors: as of tags_of_header().
S3Result<Fields> tags_of_copy(const HttpHeaders& headers, const Fields& of_source);

}  // namespace keelson::api

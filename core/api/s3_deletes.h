// DeleteObjects: up to a thousand objects of a bucket in one step.
#pragma once

#include "core/api/s3_call.h"

namespace keelson::api {

// May suspend, on the store only. A key that no object may have is an <Error> of the answer; the
// others are deleted all the same, in one batch. Errors of the store apart: InvalidRequest (no
// digest of the body), MalformedXML, NoSuchBucket, InvalidBucketName, NotImplemented.
S3Result<HttpResponse> delete_objects(const S3Context& context, const S3Call& call);

}  // namespace keelson::api

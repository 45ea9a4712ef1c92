// Who may do what. There is one account; besides it there is everyone, who may read a bucket and
// what is in it if its ACL is public-read, and nothing otherwise.
#pragma once

#include <optional>

#include "core/api/s3_call.h"

namespace keelson::api {

// The two ACLs there are, by their names in x-amz-acl.
enum class CannedAcl { private_, public_read };

// What x-amz-acl says of a bucket; nothing if it is not there. Errors: NotImplemented.
S3Result<std::optional<CannedAcl>> canned_acl(const HttpHeaders& headers);

class S3Acls {
 public:
  // What `context` refers to outlives this object.
  explicit S3Acls(const S3Context& context) : context_(context) {}

  // All suspend, on the store only.
  S3Result<HttpResponse> get_of_bucket(const S3Call& call);
  S3Result<HttpResponse> put_of_bucket(const S3Call& call);
  S3Result<HttpResponse> get_of_object(const S3Call& call);

 private:
  S3Context context_;
};

// Whether the operation is among those that public-read allows to everyone.
bool is_public_read(S3Operation operation);

}  // namespace keelson::api

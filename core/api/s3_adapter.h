// The S3 protocol over the store: CreateBucket, HeadBucket, PutObject, GetObject, HeadObject and
// DeleteObject, path style and virtual-host style, for objects up to 1 MiB. Everything else is 501
// and changes nothing.
//
// Conditions on writes are decided in the log (kv::Condition), never here beforehand. A write whose
// outcome is not known says so: 503 with "x-keelson-outcome: unknown"; one that surely did not
// happen has "x-keelson-outcome: not_applied". How things lie in the store is s3_records.h.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/api/credentials.h"
#include "core/api/digest.h"
#include "core/api/http.h"
#include "core/api/request_id.h"
#include "core/api/s3_records.h"
#include "core/api/s3_request.h"
#include "core/api/sigv4.h"
#include "core/kv/store.h"
#include "core/runtime/random.h"

namespace keelson::api {

struct S3Options {
  std::string region = "us-east-1";
  std::vector<std::string> domains;  // For virtual-host style: "s3.example.com".
};

class S3Adapter : public HttpHandler {
 public:
  static constexpr std::size_t kObjectBytesMax = 1024 * 1024;

  // Without `credentials` everyone may do everything. The references outlive this object.
  S3Adapter(const Clock& clock, RandomSource& random, kv::Store& store,
            const Credentials* credentials, S3Options options);

  HttpResponse handle(const HttpRequest& request, Deadline deadline) override;
  std::size_t body_limit(const HttpRequest& head) const override;
  HttpResponse refusal(const HttpRequest& head, int status,
                       std::string_view message) const override;

 private:
  struct Call;

  HttpResponse dispatch(Call& call);
  std::optional<S3Refusal> authenticate(Call& call);
  std::optional<S3Refusal> take_body(Call& call) const;

  HttpResponse create_bucket(const Call& call);
  HttpResponse head_bucket(const Call& call);
  HttpResponse put_object(const Call& call);
  HttpResponse read_object(const Call& call);
  HttpResponse delete_object(const Call& call);

  // Adds the conditions that If-Match and If-None-Match make to `batch`; or the answer, if it is
  // clear already.
  std::optional<HttpResponse> add_write_conditions(const Call& call, kv::Batch& batch);
  HttpResponse object_response(const Call& call, ObjectRecord record) const;

  HttpResponse error(const Call& call, const S3Error& error, std::string_view message = {}) const;
  HttpResponse store_error(const Call& call, const Error& error, bool is_write) const;

  const Clock& clock_;
  kv::Store& store_;
  const S3Options options_;
  std::optional<SigV4Verifier> verifier_;
  RandomSource& random_;
  mutable RequestIds ids_;
  Md5 md5_;
};

}  // namespace keelson::api

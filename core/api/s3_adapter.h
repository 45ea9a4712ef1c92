// The S3 protocol over the store, path style and virtual-host style. START HERE for S3: a request
// is taken apart (s3_request.h), its signature verified (sigv4.h), and the operation carried out:
// s3_buckets.h, s3_objects.h, …; its body is checked while it is read (s3_body.h). What is kept,
// and where, is s3_records.h; large bodies are s3_blobs.h.
//
// Conditions on writes are decided in the log (kv::Condition), never here beforehand. A write whose
// outcome is not known says so: 503 with "x-keelson-outcome: unknown"; one that surely did not
// happen has "x-keelson-outcome: not_applied".
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/api/credentials.h"
#include "core/api/http.h"
#include "core/api/request_id.h"
#include "core/api/s3_acls.h"
#include "core/api/s3_buckets.h"
#include "core/api/s3_call.h"
#include "core/api/s3_copies.h"
#include "core/api/s3_listing.h"
#include "core/api/s3_multipart.h"
#include "core/api/s3_objects.h"
#include "core/api/s3_tags.h"
#include "core/api/sigv4.h"
#include "core/kv/store.h"
#include "core/runtime/random.h"

namespace keelson::api {

class S3Adapter : public HttpHandler {
 public:
  // Without `credentials` everyone may do everything. The references outlive this object.
  S3Adapter(const Clock& clock, Scheduler& scheduler, RandomSource& random, kv::Store& store,
            const Credentials* credentials, S3Options options);

  HttpResponse handle(const HttpRequest& request, Deadline deadline) override;
  // Everything that has a body as a rule, so that what the head alone refuses is not uploaded.
  bool streams_body(const HttpRequest& head) const override;
  std::size_t body_limit(const HttpRequest& head) const override;
  HttpResponse refusal(const HttpRequest& head, int status,
                       std::string_view message) const override;

  // For what works besides requests (s3_collector.h). It refers to parts of this object.
  const S3Context& context() const { return context_; }

 private:
  S3Result<HttpResponse> dispatch(const HttpRequest& sent, const std::string& id,
                                  Deadline deadline);
  // Who signed, or, with an empty access key, nobody had to or did.
  S3Result<Authentication> authenticate(const HttpRequest& http, const S3Request& request);
  S3Result<HttpResponse> carry_out(const S3Call& call, S3BodySource& body);
  // For whoever did not sign: the bucket must be public-read all the while.
  S3Result<HttpResponse> carry_out_for_everyone(const S3Call& call, S3BodySource& body);
  HttpResponse answer(const HttpRequest& http, const std::string& id,
                      const S3Refusal& refusal) const;

  const Clock& clock_;
  const S3Options options_;
  S3Store store_;
  const S3Context context_;
  S3Buckets buckets_;
  S3Acls acls_;
  S3Listing listing_;
  S3Objects objects_;
  S3Tags tags_;
  S3Multipart multipart_;
  S3Copies copies_;
  std::optional<SigV4Verifier> verifier_;
  mutable RequestIds ids_;
};

}  // namespace keelson::api

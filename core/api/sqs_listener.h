// The SQS listener, in both protocols: JSON (X-Amz-Target) and query (form-encoded, XML replies).
// No action is there yet: whoever names one learns so in the words of that protocol, and nothing
// changes. Probes come before it (ProbedHandler).
#pragma once

#include "core/api/http.h"
#include "core/api/request_id.h"

namespace keelson::api {

class SqsListener : public HttpHandler {
 public:
  explicit SqsListener(RandomSource& random) : ids_(random, "sqs/request_id") {}

  HttpResponse handle(const HttpRequest& request, Deadline deadline) override;
  std::size_t body_limit(const HttpRequest&) const override { return 64 * 1024; }
  HttpResponse refusal(const HttpRequest& head, int status,
                       std::string_view message) const override;

 private:
  HttpResponse json_protocol(std::string_view target) const;
  HttpResponse query_protocol(const HttpRequest& request) const;
  HttpResponse json(int status, std::string_view type, std::string_view message) const;
  HttpResponse xml(int status, std::string_view code, std::string_view message) const;

  mutable RequestIds ids_;
};

}  // namespace keelson::api

// The DynamoDB listener. No operation is there yet: whoever names one learns so in DynamoDB's own
// words, and nothing changes. Probes come before it (ProbedHandler).
#pragma once

#include "core/api/http.h"
#include "core/api/request_id.h"

namespace keelson::api {

class DynamoDbListener : public HttpHandler {
 public:
  explicit DynamoDbListener(RandomSource& random) : ids_(random, "dynamodb/request_id") {}

  HttpResponse handle(const HttpRequest& request, Deadline deadline) override;
  // Requests are at most 16 MB there, but nothing that is answered here needs so much.
  std::size_t body_limit(const HttpRequest&) const override { return 64 * 1024; }
  HttpResponse refusal(const HttpRequest& head, int status,
                       std::string_view message) const override;

 private:
  HttpResponse error(int status, std::string_view type, std::string_view message) const;

  mutable RequestIds ids_;
};

}  // namespace keelson::api

// The admin listener's whole behaviour: which path is answered by what, in this order.
//
//   1. /admin/healthz and below     the probes (core/api/probe.h); what is no probe is 404
//   2. /admin/api/v1/...            the JSON API; what is no endpoint is 404 unknown_endpoint
//   3. /admin/api and below         404
//   4. /admin/assets/...            a file of the console
//   5. /admin and below             the console's page, whatever the path: it routes by itself
//   6. everything else              404
//
// Judged on the percent-decoded path, which must be free of empty, "." and ".." segments (else
// 404). Of the first step, nothing but the exact probes may ever answer 200: a balancer that asks
// for "/admin/healthz/leader/" by mistake must not get the console's page and take it for a yes.
// The probes therefore claim every other spelling of their paths, too, and answer it 404.
#pragma once

#include <string>
#include <string_view>

#include "admin/cluster_view.h"
#include "admin/operator_api.h"
#include "admin/static_bundle.h"
#include "core/api/http.h"
#include "core/api/probe.h"

namespace keelson::admin {

class AdminRouter : public api::HttpHandler {
 public:
  // The arguments outlive the router. Without a console (nullptr) steps 4 and 5 are 404.
  AdminRouter(api::Probes& probes, const ClusterView& cluster, OperatorApi& operators,
              const Clock& clock, const StaticBundle* console);

  api::HttpResponse handle(const api::HttpRequest& request, Deadline deadline) override;
  std::size_t body_limit(const api::HttpRequest& head) const override;
  api::HttpResponse refusal(const api::HttpRequest& head, int status,
                            std::string_view message) const override;

 private:
  // `endpoint` is the path behind "/admin/api/v1/".
  api::HttpResponse handle_api(const api::HttpRequest& request, std::string_view endpoint,
                               Deadline deadline);
  // `path` is all of it, known to be /admin or below.
  api::HttpResponse handle_console(const api::HttpRequest& request, std::string_view path) const;

  api::Probes& probes_;
  const ClusterView& cluster_;
  OperatorApi& operators_;
  const Clock& clock_;
  const StaticBundle* const console_;
};

}  // namespace keelson::admin

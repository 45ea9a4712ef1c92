// Tested by tests/real/operator_test.py.
#include "tools/ctl/admin_client.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>

#include <memory>
#include <span>
#include <utility>

#include "core/api/http_parser.h"

namespace keelson::ctl {

namespace {

// The server itself answers within ten seconds; a piece of a backup may take as long.
constexpr Duration kPatience = std::chrono::seconds(30);
constexpr std::size_t kReadBytes = 256 * 1024;

Error wrong_url(const std::string& url, std::string_view what) {
  return {ErrorCode::invalid_argument, fmt::format("--admin: '{}' {}", url, what)};
}

}  // namespace

Result<AdminAddress> parse_admin_url(const std::string& url) {
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) return wrong_url(url, "is not of the form http://HOST:PORT");
  std::string host = url.substr(kScheme.size());
  host = host.substr(0, host.find('/'));
  const std::size_t colon = host.rfind(':');
  if (colon == std::string::npos) return wrong_url(url, "has no port");
  const std::string name = host.substr(0, colon);
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failed = getaddrinfo(name.c_str(), nullptr, &hints, &found);
  if (failed != 0) {
    return wrong_url(url, fmt::format("names an unknown host: {}", gai_strerror(failed)));
  }
  char text[INET_ADDRSTRLEN];
  const auto* const address = reinterpret_cast<const sockaddr_in*>(found->ai_addr);
  inet_ntop(AF_INET, &address->sin_addr, text, sizeof(text));
  freeaddrinfo(found);
  return AdminAddress{.address = text + host.substr(colon), .host = host};
}

AdminClient::AdminClient(Reactor& reactor, Scheduler& scheduler, AdminAddress address,
                         std::string token)
    : reactor_(reactor), network_(reactor, scheduler), address_(std::move(address)),
      token_(std::move(token)) {}

Result<AdminAnswer> AdminClient::get(const std::string& endpoint) {
  return ask("GET", endpoint, "", nullptr);
}

Result<AdminAnswer> AdminClient::post(const std::string& endpoint, const std::string& body) {
  return ask("POST", endpoint, body, nullptr);
}

Result<AdminAnswer> AdminClient::get_large(const std::string& endpoint,
                                           const std::function<Result<void>(BytesView)>& take) {
  return ask("GET", endpoint, "", &take);
}

bool AdminClient::is_listening() {
  const auto connection =
      network_.connect(address_.address, Deadline::in(reactor_.clock(), std::chrono::seconds(1)));
  return connection.has_value();
}

Result<AdminAnswer> AdminClient::ask(const std::string& method, const std::string& endpoint,
                                     const std::string& body,
                                     const std::function<Result<void>(BytesView)>* take) {
  const auto patience = [this] { return Deadline::in(reactor_.clock(), kPatience); };
  auto connection = network_.connect(address_.address, patience());
  if (!connection) {
    return Error{ErrorCode::unavailable,
                 fmt::format("nobody answers at http://{} ({}): is the node running, and is this "
                             "its admin listener?",
                             address_.host, connection.error().message)};
  }
  api::HttpRequest request;
  request.method = method;
  request.set_target("/admin/api/v1/" + endpoint);
  request.headers.add("Host", address_.host);
  request.headers.add("Connection", "close");
  if (!token_.empty()) request.headers.add("Authorization", "Bearer " + token_);
  if (method == "POST") request.headers.add("Content-Type", "application/json");
  request.body = body;
  std::string octets;
  api::serialize(request, octets);
  TRY((*connection)->write(octets, patience()));

  api::HttpResponseParser parser;
  std::string buffer(kReadBytes, '\0');
  Bytes unused;  // Of what was read: half a line.
  while (!parser.done()) {
    TRY(const std::size_t count, (*connection)->read(std::span(buffer), patience()));
    unused.append(buffer, 0, count);
    for (std::size_t used = 1; used > 0 && !unused.empty() && !parser.done() && !parser.error();) {
      used = parser.put(unused);
      unused.erase(0, used);
    }
    if (count == 0 && !parser.error()) parser.put_end();
    if (parser.error()) {
      return Error{ErrorCode::connection_lost,
                   fmt::format("http://{} broke off its answer", address_.host)};
    }
    if (take != nullptr && parser.response().status == 200) {
      TRY((*take)(std::exchange(parser.response().body, {})));
    }
  }
  return AdminAnswer{parser.response().status, std::move(parser.response().body)};
}

}  // namespace keelson::ctl

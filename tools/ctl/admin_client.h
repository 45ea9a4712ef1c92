// The admin API as keelsonctl asks it: one request a connection, over the production network.
// Called on a fiber.
#pragma once

#include <functional>
#include <string>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "net/reactor.h"
#include "net/socket_network.h"

namespace keelson::ctl {

struct AdminAddress {
  Address address;    // As the network takes it.
  std::string host;   // For the Host field, as the operator wrote it.
};

// Of "http://HOST:PORT". Resolves the host, which may take a while. Errors: invalid_argument.
Result<AdminAddress> parse_admin_url(const std::string& url);

struct AdminAnswer {
  int status = 0;
  std::string body;
};

class AdminClient {
 public:
  // The first two outlive the client; `token` may be empty.
  AdminClient(Reactor& reactor, Scheduler& scheduler, AdminAddress address, std::string token);

  // Errors: unavailable (the node surely has not been asked), timed_out and connection_lost (it may
  // have been).
  Result<AdminAnswer> get(const std::string& endpoint);
  Result<AdminAnswer> post(const std::string& endpoint, const std::string& body);

  // Gives a 200's body to `take` piece by piece; that of another status is in the answer. Errors:
  // as above, and what `take` returns; connection_lost when the body did not come to its end.
  Result<AdminAnswer> get_large(const std::string& endpoint,
                                const std::function<Result<void>(BytesView)>& take);

  // Whether somebody accepts connections there.
  bool is_listening();

 private:
  Result<AdminAnswer> ask(const std::string& method, const std::string& endpoint,
                          const std::string& body,
                          const std::function<Result<void>(BytesView)>* take);

  Reactor& reactor_;
  SocketNetwork network_;
  const AdminAddress address_;
  const std::string token_;
};

}  // namespace keelson::ctl

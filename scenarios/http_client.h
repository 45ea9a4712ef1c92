// A blocking HTTP/1.1 client for fibers of simulated client machines: one connection at a time,
// kept alive from call to call, and bad manners on demand.
//
// What matters to an oracle is the difference between "surely not received" and "may have been":
// only a call whose connection was never made, or on which no byte was accepted, is never_sent.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/runtime/network.h"
#include "core/runtime/scheduler.h"
#include "scenarios/http_response.h"

namespace keelson::scenarios {

struct HttpRequest {
  std::string method = "GET";
  std::string target = "/";
  // Host is added unless it is there; Content-Length when there is a body or the method wants one.
  std::vector<HttpField> headers = {};
  Bytes body = {};
};

// How the client behaves on one call.
struct Manners {
  enum class Kind {
    polite,
    half_request,        // Sends a part, waits, and closes in the middle.
    disconnect,          // Sends a part and resets.
    reset_after_status,  // Resets as soon as the status line is known, as HAProxy's checks do.
    slow_sender,         // Sends a few bytes, waits, and so on.
    slow_reader,         // Reads a few bytes, waits, and so on.
    leave,               // Sends everything and resets without reading.
  };
  Kind kind = Kind::polite;
  std::uint32_t part_per_thousand = 500;  // How much of the request is sent.
  Duration pause{0};                      // Between the pieces, or before closing.
  std::size_t piece_bytes = 16;
};

struct CallResult {
  enum class End {
    answered,    // `response` is whole.
    never_sent,  // The server surely knows nothing of the call.
    unknown,     // It may have received it. `response.status` is set if the head had arrived.
    malformed,   // What came back is not HTTP/1.1: a violation by itself. `why` says what.
  };
  End end = End::unknown;
  HttpResponse response;
  std::string why;             // In words, unless answered.
  bool timed_out = false;      // The deadline ended it.
  bool reused = false;         // The connection had served a call before.
  bool surplus_bytes = false;  // More came than the response (a body after HEAD).
  bool keeps_connection = false;
};

class HttpClient {
 public:
  // The arguments outlive the client.
  HttpClient(Network& network, Scheduler& scheduler, Address server);

  // `on_status` is called on this fiber as soon as the status is known, before the body: the moment
  // at which a load balancer would act.
  using OnStatus = std::function<void(int status)>;
  CallResult call(const HttpRequest& request, Deadline deadline, const Manners& manners = {},
                  const OnStatus& on_status = {});

  // Closes the connection that was kept, if any.
  void close() { connection_.reset(); }
  bool is_connected() const { return connection_ != nullptr; }
  const Address& server() const { return server_; }

 private:
  Result<void> send(BytesView bytes, const Manners& manners, Deadline deadline);
  CallResult receive(const HttpRequest& request, const Manners& manners, Deadline deadline,
                     const OnStatus& on_status);
  Bytes encode(const HttpRequest& request) const;

  Network& network_;
  Scheduler& scheduler_;
  const Address server_;
  std::unique_ptr<Connection> connection_;
  bool connection_was_used_ = false;
};

}  // namespace keelson::scenarios

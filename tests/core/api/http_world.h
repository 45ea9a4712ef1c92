// A server's surroundings in one scheduler, and clients that say and hear octets.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "core/api/http_server.h"
#include "tests/core/api/memory_network.h"

namespace keelson::api {

class HttpWorld : public testing::Test {
 protected:
  // To the server at the address "server".
  std::unique_ptr<Connection> connect() {
    auto connection = network_.connect("server", Deadline::never());
    CHECK(connection.has_value());
    network_.settle();
    return *std::move(connection);
  }

  void send(Connection& client, std::string_view octets) {
    clients_.spawn("client", [&client, octets = std::string(octets)] {
      (void)client.write(octets, Deadline::never());
    });
    network_.settle();
  }

  // What has arrived by now, but little more than `most`; "<end>" follows the end of the stream,
  // "<reset>" a broken one.
  std::string receive(Connection& client, std::size_t most = SIZE_MAX) {
    std::string got;
    clients_.spawn("client", [&] {
      char buffer[64];
      while (got.size() < most) {
        const auto count = client.read(buffer, Deadline{clock_.now()});
        if (!count && count.error().code == ErrorCode::connection_lost) got += "<reset>";
        if (count && *count == 0) got += "<end>";
        if (!count || *count == 0) return;
        got.append(buffer, *count);
      }
    });
    run_until(network_, scheduler_, clock_, clock_.now());
    return got;
  }

  void pass(Duration span) { run_until(network_, scheduler_, clock_, clock_.now() + span); }

  static std::string status_line(const std::string& answer) {
    return answer.substr(0, answer.find('\r'));
  }
  static std::string body_of(const std::string& answer) {
    const std::size_t end = answer.find("\r\n\r\n");
    return end == std::string::npos ? "" : answer.substr(end + 4);
  }

  ManualClock clock_;
  StackPool stacks_;
  Scheduler scheduler_{clock_, stacks_};
  MemoryNetwork network_{scheduler_};
  Metrics metrics_;
  TaskGroup clients_{scheduler_};
};

}  // namespace keelson::api

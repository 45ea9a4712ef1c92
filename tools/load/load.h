// Load: drives servers with so many clients for a while, and measures.
//
// Closed loop: each client asks again as soon as it is answered. Open loop: requests begin at a
// fixed rate whatever the servers do; a client that is late takes the oldest request that is due,
// and its latency counts from when it should have begun, so that a stall hides nothing.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <vector>

#include "tools/load/histogram.h"
#include "tools/load/session.h"
#include "tools/load/workload.h"

namespace keelson::load {

struct Plan {
  SessionKind kind;
  std::vector<std::string> endpoints;
  bool to_leader = true;  // Else over all endpoints in turn.
  std::size_t clients = 16;
  std::size_t connections = 16;  // Clients are spread over them.
  std::uint64_t rate = 0;        // Requests a second; 0 is a closed loop.
  std::int64_t warm_up_ns = 1'000'000'000;
  std::int64_t span_ns = 5'000'000'000;
  std::int64_t timeout_ns = 10'000'000'000;
  Mix mix;
  bool shows_progress = false;
};

struct Figures {
  std::vector<std::string> endpoints;  // Those that were driven.
  std::int64_t span_ns = 0;
  std::uint64_t expected = 0;    // Answers within the span that were as they should be.
  std::uint64_t bytes = 0;       // Of the values that these brought or took.
  std::uint64_t unexpected = 0;  // Of the whole run, warm-up and preparation included.
  Histogram latency;             // Of everything that was expected.
  Histogram put_latency;
  Histogram get_latency;
  std::map<int, std::uint64_t> statuses;  // Of the whole run.
  std::uint64_t connections_lost = 0;
};

class Load final : private SessionOwner {
 public:
  explicit Load(const Plan& plan);

  // Finds the leader if wanted, prepares, warms up, measures. Errors: unavailable (no server, no
  // leader, no bucket), invalid_argument (not an address).
  Result<Figures> run();

 private:
  struct Client {
    std::size_t session = 0;
    bool is_busy = false;
    Act act = Act::put;
    std::int64_t began = 0;  // Or should have begun.
  };
  struct Seat {
    std::unique_ptr<Session> session;
    std::int64_t open_again_at = 0;  // Set while it is lost.
  };
  enum class Phase { prepare, work, drain };

  void on_answer(std::size_t client, int status) override;
  void on_lost(std::size_t session, const std::string& why) override;

  // Until all, or any, of the connections are there.
  Result<void> connect(const std::vector<std::string>& endpoints, std::size_t connections,
                       std::size_t clients, bool all);
  Result<std::string> find_leader();
  Result<void> prepare();
  Result<void> load_keys();
  void work();
  void count_unanswered();

  // One turn of the loop: reconnects, lets clients begin, waits for events until `until` at most.
  void turn(std::int64_t until);
  // Turns until `condition`; false when the timeout came first.
  template <typename Condition>
  bool turn_until(Condition&& condition);
  void begin_idle(std::int64_t now);
  void begin(std::size_t client, const Operation& operation, std::int64_t began);
  bool begin_next(std::size_t client, std::int64_t now);
  bool is_expected(Act act, int status) const;
  void count(const Client& client, int status, std::int64_t now);
  void show_progress(std::int64_t now);

  const Plan plan_;
  EventLoop loop_;
  Workload workload_;
  std::vector<Seat> seats_;
  std::vector<Client> clients_;
  std::vector<std::size_t> idle_;
  std::vector<std::size_t> idle_again_;  // Scratch of begin_idle().
  std::size_t busy_ = 0;
  std::size_t lost_ = 0;  // Sessions that are to be opened again.
  std::string why_lost_;

  Phase phase_ = Phase::prepare;
  std::int64_t measure_from_ = 0;
  std::int64_t measure_to_ = 0;
  std::int64_t next_arrival_ = 0;  // Of the open loop.
  int last_status_ = 0;
  std::uint64_t keys_loaded_ = 0;
  std::int64_t progress_at_ = 0;
  std::uint64_t progress_count_ = 0;
  Figures figures_;
};

}  // namespace keelson::load

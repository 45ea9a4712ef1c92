// TransactionWorkload: clients of transactions, and what they have in common: they take turns on
// whatever node they find, one transaction a turn, until they are stopped; and in the end somebody
// touches every key once more, which succeeds if nothing was left behind. What a transaction does,
// and who judges it, is the derived class's.
//
// Clients live in the processes of nodes (Cluster::spawn_client): one that ends with its process
// does not know what became of its transaction.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/kv/transaction.h"
#include "scenarios/cluster.h"
#include "scenarios/report.h"
#include "sim/choices.h"
#include "sim/world.h"

namespace keelson::scenarios {

struct TransactionClients {
  std::size_t count = 4;
  sim::Duration interval = std::chrono::milliseconds(40);  // Half to one and a half of it.
  sim::Duration patience = std::chrono::milliseconds(1500);
};

class TransactionWorkload {
 public:
  virtual ~TransactionWorkload() = default;

  // Touches every key for the first time, then works until stop().
  void start();
  bool is_set_up() const { return is_set_up_; }
  void stop() { is_stopping_ = true; }
  bool has_stopped() const;

  // Touches every key once more, until that has succeeded: then is_settled().
  void settle();
  bool is_settled() const { return is_settled_; }

  // The last word. REQUIRES: has_stopped().
  virtual void check() = 0;

 protected:
  // References outlive it. `name` begins the names of the clients' streams of choices.
  TransactionWorkload(sim::World& world, Cluster& cluster, const TransactionClients& clients,
                      std::string_view name, Report& report);

  // One transaction over every key; whether it was committed. The first makes them.
  virtual bool touch_all(Env& env, Node& node) = 0;
  // A client's turn.
  virtual void work(Env& env, Node& node, std::size_t client) = 0;
  // However it ended: it may have been killed at any wait.
  virtual void turn_has_ended(std::size_t client) = 0;

  Deadline deadline_in(Env& env) const { return Deadline::in(env.clock, patience_); }
  sim::ChoiceStream& chance(std::size_t client) { return *turns_[client].chance; }

  sim::World& world_;
  Report& report_;

 private:
  struct Turns {
    sim::ChoiceStream* chance = nullptr;
    const sim::Machine* busy_on = nullptr;  // Where the client works,
    std::uint64_t busy_in = 0;              // and in which life of that process.
  };

  bool is_busy(const Turns& turns) const;
  void tick(std::size_t client);
  void take_turn(Env& env, Node& node, std::size_t client);

  Cluster& cluster_;
  const sim::Duration interval_;
  const sim::Duration patience_;
  std::vector<Turns> turns_;  // By client.
  bool is_set_up_ = false;
  bool is_stopping_ = false;
  bool is_settling_ = false;
  bool is_settled_ = false;
};

}  // namespace keelson::scenarios

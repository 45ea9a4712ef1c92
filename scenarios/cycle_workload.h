// The Cycle workload of FoundationDB: keys that form one ring, each naming the next, permuted by
// transactions that read three links and write them anew. Any two that are not isolated break the
// ring. Here the keys are spread over groups, and every transaction that writes also counts itself
// in a key of its client, so that one that is lost, or done twice, shows as well.
//
// Clients live in the processes of nodes (Cluster::spawn_client): one that ends with its process
// does not know what became of its transaction.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/kv/transaction.h"
#include "core/kv/spread.h"
#include "scenarios/cluster.h"
#include "scenarios/report.h"
#include "sim/choices.h"
#include "sim/world.h"

namespace keelson::scenarios {

struct CycleOptions {
  std::size_t keys = 9;
  std::size_t clients = 4;
  sim::Duration interval = std::chrono::milliseconds(40);
  sim::Duration patience = std::chrono::milliseconds(1500);
};

class CycleWorkload {
 public:
  // References outlive it.
  CycleWorkload(sim::World& world, Cluster& cluster, const CycleOptions& options, Report& report);

  // Ties the ring, then works until stop().
  void start();
  bool is_set_up() const { return is_set_up_; }
  void stop() { is_stopping_ = true; }
  bool has_stopped() const;

  // Reads all and writes all once more, until that has succeeded: then is_settled().
  void settle();
  bool is_settled() const { return is_settled_; }

  void check();

 private:
  // What one transaction has seen.
  struct Reading {
    std::vector<std::uint64_t> least;   // By client: what it had counted when this began.
    std::vector<std::uint64_t> counts;  // By client.
    std::vector<std::uint64_t> next;    // By key.
  };
  struct Client {
    sim::ChoiceStream* chance = nullptr;
    const sim::Machine* busy_on = nullptr;  // Where it works,
    std::uint64_t busy_in = 0;              // and in which life of that process.
    bool is_writing = false;       // And does not know yet what comes of it.
    std::uint64_t committed = 0;   // That it knows of.
    std::uint64_t unknown = 0;     // It may yet hear of these.
  };

  bool is_busy(const Client& client) const;
  void tick(std::size_t number);
  void tie(Env& env, Node& node);
  void permute(Env& env, Node& node, Client& client, std::size_t number);
  std::optional<Reading> read_all(kv::Transaction& transaction, Deadline deadline);
  void judge(const Reading& reading);
  void look(Env& env, Node& node);
  std::optional<std::uint64_t> number_at(kv::Transaction& transaction, const Bytes& key,
                                         Deadline deadline);
  void judge_ring(const std::vector<std::uint64_t>& next);
  void judge_count(std::size_t client, std::uint64_t seen, std::uint64_t least);
  static Bytes link(std::uint64_t at) { return key("cycle/" + std::to_string(at)); }
  static Bytes counter(std::size_t client) { return key("count/" + std::to_string(client)); }
  static Bytes key(const std::string& name) { return kv::spread(name) + name; }

  sim::World& world_;
  Cluster& cluster_;
  const CycleOptions options_;
  Report& report_;
  std::vector<Client> clients_;
  bool is_set_up_ = false;
  bool is_stopping_ = false;
  bool is_settling_ = false;
  bool is_settled_ = false;
  std::uint64_t looked_ = 0;
  std::uint64_t aborted_ = 0;
};

}  // namespace keelson::scenarios

// The Cycle workload of FoundationDB: keys that form one ring, each naming the next, permuted by
// transactions that read three links and write them anew. Any two that are not isolated break the
// ring. Here the keys are spread over groups, and every transaction that writes also counts itself
// in a key of its client, so that one that is lost, or done twice, shows as well.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/kv/spread.h"
#include "scenarios/history.h"
#include "scenarios/transaction_workload.h"

namespace keelson::scenarios {

struct CycleOptions {
  std::size_t keys = 9;
  TransactionClients clients = {};
};

class CycleWorkload : public TransactionWorkload {
 public:
  // References outlive it.
  CycleWorkload(sim::World& world, Cluster& cluster, const CycleOptions& options, Report& report);

  void check() override;

  static std::vector<Bytes> keys(const CycleOptions& options);

 private:
  // What one transaction has seen.
  struct Reading {
    std::vector<std::uint64_t> least;   // By client: what it had counted when this began.
    std::vector<std::uint64_t> counts;  // By client.
    std::vector<std::uint64_t> next;    // By key.
  };
  struct Client {
    bool is_writing = false;      // And does not know yet what comes of it.
    std::uint64_t committed = 0;  // That it knows of.
    std::uint64_t unknown = 0;    // It may yet hear of these.
  };

  bool touch_all(Env& env, Node& node) override;
  void work(Env& env, Node& node, std::size_t client) override;
  void turn_has_ended(std::size_t client) override;
  Outcome permute(Env& env, Node& node, std::size_t number);
  std::optional<Reading> read_all(kv::Transaction& transaction, Deadline deadline);
  void judge(const Reading& reading);
  Outcome look(Env& env, Node& node);
  std::optional<std::uint64_t> number_at(kv::Transaction& transaction, const Bytes& key,
                                         Deadline deadline);
  void judge_ring(const std::vector<std::uint64_t>& next);
  void judge_count(std::size_t client, std::uint64_t seen, std::uint64_t least);
  static Bytes link(std::uint64_t at) { return key("cycle/" + std::to_string(at)); }
  static Bytes counter(std::size_t client) { return key("count/" + std::to_string(client)); }
  static Bytes key(const std::string& name) { return kv::spread(name) + name; }

  const std::size_t keys_;
  std::vector<Client> clients_;
  std::uint64_t looked_ = 0;
  std::uint64_t aborted_ = 0;
};

}  // namespace keelson::scenarios

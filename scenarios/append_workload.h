// Transactions that read lists and append to lists, in keys of several groups. Whole lists come
// back, and no value is appended twice, so the reads tell who wrote what in which order: the
// history is judged by serializability.h, which names what is wrong. What a transaction reads it
// reads by key, or by a scan of all lists of one folder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/kv/spread.h"
#include "scenarios/transaction_history.h"
#include "scenarios/transaction_workload.h"

namespace keelson::scenarios {

struct AppendOptions {
  std::size_t folders = 5;  // Each somewhere else among the keys, and so in whatever group.
  std::size_t lists_a_folder = 2;
  std::size_t steps_most = 4;
  TransactionClients clients = {};
};

class AppendWorkload : public TransactionWorkload {
 public:
  // References outlive it.
  AppendWorkload(sim::World& world, Cluster& cluster, const AppendOptions& options,
                 Report& report);

  void check() override;

  static std::vector<Bytes> keys(const AppendOptions& options);

 private:
  using Values = std::vector<std::uint64_t>;
  struct Step {
    enum class Kind : std::uint8_t { read, append, scan };
    Kind kind = Kind::read;
    std::size_t folder = 0;
    std::size_t list = 0;  // Not of a scan.
    std::uint64_t value = 0;
  };

  bool touch_all(Env& env, Node& node) override;
  void work(Env& env, Node& node, std::size_t client) override;
  void turn_has_ended(std::size_t) override {}  // What never returned is unknown to the history.

  Step draw_step(std::size_t client, bool only_reads);
  bool perform(Env& env, Node& node, std::size_t client, const std::vector<Step>& steps);
  bool carry_out(Env& env, Node& node, const std::vector<Step>& steps, TransactionHistory::Id id);
  // What its reads returned; nothing if one failed.
  std::optional<std::vector<Values>> take_steps(kv::Transaction& transaction,
                                                const std::vector<Step>& steps, Deadline deadline);
  bool scan(kv::Transaction& transaction, std::size_t folder, std::vector<Values>& lists,
            Deadline deadline);
  static bool is_over_several_groups(Node& node, const std::vector<Step>& steps);
  std::vector<TransactionStep> as_told(const std::vector<Step>& steps) const;
  static std::string folder_name(std::size_t folder) {
    return "lists-" + std::to_string(folder) + "/";
  }
  static std::string list_name(std::size_t folder, std::size_t list) {
    return folder_name(folder) + std::to_string(list);
  }
  static Bytes key_of(std::size_t folder, std::size_t list) {
    return kv::spread(folder_name(folder)) + list_name(folder, list);
  }

  const AppendOptions options_;
  TransactionHistory history_;
  std::uint64_t next_value_ = 1;
  std::uint64_t over_several_groups_ = 0;  // Of those that append and were committed.
};

}  // namespace keelson::scenarios

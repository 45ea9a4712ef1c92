// S3 clients: puts, conditional puts, gets and deletes of a few objects through any node, moving on
// to another node when an answer is bad. What they asked and were told goes into a history, which
// must be linearizable object by object.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/runtime/env.h"
#include "scenarios/history.h"
#include "scenarios/report.h"
#include "scenarios/s3_client.h"
#include "sim/choices.h"
#include "sim/world.h"

namespace keelson::scenarios {

struct S3WorkloadOptions {
  std::size_t nodes = 3;
  std::size_t clients = 3;
  std::vector<std::string> buckets{"bucket-a"};
  std::size_t keys_a_bucket = 2;
  bool only_writes = false;  // Plain puts, for benchmarks.
  sim::Duration interval = std::chrono::milliseconds(40);  // Half to one and a half of it.
  sim::Duration patience = std::chrono::milliseconds(1500);
  std::size_t value_bytes_most = 200;
  std::uint32_t bad_manners_per_thousand = 30;
  std::optional<S3Keys> keys;
};

class S3Workload {
 public:
  // Adds client machines c1, c2, ... to the world. References outlive it.
  S3Workload(sim::World& world, const S3WorkloadOptions& options, Report& report);

  // The n-th object of each bucket.
  static std::string key(std::size_t number);

  const std::vector<sim::Machine*>& machines() const { return machines_; }

  // Creates the buckets, then works until stop(). Set-up takes until is_set_up().
  void start();
  bool is_set_up() const { return set_up_; }
  // No new operations; those under way end by themselves.
  void stop() { stopping_ = true; }
  bool has_stopped() const { return working_ == 0; }

  // Judges the whole history.
  void check();
  const History& history() const { return history_; }

 private:
  struct Client;

  void set_up(Env& env);
  void work(Env& env, std::uint32_t number);
  void perform(Client& client);
  Call draw_call(Client& client, const std::string& key);

  sim::World& world_;
  const S3WorkloadOptions options_;
  Report& report_;
  std::vector<sim::Machine*> machines_;
  History history_;
  std::uint64_t next_value_ = 1;
  bool set_up_ = false;
  bool stopping_ = false;
  std::size_t working_ = 0;
};

}  // namespace keelson::scenarios

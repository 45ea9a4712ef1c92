// Clients of everything that S3 offers, on one bucket: puts (plain, conditional, in chunks), gets,
// deletes of one and of many, copies, uploads in parts whose answers get lost, and listings page by
// page, each page from another node. What they were told must be linearizable for the bucket as a
// whole (bucket_model.h).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/runtime/env.h"
#include "scenarios/bucket_model.h"
#include "scenarios/checker/linearizability.h"
#include "scenarios/http_client.h"
#include "scenarios/report.h"
#include "sim/choices.h"
#include "sim/world.h"

namespace keelson::scenarios {

struct S3FullOptions {
  std::size_t nodes = 3;
  std::size_t clients = 3;
  std::string bucket = "bucket-full";
  sim::Duration interval = std::chrono::milliseconds(60);  // Half to one and a half of it.
  sim::Duration patience = std::chrono::milliseconds(2500);
  std::size_t body_bytes_most = 300;
  std::size_t part_bytes_min = 32;
};

class S3FullWorkload {
 public:
  // Adds client machines f1, f2, ... to the world. References outlive it.
  S3FullWorkload(sim::World& world, const S3FullOptions& options, Report& report);

  // Creates the bucket, then works until stop().
  void start();
  bool is_set_up() const { return is_set_up_; }
  void stop() { is_stopping_ = true; }
  bool has_stopped() const { return working_ == 0; }

  // All that is listed must be there to be read: then is_settled().
  void settle() { is_settling_ = true; }
  bool is_settled() const { return is_settled_; }

  // Judges the whole history.
  void check();

 private:
  struct Client;
  struct Told;

  void run_client(Env& env, std::uint32_t number);
  void set_up(Client& client);
  void work(Client& client);

  bool read_all(Client& client);
  bool get(Client& client, const std::string& key);
  void put(Client& client);
  void remove(Client& client);
  void copy(Client& client);
  void list(Client& client);
  void upload(Client& client);
  bool send_parts(Client& client, const std::string& target, const std::vector<Bytes>& parts);
  void complete(Client& client, const std::string& target, const std::vector<Bytes>& parts,
                std::size_t op);

  Told ask(Client& client, HttpRequest request, const Manners& manners = {});
  std::optional<BucketAnswer> list_page(Client& client, BucketCall call, std::string& token);

  // An operation begins, and ends.
  std::size_t called(Client& client, BucketCall call);
  void returned(std::size_t op, Outcome outcome, BucketAnswer answer = {});

  Bytes new_body(Client& client, std::size_t bytes_min);
  std::string target(const std::string& key, const std::string& query = {}) const;

  sim::World& world_;
  const S3FullOptions options_;
  Report& report_;
  std::vector<sim::Machine*> machines_;
  std::vector<BucketOperation> operations_;
  std::vector<checker::HistoryEvent> events_;
  std::uint64_t next_body_ = 1;
  std::size_t working_ = 0;
  bool is_set_up_ = false;
  bool is_stopping_ = false;
  bool is_settling_ = false;
  bool is_settled_ = false;
};

}  // namespace keelson::scenarios

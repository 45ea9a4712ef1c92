#include "scenarios/cycle_workload.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/base/check.h"
#include "scenarios/client_trace.h"

namespace keelson::scenarios {

CycleWorkload::CycleWorkload(sim::World& world, Cluster& cluster, const CycleOptions& options,
                             Report& report)
    : TransactionWorkload(world, cluster, options.clients, "cycle", report), keys_(options.keys),
      clients_(options.clients.count) {}

void CycleWorkload::work(Env& env, Node& node, std::size_t client) {
  const bool looks = chance(client).choose(4) == 3;
  sim::Machine& machine = world_.machine(to_string(node.config().node_id));
  const std::uint64_t traced = trace_call(
      machine, fmt::format("{}: {} the ring", client, looks ? "read" : "permute"), machine.name());
  const Outcome outcome = looks ? look(env, node) : permute(env, node, client);
  trace_return(machine, traced, outcome, outcome == Outcome::ok ? "done" : "");
}

void CycleWorkload::turn_has_ended(std::size_t client) {
  if (clients_[client].is_writing) ++clients_[client].unknown;
  clients_[client].is_writing = false;
}

std::vector<Bytes> CycleWorkload::keys(const CycleOptions& options) {
  std::vector<Bytes> all;
  for (std::uint64_t at = 0; at < options.keys; ++at) all.push_back(link(at));
  for (std::size_t i = 0; i < options.clients.count; ++i) all.push_back(counter(i));
  return all;
}

// Writes every link: of a new ring at first, in the end those that are there.
bool CycleWorkload::touch_all(Env& env, Node& node) {
  const Deadline deadline = deadline_in(env);
  kv::Transaction transaction(node.coordinator());
  for (std::uint64_t at = 0; at < keys_; ++at) {
    const auto found = transaction.get(link(at), deadline);
    if (!found) return false;
    const Bytes first = std::to_string((at + 1) % keys_);
    transaction.put(link(at), found->value_or(first));
  }
  const auto reading = read_all(transaction, deadline);
  if (!reading) return false;
  const auto outcome = transaction.commit(deadline);
  if (outcome.kind != kv::CommitOutcome::Kind::committed) return false;
  judge(*reading);
  return true;
}

std::optional<std::uint64_t> CycleWorkload::number_at(kv::Transaction& transaction,
                                                      const Bytes& key, Deadline deadline) {
  const auto found = transaction.get(key, deadline);
  if (!found) return std::nullopt;
  std::uint64_t number = 0;
  if (*found) std::from_chars((*found)->data(), (*found)->data() + (*found)->size(), number);
  return number;
}

// a -> b -> c -> d becomes a -> c -> b -> d.
Outcome CycleWorkload::permute(Env& env, Node& node, std::size_t number) {
  Client& client = clients_[number];
  const Deadline deadline = deadline_in(env);
  const std::uint64_t least = client.committed;
  kv::Transaction transaction(node.coordinator());
  const std::uint64_t a = chance(number).choose(keys_);
  const auto b = number_at(transaction, link(a), deadline);
  const auto c = b ? number_at(transaction, link(*b), deadline) : b;
  const auto d = c ? number_at(transaction, link(*c), deadline) : c;
  const auto count = d ? number_at(transaction, counter(number), deadline) : d;
  if (!count) {
    ++aborted_;
    return Outcome::fail;
  }
  judge_count(number, *count, least);  // A snapshot is one even if nothing comes of it.
  transaction.put(link(a), std::to_string(*c));
  transaction.put(link(*c), std::to_string(*b));
  transaction.put(link(*b), std::to_string(*d));
  transaction.put(counter(number), std::to_string(*count + 1));
  client.is_writing = true;
  const auto outcome = transaction.commit(deadline);
  switch (outcome.kind) {
    case kv::CommitOutcome::Kind::committed:
      ++client.committed;
      client.is_writing = false;
      return Outcome::ok;
    case kv::CommitOutcome::Kind::aborted:
      ++aborted_;
      client.is_writing = false;
      return Outcome::fail;
    case kv::CommitOutcome::Kind::unknown:
      report_.reached("cycle: a transaction of unknown outcome");
      return Outcome::unknown;
  }
  check_failed("known outcome", __FILE__, __LINE__);
}

// Every link and every counter; nothing if one cannot be read.
std::optional<CycleWorkload::Reading> CycleWorkload::read_all(kv::Transaction& transaction,
                                                              Deadline deadline) {
  Reading reading;
  for (const Client& client : clients_) reading.least.push_back(client.committed);
  for (std::uint64_t at = 0; at < keys_; ++at) {
    const auto found = number_at(transaction, link(at), deadline);
    if (!found) return std::nullopt;
    reading.next.push_back(*found);
  }
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    const auto count = number_at(transaction, counter(i), deadline);
    if (!count) return std::nullopt;
    reading.counts.push_back(*count);
  }
  return reading;
}

// A transaction that has written nothing is over when it has read.
Outcome CycleWorkload::look(Env& env, Node& node) {
  kv::Transaction transaction(node.coordinator());
  const auto reading = read_all(transaction, deadline_in(env));
  if (!reading) return Outcome::fail;
  judge(*reading);
  ++looked_;
  return Outcome::ok;
}

// --- the judge ---

void CycleWorkload::judge(const Reading& reading) {
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    judge_count(i, reading.counts[i], reading.least[i]);
  }
  judge_ring(reading.next);
}

void CycleWorkload::judge_ring(const std::vector<std::uint64_t>& next) {
  std::vector<bool> seen(next.size());
  std::uint64_t at = 0;
  std::size_t length = 0;
  while (at < next.size() && !seen[at]) {
    seen[at] = true;
    at = next[at];
    ++length;
  }
  if (at == 0 && length == next.size()) return;
  std::string links;
  for (const std::uint64_t one : next) links += fmt::format(" {}", one);
  report_.fail("serializability", "broken ring",
               fmt::format("the links of {} keys are no ring any more:{}", next.size(), links),
               world_.now());
}

// Only this client writes its counter, one transaction after the other.
void CycleWorkload::judge_count(std::size_t number, std::uint64_t seen, std::uint64_t least) {
  const Client& client = clients_[number];
  const std::uint64_t most = client.committed + client.unknown + (client.is_writing ? 1 : 0);
  if (seen >= least && seen <= most) return;
  report_.fail("serializability", seen < least ? "a transaction was lost" : "done twice",
               fmt::format("client {} has counted {} transactions, of which {} were answered "
                           "before and at most {} can have happened",
                           number, seen, least, most),
               world_.now());
}

void CycleWorkload::check() {
  std::uint64_t committed = 0;
  std::uint64_t unknown = 0;
  for (const Client& client : clients_) {
    committed += client.committed;
    unknown += client.unknown;
  }
  report_.count("transactions committed", committed);
  report_.count("transactions aborted", aborted_);
  report_.count("transactions unknown", unknown);
  report_.count("rings looked at", looked_);
  if (committed > 0) report_.reached("cycle: the ring was permuted");
  if (looked_ > 0) report_.reached("cycle: the ring was read beside those who permute it");
}

}  // namespace keelson::scenarios

#include "scenarios/cycle_workload.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace keelson::scenarios {

CycleWorkload::CycleWorkload(sim::World& world, Cluster& cluster, const CycleOptions& options,
                             Report& report)
    : world_(world), cluster_(cluster), options_(options), report_(report),
      clients_(options.clients) {
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    clients_[i].chance = &world.choices().stream(fmt::format("cycle/{}/op", i));
  }
}

void CycleWorkload::start() {
  for (std::size_t i = 0; i < clients_.size(); ++i) tick(i);
}

bool CycleWorkload::has_stopped() const {
  return std::none_of(clients_.begin(), clients_.end(),
                      [this](const Client& client) { return is_busy(client); });
}

// A process takes its fibers with it, also one that has not had its first turn.
bool CycleWorkload::is_busy(const Client& client) const {
  return client.busy_on != nullptr && client.busy_on->is_running() &&
         client.busy_on->incarnation() == client.busy_in;
}

// One turn of a client, on whatever node it finds; and the next one later.
void CycleWorkload::tick(std::size_t number) {
  if (is_settled_ || (is_stopping_ && !is_settling_)) return;
  Client& client = clients_[number];
  const auto spread = static_cast<std::uint64_t>(1 + options_.interval.count());
  const Duration pause = options_.interval / 2 + Duration(client.chance->choose(spread));
  world_.at(world_.now() + pause, [this, number] { tick(number); });
  if (is_busy(client)) return;
  const std::size_t node = 1 + client.chance->choose(cluster_.size());
  const bool begun = cluster_.spawn_client(node, [this, number](Env& env, Node& its_node) {
    Client& self = clients_[number];
    // However the fiber ends: it may be killed at any wait.
    struct Turn {
      Client& client;
      ~Turn() {
        if (client.is_writing) ++client.unknown;
        client.is_writing = false;
        client.busy_on = nullptr;
      }
    } turn{self};
    if (is_settling_ || !is_set_up_) {
      if (number == 0) tie(env, its_node);
    } else if (self.chance->choose(4) == 3) {
      look(env, its_node);
    } else {
      permute(env, its_node, self, number);
    }
  });
  if (!begun) return;
  client.busy_on = &cluster_.machine(node);
  client.busy_in = client.busy_on->incarnation();
}

void CycleWorkload::settle() {
  is_settling_ = true;
  for (std::size_t i = 0; i < clients_.size(); ++i) tick(i);
}

// Writes every link: of a new ring at first, in the end those that are there.
void CycleWorkload::tie(Env& env, Node& node) {
  const Deadline deadline = Deadline::in(env.clock, options_.patience);
  kv::Transaction transaction(node.coordinator());
  for (std::uint64_t at = 0; at < options_.keys; ++at) {
    const auto found = transaction.get(link(at), deadline);
    if (!found) return;
    const Bytes first = std::to_string((at + 1) % options_.keys);
    transaction.put(link(at), found->value_or(first));
  }
  std::optional<Reading> reading;
  if (is_settling_) {
    reading = read_all(transaction, deadline);
    if (!reading) return;
  }
  const auto outcome = transaction.commit(deadline);
  if (outcome.kind != kv::CommitOutcome::Kind::committed) return;
  if (reading) judge(*reading);
  (is_settling_ ? is_settled_ : is_set_up_) = true;
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
void CycleWorkload::permute(Env& env, Node& node, Client& client, std::size_t number) {
  const Deadline deadline = Deadline::in(env.clock, options_.patience);
  const std::uint64_t least = client.committed;
  kv::Transaction transaction(node.coordinator());
  const std::uint64_t a = client.chance->choose(options_.keys);
  const auto b = number_at(transaction, link(a), deadline);
  const auto c = b ? number_at(transaction, link(*b), deadline) : b;
  const auto d = c ? number_at(transaction, link(*c), deadline) : c;
  const auto count = d ? number_at(transaction, counter(number), deadline) : d;
  if (!count) {
    ++aborted_;
    return;
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
      return;
    case kv::CommitOutcome::Kind::aborted:
      ++aborted_;
      client.is_writing = false;
      return;
    case kv::CommitOutcome::Kind::unknown:
      report_.reached("cycle: a transaction of unknown outcome");
      return;
  }
}

// Every link and every counter; nothing if one cannot be read.
std::optional<CycleWorkload::Reading> CycleWorkload::read_all(kv::Transaction& transaction,
                                                              Deadline deadline) {
  Reading reading;
  for (const Client& client : clients_) reading.least.push_back(client.committed);
  for (std::uint64_t at = 0; at < options_.keys; ++at) {
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
void CycleWorkload::look(Env& env, Node& node) {
  kv::Transaction transaction(node.coordinator());
  const auto reading = read_all(transaction, Deadline::in(env.clock, options_.patience));
  if (!reading) return;
  judge(*reading);
  ++looked_;
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

#include "scenarios/transaction_workload.h"

#include <fmt/format.h>

#include <algorithm>

namespace keelson::scenarios {

TransactionWorkload::TransactionWorkload(sim::World& world, Cluster& cluster,
                                         const TransactionClients& clients, std::string_view name,
                                         Report& report)
    : world_(world), report_(report), cluster_(cluster), interval_(clients.interval),
      patience_(clients.patience), turns_(clients.count) {
  for (std::size_t i = 0; i < turns_.size(); ++i) {
    turns_[i].chance = &world.choices().stream(fmt::format("{}/{}/op", name, i));
  }
}

void TransactionWorkload::start() {
  for (std::size_t i = 0; i < turns_.size(); ++i) tick(i);
}

void TransactionWorkload::settle() {
  is_settling_ = true;
  for (std::size_t i = 0; i < turns_.size(); ++i) tick(i);
}

bool TransactionWorkload::has_stopped() const {
  return std::none_of(turns_.begin(), turns_.end(),
                      [this](const Turns& turns) { return is_busy(turns); });
}

// A process takes its fibers with it, also one that has not had its first turn.
bool TransactionWorkload::is_busy(const Turns& turns) const {
  return turns.busy_on != nullptr && turns.busy_on->is_running() &&
         turns.busy_on->incarnation() == turns.busy_in;
}

// One turn of a client, on whatever node it finds; and the next one later.
void TransactionWorkload::tick(std::size_t client) {
  if (is_settled_ || (is_stopping_ && !is_settling_)) return;
  Turns& turns = turns_[client];
  const auto spread = static_cast<std::uint64_t>(1 + interval_.count());
  const Duration pause = interval_ / 2 + Duration(turns.chance->choose(spread));
  world_.at(world_.now() + pause, [this, client] { tick(client); });
  if (is_busy(turns)) return;
  const std::size_t node = 1 + turns.chance->choose(cluster_.size());
  const bool begun = cluster_.spawn_client(
      node, [this, client](Env& env, Node& its_node) { take_turn(env, its_node, client); });
  if (!begun) return;
  turns.busy_on = &cluster_.machine(node);
  turns.busy_in = turns.busy_on->incarnation();
}

void TransactionWorkload::take_turn(Env& env, Node& node, std::size_t client) {
  struct Turn {
    ~Turn() {
      workload.turn_has_ended(client);
      workload.turns_[client].busy_on = nullptr;
    }
    TransactionWorkload& workload;
    std::size_t client;
  } const turn{*this, client};
  if (is_set_up_ && !is_settling_) return work(env, node, client);
  if (client == 0 && touch_all(env, node)) (is_settling_ ? is_settled_ : is_set_up_) = true;
}

}  // namespace keelson::scenarios

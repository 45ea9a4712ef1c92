// What a transaction over two groups costs, and how often it is aborted: three whole production
// nodes with three groups in a simulated world without faults; clients in the nodes read two keys
// of different groups, drawn from a few or from many, and write both. Closed loop; what is aborted
// is not tried again, the next one draws new keys.
//
//   keelson-transaction-bench [--keys 10000] [--clients 24] [--seconds 20]
//
// Prints one line of JSON. Two rates, neither of which is that of a real cluster: per virtual
// second, in which links and disks take their time and processors take none; and per second of this
// program's processor time, in which three nodes, their clients and the world share one core.
#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/production_limits.h"
#include "core/kv/spread.h"
#include "core/kv/transaction.h"
#include "scenarios/cluster.h"
#include "scenarios/scenario.h"
#include "sim/choices.h"
#include "sim/world.h"

namespace keelson::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Options {
  std::uint64_t keys = 10'000;
  std::size_t clients = 24;
  int seconds = 20;
};

double processor_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto in_seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return in_seconds(usage.ru_utime) + in_seconds(usage.ru_stime);
}

Bytes key_of(std::uint64_t number) {
  const std::string name = fmt::format("account-{}", number);
  return kv::spread(name) + name;
}

std::uint64_t number_in(const std::optional<Bytes>& value) {
  std::uint64_t number = 0;
  if (value) std::from_chars(value->data(), value->data() + value->size(), number);
  return number;
}

class Load {
 public:
  Load(sim::World& world, scenarios::Cluster& cluster, const Options& options)
      : world_(world), cluster_(cluster), options_(options) {}
  ~Load() { is_over_ = true; }

  // Writes every key once.
  void prepare();
  void measure();

 private:
  static constexpr Duration kPatience = seconds(5);
  static constexpr std::uint64_t kKeysAtOnce = 100;

  void fill(Env& env, Node& node);
  void work(Env& env, Node& node, sim::ChoiceStream& chance);
  kv::CommitOutcome transfer(Env& env, Node& node, const Bytes& from, const Bytes& to);
  void print(double virtual_seconds, double processor);

  sim::World& world_;
  scenarios::Cluster& cluster_;
  const Options options_;
  bool is_full_ = false;
  bool is_measuring_ = false;
  bool is_over_ = false;
  std::uint64_t committed_ = 0;
  std::uint64_t aborted_ = 0;
  std::uint64_t unknown_ = 0;
  std::vector<Duration> took_;  // What was committed.
};

void Load::prepare() {
  while (!cluster_.spawn_client(1, [this](Env& env, Node& node) { fill(env, node); })) {
    world_.run_for(milliseconds(100));
  }
  while (!is_full_) world_.run_for(milliseconds(100));
}

void Load::fill(Env& env, Node& node) {
  for (std::uint64_t next = 0; next < options_.keys;) {
    const std::uint64_t end = std::min(options_.keys, next + kKeysAtOnce);
    kv::Transaction transaction(node.coordinator());
    for (std::uint64_t number = next; number < end; ++number) {
      transaction.put(key_of(number), "0");
    }
    const auto outcome = transaction.commit(Deadline::in(env.clock, kPatience));
    if (outcome.kind == kv::CommitOutcome::Kind::committed) next = end;
  }
  is_full_ = true;
}

kv::CommitOutcome Load::transfer(Env& env, Node& node, const Bytes& from, const Bytes& to) {
  const Deadline deadline = Deadline::in(env.clock, kPatience);
  kv::Transaction transaction(node.coordinator());
  const auto left = transaction.get(from, deadline);
  if (!left) return {};
  const auto right = transaction.get(to, deadline);
  if (!right) return {};
  transaction.put(from, std::to_string(number_in(*left) + 1));
  transaction.put(to, std::to_string(number_in(*right) + 1));
  return transaction.commit(deadline);
}

void Load::work(Env& env, Node& node, sim::ChoiceStream& chance) {
  while (!is_over_) {
    const Bytes from = key_of(chance.choose(options_.keys));
    const Bytes to = key_of(chance.choose(options_.keys));
    if (node.coordinator().group_of(from) == node.coordinator().group_of(to)) continue;
    const Instant begun = env.clock.now();
    const auto outcome = transfer(env, node, from, to);
    if (!is_measuring_) continue;
    switch (outcome.kind) {
      case kv::CommitOutcome::Kind::committed:
        ++committed_;
        took_.push_back(env.clock.now() - begun);
        break;
      case kv::CommitOutcome::Kind::aborted: ++aborted_; break;
      case kv::CommitOutcome::Kind::unknown: ++unknown_; break;
    }
  }
}

void Load::measure() {
  for (std::size_t client = 0; client < options_.clients; ++client) {
    sim::ChoiceStream& chance = world_.choices().stream(fmt::format("client/{}", client));
    const bool begun =
        cluster_.spawn_client(1 + client % cluster_.size(), [this, &chance](Env& env, Node& node) {
          work(env, node, chance);
        });
    if (!begun) throw std::runtime_error("a node does not serve");
  }
  world_.run_for(seconds(2));
  is_measuring_ = true;
  const double before = processor_seconds();
  world_.run_for(seconds(options_.seconds));
  print(options_.seconds, processor_seconds() - before);
}

void Load::print(double virtual_seconds, double processor) {
  std::sort(took_.begin(), took_.end());
  const auto at = [this](std::size_t percent) {
    return took_.empty() ? 0.0
                         : static_cast<double>(took_[(took_.size() - 1) * percent / 100].count()) /
                               1e6;
  };
  const auto committed = static_cast<double>(committed_);
  const auto ended = static_cast<double>(committed_ + aborted_ + unknown_);
  fmt::print(
      "{{\"keys\":{},\"clients\":{},\"committed\":{},\"aborted\":{},\"unknown\":{},"
      "\"aborted_percent\":{:.1f},\"committed_per_virtual_second\":{:.0f},"
      "\"virtual_ms_p50\":{:.2f},\"virtual_ms_p99\":{:.2f},"
      "\"committed_per_processor_second\":{:.0f}}}\n",
      options_.keys, options_.clients, committed_, aborted_, unknown_,
      100 * static_cast<double>(aborted_) / std::max(1.0, ended), committed / virtual_seconds,
      at(50), at(99), committed / processor);
}

void run(const Options& options) {
  sim::Choices choices(1);
  sim::World world(choices);
  NodeConfig config = scenarios::scenario_config(3, 3);
  use_production_limits(config);
  scenarios::Cluster cluster(world, config);
  Load load(world, cluster, options);
  cluster.start();
  load.prepare();
  load.measure();
  scenarios::stop_machines(world);  // The clients refer to the load.
}

}  // namespace
}  // namespace keelson::bench

int main(int argc, char** argv) {
  keelson::bench::Options options;
  CLI::App app("What transactions over two groups cost in a simulated world");
  app.add_option("--keys", options.keys, "To draw from")->check(CLI::Range(2, 10'000'000));
  app.add_option("--clients", options.clients, "Transactions at a time");
  app.add_option("--seconds", options.seconds, "Virtual ones")->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  keelson::bench::run(options);
  return 0;
}

#include "tests/scenarios/metamorphic_story.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "core/base/check.h"
#include "scenarios/cluster.h"
#include "scenarios/s3_client.h"
#include "scenarios/scenario.h"
#include "sim/machine.h"
#include "sim/sim_disk.h"
#include "sim/sim_network.h"

namespace keelson::scenarios {

namespace {

using namespace std::chrono_literals;
using sim::Duration;

constexpr const char* kBucket = "bucket";
constexpr std::size_t kKeys = 2;
constexpr GroupId kGroup(0);

NodeConfig config_of(std::size_t nodes, std::int64_t scale) {
  NodeConfig config = scenario_config(nodes, 1);
  config.probe_timeout = 100ms;  // So that it can be scaled.
  config.balance_interval = Duration::zero();
  // The log would be lengthened, in the way of others, when it has grown by so much: with a learner
  // it has one entry more.
  config.wal_preallocate_bytes = 0;
  for (Duration* const span :
       {&config.heartbeat_interval, &config.election_timeout, &config.timestamps_ahead,
        &config.transaction_ttl, &config.probe_timeout, &config.request_timeout,
        &config.drain_grace, &config.drain_timeout}) {
    *span *= scale;
  }
  return config;
}

bool leads(const Cluster& cluster, std::size_t number) {
  Node* const node = cluster.node(number);
  return node != nullptr && node->raft().core(kGroup).role() == raft::Role::leader;
}

void admit_learner(sim::World& world, Cluster& cluster, std::size_t learner) {
  bool is_admitted = false;
  while (!is_admitted) {
    CHECK(world.now() < sim::TrueTime{} + 60s);
    for (std::size_t number = 1; number < learner; ++number) {
      if (!leads(cluster, number)) continue;
      cluster.machine(number).spawn("operator", [&, number](Env& env) {
        raft::RaftNode& raft = cluster.node(number)->raft();
        const raft::AddLearner change{NodeId(learner), Cluster::address(learner, kRaftPort), {}};
        const auto index = raft.core(kGroup).configuration().index;
        const auto done =
            raft.change_configuration(kGroup, change, index, Deadline::in(env.clock, 1s));
        is_admitted = is_admitted || done.has_value();
      });
    }
    world.run_for(2s);
  }
}

// The disks, by position, of a cluster that has a bucket with nothing in it.
std::vector<sim::DiskContent> found(std::size_t nodes, bool has_learner) {
  sim::Choices choices(1);
  sim::World world(choices, {.shuffle_fibers = false});
  Cluster cluster(world, config_of(nodes, 1), nullptr, has_learner ? 1 : 0);
  cluster.start();
  bool has_bucket = false;
  world.add_machine("founder").start([&](Env& env) {
    S3Client s3(env, Cluster::address(1, kS3Port), kBucket);
    while (!has_bucket) {
      has_bucket = s3.create_bucket(Deadline::in(env.clock, 1s)).outcome == Outcome::ok;
      env.scheduler.sleep_for(50ms);
    }
  });
  CHECK(world.run_until([&] { return has_bucket; }, sim::TrueTime{} + 60s));
  if (has_learner) admit_learner(world, cluster, nodes + 1);
  world.run_for(1s);
  stop_machines(world);
  std::vector<sim::DiskContent> disks;
  for (sim::Machine* const machine : cluster.machines()) {
    disks.push_back(machine->disk().visible_content());
  }
  return disks;
}

sim::WorldOptions world_options(std::int64_t scale) {
  sim::WorldOptions options;
  // The order of fibers is drawn once for each choice between them, and a connection has another
  // number of them at either end.
  options.shuffle_fibers = false;
  // Timestamps that the founders have promised not to use are nothing that a story waits for.
  options.wall_epoch_ms += 3'600'000;
  // Timers are rounded to a grain of the monotonic clock.
  options.uptime_limit *= scale;
  return options;
}

Call draw_call(sim::ChoiceStream& chance, const std::string& value) {
  Call call;
  switch (chance.choose(6)) {
    case 0: case 1: return call;
    case 2: call.kind = Call::Kind::remove; return call;
    case 3: call.kind = Call::Kind::put_if_absent; break;
    default: call.kind = Call::Kind::put; break;
  }
  call.value = value;
  return call;
}

const char* verb_of(Call::Kind kind) {
  switch (kind) {
    case Call::Kind::get: return "get";
    case Call::Kind::put: return "put";
    case Call::Kind::put_if_absent: return "put if absent";
    case Call::Kind::put_if_match: return "put if match";
    case Call::Kind::remove: return "remove";
  }
  return "";
}

class Story {
 public:
  Story(const StoryShape& shape, const StoryWorld& where, sim::Choices& choices)
      : shape_(shape), where_(where), choices_(choices),
        world_(choices, world_options(where.scale)),
        cluster_(world_, config_of(shape.nodes, where.scale), nullptr, where.has_learner ? 1 : 0) {
    const auto disks = found(shape.nodes, where.has_learner);
    for (std::size_t i = 0; i < disks.size(); ++i) {
      cluster_.machines()[i]->disk().fill(disks[i]);
      // A node gets no identifier twice, and this world would hand out those of the founders.
      cluster_.machines()[i]->start([](Env&) {});
    }
    world_.run_for(scaled(1ms));
    set_pace();
    for (std::size_t client = 1; client <= shape.clients; ++client) {
      clients_.push_back(&world_.add_machine(fmt::format("c{}", client)));
    }
  }
  ~Story() { stop_machines(world_); }

  Telling run() {
    cluster_.start();
    plan_blows();
    for (std::size_t i = 0; i < clients_.size(); ++i) {
      clients_[i]->start([this, i](Env& env) { work(env, i + 1); });
    }
    CHECK(world_.run_until([this] { return done_ == shape_.clients; },
                           sim::TrueTime{} + scaled(300s)));
    telling_.terms = latest_term() - first_term_;
    return std::move(telling_);
  }

 private:
  Duration scaled(Duration span) const { return span * where_.scale; }
  sim::Machine& node(std::size_t position) { return cluster_.machine(where_.images[position]); }

  void set_pace() {
    sim::LinkConditions links;
    links.base_delay_least = scaled(100us);
    // A link's delay is drawn in 1024 steps, which are whole at any scale.
    links.base_delay_most = scaled(100us + 2us * 1024);
    links.give_up_after = scaled(links.give_up_after);
    world_.network().set_conditions(links);
    sim::DiskConditions disks;
    disks.sync_latency = scaled(shape_.sync_latency);
    for (sim::Machine* const machine : cluster_.machines()) machine->disk().set_conditions(disks);
  }

  std::uint64_t latest_term() const {
    std::uint64_t term = 0;
    for (std::size_t number = 1; number <= shape_.nodes; ++number) {
      term = std::max(term, cluster_.node(number)->raft().core(kGroup).current_term().value);
    }
    return term;
  }

  // Longer than an election timeout at times, and never so long that peers give each other up.
  void plan_blows() {
    sim::ChoiceStream& chance = choices_.stream("story/blows");
    sim::TrueTime at = world_.now() + scaled(1500ms);
    world_.at(at, [this] { first_term_ = latest_term(); });
    for (std::size_t blow = 0; blow < shape_.blows; ++blow) {
      at = at + scaled(300ms + 5ms * static_cast<std::int64_t>(chance.choose(64)));
      const bool freezes = chance.chance(300'000);
      sim::Machine& victim = node(chance.choose(shape_.nodes));
      const Duration span = scaled(340ms - 2ms * static_cast<std::int64_t>(chance.choose(64)));
      world_.at(at, [this, freezes, &victim] {
        freezes ? victim.pause() : world_.network().isolate(victim);
      });
      at = at + span;
      world_.at(at, [this, freezes, &victim] {
        freezes ? victim.resume() : world_.network().heal_all();
      });
    }
  }

  void work(Env& env, std::size_t number) {
    sim::ChoiceStream& chance = choices_.stream(fmt::format("client/{}", number));
    std::vector<std::unique_ptr<S3Client>> connections;
    for (const std::size_t image : where_.images) {
      connections.push_back(
          std::make_unique<S3Client>(env, Cluster::address(image, kS3Port), kBucket));
    }
    env.scheduler.sleep_for(scaled(1500ms));
    std::size_t position = chance.choose(shape_.nodes);
    for (std::size_t operation = 0; operation < shape_.operations; ++operation) {
      const auto pause = static_cast<std::int64_t>(chance.choose(1024));
      env.scheduler.sleep_for(scaled(1ms + 150us * pause));
      const std::string key = fmt::format("key-{}", chance.choose(kKeys));
      const Call call = draw_call(chance, fmt::format("c{}-{}", number, operation));
      if (chance.chance(100'000)) position = chance.choose(shape_.nodes);
      tell(fmt::format("c{} asks node {}: {} {} {}", number, position, verb_of(call.kind), key,
                       call.value));
      const S3Answer answer =
          connections[position]->perform(key, call, Deadline::in(env.clock, scaled(1500ms)));
      note_answer(number, answer);
      if (answer.outcome != Outcome::ok) position = (position + 1) % shape_.nodes;
    }
    ++done_;
  }

  void note_answer(std::size_t number, const S3Answer& answer) {
    CHECK(answer.violation.empty());
    ++(answer.outcome == Outcome::ok ? telling_.answered : telling_.unanswered);
    tell(fmt::format("c{} is told: {}, {} {}, {}{}", number, name_of(answer.outcome),
                     answer.status, answer.error_code, answer.answer.value.value_or("no value"),
                     answer.answer.condition_held ? "" : ", refused"));
  }

  void tell(std::string text) {
    telling_.history.push_back({{world_.now().ns / where_.scale}, std::move(text)});
  }

  const StoryShape shape_;
  const StoryWorld where_;
  sim::Choices& choices_;
  sim::World world_;
  Cluster cluster_;
  std::vector<sim::Machine*> clients_;
  std::size_t done_ = 0;  // Of the clients.
  std::uint64_t first_term_ = 0;
  Telling telling_;
};

// "n1>n2" with the nodes' images.
std::string image_of(const std::string& stream, const std::vector<std::size_t>& images) {
  std::string image;
  for (std::size_t at = 0; at < stream.size(); ++at) {
    image += stream[at];
    const bool begins_name = at > 0 && (stream[at - 1] == '/' || stream[at - 1] == '>');
    if (!begins_name || stream[at] != 'n' || at + 1 == stream.size()) continue;
    const char digit = stream[at + 1];
    if (digit < '1' || static_cast<std::size_t>(digit - '0') > images.size()) continue;
    image += std::to_string(images[static_cast<std::size_t>(digit - '1')]);
    ++at;
  }
  return image;
}

}  // namespace

StoryWorld plain_world(const StoryShape& shape) {
  StoryWorld world;
  for (std::size_t number = 1; number <= shape.nodes; ++number) world.images.push_back(number);
  return world;
}

Telling tell(const StoryShape& shape, const StoryWorld& world, sim::Choices& choices) {
  CHECK(shape.nodes <= 9 && world.images.size() == shape.nodes);
  Story story(shape, world, choices);
  Telling telling = story.run();
  telling.choices = choices.recorded();
  return telling;
}

sim::ChoicesByStream renamed(const sim::ChoicesByStream& choices,
                             const std::vector<std::size_t>& images) {
  sim::ChoicesByStream result;
  for (const auto& [stream, drawn] : choices) {
    CHECK(result.emplace(image_of(stream, images), drawn).second);
  }
  return result;
}

sim::ChoicesByStream scaled(sim::ChoicesByStream choices, std::int64_t scale) {
  for (auto& [stream, drawn] : choices) {
    // The others are no times, or numbers of steps whose length is scaled.
    if (!stream.ends_with("/election") && !stream.ends_with("/origin")) continue;
    for (sim::Choice& choice : drawn) choice.value *= static_cast<std::uint64_t>(scale);
  }
  return choices;
}

}  // namespace keelson::scenarios

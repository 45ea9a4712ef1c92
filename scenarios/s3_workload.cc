#include "scenarios/s3_workload.h"

#include <fmt/format.h>

#include <map>
#include <memory>

#include "scenarios/client_trace.h"
#include "scenarios/cluster.h"
#include "scenarios/operation_paths.h"
#include "scenarios/store_models.h"
#include "sim/machine.h"

namespace keelson::scenarios {

// One client with a kept connection for each node and bucket, and what it last read of each key.
struct S3Workload::Client {
  Client(Env& its_env, sim::Choices& choices, std::uint32_t its_number)
      : env(its_env), number(its_number),
        chance(choices.stream(fmt::format("client/{}/op", its_number))) {}

  Env& env;
  const std::uint32_t number;
  sim::ChoiceStream& chance;
  std::size_t node = 1;
  std::map<std::pair<std::size_t, std::string>, std::unique_ptr<S3Client>> connections;
  std::map<std::string, Bytes> last_read;
};

S3Workload::S3Workload(sim::World& world, const S3WorkloadOptions& options, Report& report)
    : world_(world), options_(options), report_(report) {
  for (std::size_t client = 1; client <= options_.clients; ++client) {
    machines_.push_back(&world_.add_machine(fmt::format("c{}", client)));
  }
}

std::string S3Workload::key(std::size_t number) { return fmt::format("key-{}", number); }

void S3Workload::start() {
  for (std::uint32_t number = 1; number <= options_.clients; ++number) {
    machines_[number - 1]->start([this, number](Env& env) { work(env, number); });
  }
}

void S3Workload::set_up(Env& env) {
  for (const std::string& bucket : options_.buckets) {
    for (std::size_t attempt = 0;; ++attempt) {
      S3Client client(env, Cluster::address(1 + attempt % options_.nodes, kS3Port), bucket,
                      options_.keys);
      const auto answer = client.create_bucket(Deadline::in(env.clock, options_.patience));
      if (answer.outcome == Outcome::ok) break;
      env.scheduler.sleep_for(std::chrono::milliseconds(50));
    }
  }
  set_up_ = true;
}

void S3Workload::work(Env& env, std::uint32_t number) {
  ++working_;
  if (number == 1) set_up(env);
  while (!set_up_) env.scheduler.sleep_for(std::chrono::milliseconds(20));
  Client client(env, world_.choices(), number);
  client.node = 1 + client.chance.choose(options_.nodes);
  while (!stopping_) {
    // Seldom at 0. Never less than half: a run must end, too.
    client.chance.begin_item();
    const auto spread = static_cast<std::uint64_t>(1 + options_.interval.count());
    env.scheduler.sleep_for(options_.interval * 3 / 2 -
                            Duration(static_cast<std::int64_t>(client.chance.choose(spread))));
    perform(client);
  }
  --working_;
}

Call S3Workload::draw_call(Client& client, const std::string& key) {
  Call call;
  const auto fresh_value = [&] {
    Bytes value = fmt::format("v{}", next_value_++);
    value.resize(value.size() + client.chance.choose(options_.value_bytes_most), '.');
    return value;
  };
  switch (options_.only_writes ? 5 : client.chance.choose(10)) {
    case 5: case 6: case 7:
      call.kind = Call::Kind::put;
      call.value = fresh_value();
      return call;
    case 8: {
      const auto last_read = client.last_read.find(key);
      call.kind = last_read == client.last_read.end() ? Call::Kind::put_if_absent
                                                      : Call::Kind::put_if_match;
      if (last_read != client.last_read.end()) call.expected = last_read->second;
      call.value = fresh_value();
      return call;
    }
    case 9:
      call.kind = client.chance.chance(500'000) ? Call::Kind::put_if_absent : Call::Kind::remove;
      if (call.kind == Call::Kind::put_if_absent) call.value = fresh_value();
      return call;
    default:
      return call;  // A get.
  }
}

void S3Workload::perform(Client& client) {
  const std::string bucket = options_.buckets[client.chance.choose(options_.buckets.size())];
  const std::string object = key(client.chance.choose(options_.keys_a_bucket));
  const std::string name = bucket + "/" + object;
  const Call call = draw_call(client, name);
  Manners manners;
  manners.kind = static_cast<Manners::Kind>(
      client.chance.rarely(options_.bad_manners_per_thousand * 1000, 6));
  manners.pause = std::chrono::milliseconds(5);
  const bool moves = client.chance.chance(100'000);
  if (moves) client.node = 1 + client.chance.choose(options_.nodes);

  auto& connection = client.connections[{client.node, bucket}];
  if (!connection) {
    connection = std::make_unique<S3Client>(
        client.env, Cluster::address(client.node, kS3Port), bucket, options_.keys);
  }
  const auto id = history_.call(client.number, name, call, fmt::format("n{}", client.node),
                                world_.now());
  sim::Machine& machine = *machines_[client.number - 1];
  const std::uint64_t traced = trace_call(machine, describe_call(history_.operations()[id]),
                                          fmt::format("n{}", client.node));
  const S3Answer answer = connection->perform(
      object, call, Deadline::in(client.env.clock, options_.patience), manners);
  if (!answer.violation.empty()) {
    report_.fail("s3 protocol", answer.error_code, answer.violation, world_.now());
  }
  switch (answer.outcome) {
    case Outcome::ok:
      history_.ok(id, answer.answer, world_.now());
      trace_return(machine, traced, Outcome::ok, describe_answer(history_.operations()[id]));
      if (call.kind == Call::Kind::get && answer.answer.value) {
        client.last_read[name] = *answer.answer.value;
      } else if (call.kind == Call::Kind::get) {
        client.last_read.erase(name);
      }
      return;
    case Outcome::fail:
      history_.fail(id, world_.now());
      break;
    case Outcome::unknown:
    case Outcome::pending:
      history_.unknown(id, world_.now());
      break;
  }
  trace_return(machine, traced, answer.outcome, answer.why);
  report_.reached("s3: a client moved on to another node");
  client.node = 1 + client.node % options_.nodes;
}

void S3Workload::check() {
  for (const Operation& operation : history_.operations()) {
    if (operation.outcome == Outcome::pending) continue;
    const std::string_view path = path_of(operation);
    if (!path.empty()) report_.reached(path);
  }
  report_.count("s3 operations ok", history_.count(Outcome::ok));
  report_.count("s3 operations failed", history_.count(Outcome::fail));
  report_.count("s3 operations unknown", history_.count(Outcome::unknown));
  const HistoryVerdict verdict = check_objects(history_);
  report_.count("s3 objects checked", verdict.keys);
  report_.count("s3 objects undecided", verdict.undecided_keys);
  if (verdict.verdict == Verdict::not_linearizable) {
    report_.fail("linearizability", "object", verdict.message, world_.now());
  }
}

}  // namespace keelson::scenarios

// keelsonctl: the operator's hand on a cluster, through the admin listener of any node.
//
// Exit codes: 0 done, 1 refused or impossible, 2 bad usage, 3 the outcome is not known, 4 nothing
// has happened and asking again later may help.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <functional>
#include <sstream>

#include "admin/operator_request.h"
#include "tools/ctl/backup.h"
#include "tools/ctl/operator.h"

namespace keelson::ctl {

namespace {

struct Options {
  std::string admin = "http://127.0.0.1:8080";
  std::string token_file;
  OperatorOptions common;
  ChangeOptions change;
  ShardOptions shard;
  std::string target;
  std::string out;
  RestoreOptions restore;
  std::vector<std::string> nodes;  // "n1=DIR".
  bool no_wait = false;
};

Result<std::string> read_token(const std::string& path) {
  if (path.empty()) return std::string();
  std::ifstream file(path);
  if (!file) return Error{ErrorCode::invalid_argument, "--token-file: cannot read " + path};
  std::ostringstream text;
  text << file.rdbuf();
  std::string token = text.str();
  while (token.ends_with('\n') || token.ends_with('\r')) token.pop_back();
  return token;
}

int bad_usage(const Error& error) {
  fmt::print(stderr, "keelsonctl: {}\n", error.message);
  return kBadUsage;
}

// Runs `work` with a client on a fiber.
int with_client(const Options& options,
                const std::function<int(Scheduler&, AdminClient&)>& work) {
  auto token = read_token(options.token_file);
  if (!token) return bad_usage(token.error());
  auto address = parse_admin_url(options.admin);
  if (!address) return bad_usage(address.error());
  Reactor reactor;
  StackPool stacks;
  Scheduler scheduler(reactor.clock(), stacks);
  reactor.add(scheduler);
  AdminClient client(reactor, scheduler, *std::move(address), *std::move(token));
  int code = kFailed;
  scheduler.spawn("keelsonctl", [&] {
    code = work(scheduler, client);
    reactor.stop();
  });
  reactor.run();
  reactor.remove(scheduler);
  scheduler.kill_all();
  return code;
}

int with_operator(const Options& options, const std::function<int(Operator&)>& work) {
  return with_client(options, [&](Scheduler& scheduler, AdminClient& client) {
    Operator op(scheduler, client, options.common);
    return work(op);
  });
}

int change_shards(Options& options, int (Operator::*change)(const ShardOptions&)) {
  auto key = parse_key(options.shard.key);
  if (!key) return bad_usage({ErrorCode::invalid_argument, "KEY: " + key.error().message});
  options.shard.key = *std::move(key);
  return with_operator(options, [&](Operator& op) { return (op.*change)(options.shard); });
}

int restore(Options& options) {
  for (const std::string& text : options.nodes) {
    const std::size_t equals = text.find('=');
    const auto node = admin::parse_node_id(text.substr(0, equals));
    if (equals == std::string::npos || equals + 1 == text.size() || !node) {
      return bad_usage({ErrorCode::invalid_argument,
                        fmt::format("--node: '{}' is not of the form n1=DIRECTORY", text)});
    }
    std::string directory = text.substr(equals + 1);
    while (directory.size() > 1 && directory.ends_with('/')) directory.pop_back();
    if (!options.restore.directories.emplace(*node, std::move(directory)).second) {
      return bad_usage({ErrorCode::invalid_argument, "--node: one node stands twice"});
    }
  }
  options.restore.json = options.common.json;
  return restore_backup(options.restore);
}

// A subcommand with the options that all of its kind share.
CLI::App* add(CLI::App& app, const std::string& name, const std::string& help) {
  return app.add_subcommand(name, help)->fallthrough();
}

void add_group(CLI::App& command, Options& options) {
  command.add_option("--group", options.common.groups, "g0, g1, ...; default: all groups");
}

CLI::App* add_change(CLI::App& app, Options& options, const std::string& name,
                     const std::string& help) {
  CLI::App* const command = add(app, name, help);
  add_group(*command, options);
  command->add_option("--expect", options.change.expected_index,
                      "Only if the configuration still has this index");
  if (name != "replace") {
    command->add_option("node", options.change.node, "n1, n2, ...")->required();
  }
  return command;
}

CLI::App* add_shard_change(CLI::App& app, Options& options, const std::string& name,
                           const std::string& help) {
  CLI::App* const command = add(app, name, help);
  command->add_option("key", options.shard.key,
                      "Percent-encoded (%41 or A), or s3://BUCKET/OBJECT")->required();
  command->add_option("--expect", options.shard.expected_version,
                      "Only if the shard map still has this version");
  return command;
}

int run(int argc, char** argv) {
  Options options;
  CLI::App app{
      "The operator's hand on a Keelson cluster, through the admin listener of any node.\n"
      "Exit codes: 0 done, 1 refused or impossible, 2 bad usage, 3 the outcome is not known,\n"
      "4 nothing has happened and asking again later may help."};
  app.require_subcommand(1);
  app.add_option("--admin", options.admin, "http://HOST:PORT of a node's admin listener")
      ->capture_default_str();
  app.add_option("--token-file", options.token_file, "File with the admin token");
  app.add_flag("--json", options.common.json, "For machines");
  app.add_option("--timeout", options.common.timeout_seconds, "Seconds to wait, for each group")
      ->capture_default_str()
      ->check(CLI::Range(1, 86400));

  CLI::App* const status = add(app, "status", "The groups, as the node sees them");
  CLI::App* const members = add(app, "members", "Who belongs to a group, as its leader sees it");
  add_group(*members, options);
  CLI::App* const add_learner =
      add_change(app, options, "add-learner", "Admit a node, without a vote");
  add_learner->add_option("--address", options.change.address,
                          "HOST:PORT of its raft listener, unless every node was started with it");
  add_learner->add_flag("--wait", options.change.waits, "Until it has caught up");
  CLI::App* const promote = add_change(app, options, "promote", "Give a learner its vote");
  promote->add_flag("--force", options.change.forced, "Even if it has not caught up");
  CLI::App* const demote = add_change(app, options, "demote", "Take a voter's vote");
  CLI::App* const remove = add_change(app, options, "remove", "Let a member go");
  CLI::App* const replace =
      add_change(app, options, "replace", "Let a learner vote in the place of a voter, at once");
  replace->add_option("voter", options.change.voter, "Who leaves")->required();
  replace->add_option("learner", options.change.node, "Who votes from then on")->required();
  CLI::App* const transfer = add(app, "transfer-leader", "Hand the lead over");
  add_group(*transfer, options);
  transfer->add_option("--to", options.target, "Default: whose log is most caught up");
  CLI::App* const shards = add(app, "shards", "Which keys are in which group");
  CLI::App* const split =
      add_shard_change(app, options, "split", "Let a shard begin at the key");
  CLI::App* const move = add_shard_change(
      app, options, "move", "Move the shard that begins at the key ('': the first) to a group");
  move->add_option("group", options.shard.group, "g0, g1, ...")->required();
  move->add_flag("--wait", options.shard.waits, "Until it is there");
  CLI::App* const snapshot = add(app, "snapshot", "Let the node cut its logs now");
  add_group(*snapshot, options);
  CLI::App* const drain = add(app, "drain", "End the node in good order, and wait for it");
  drain->add_flag("--no-wait", options.no_wait, "Return at once");
  CLI::App* const backup = add(app, "backup", "Take a backup of all groups, while serving");
  backup->add_option("--out", options.out, "File, made when the backup is whole")->required();
  CLI::App* const verify = add(app, "verify", "Check a backup, and show what is in it");
  verify->add_option("file", options.restore.from)->required();
  CLI::App* const make = add(app, "restore", "Make the directories of a new cluster of a backup");
  make->add_option("--from", options.restore.from, "The backup")->required();
  make->add_option("--cluster-id", options.restore.cluster_id, "Name of the new cluster")
      ->required();
  make->add_option("--node", options.nodes, "n1=DIRECTORY, for each node of the new cluster")
      ->required();

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kDone : kBadUsage;
  }

  const auto change = [&](const char* verb) {
    options.change.verb = verb;
    return with_operator(options, [&](Operator& op) { return op.change(options.change); });
  };
  if (add_learner->parsed()) return change("learners");
  if (promote->parsed()) return change("promote");
  if (demote->parsed()) return change("demote");
  if (remove->parsed()) return change("remove");
  if (replace->parsed()) return change("replace");
  if (status->parsed()) return with_operator(options, [](Operator& op) { return op.status(); });
  if (members->parsed()) return with_operator(options, [](Operator& op) { return op.members(); });
  if (transfer->parsed()) {
    return with_operator(options, [&](Operator& op) { return op.transfer(options.target); });
  }
  if (shards->parsed()) return with_operator(options, [](Operator& op) { return op.shards(); });
  if (split->parsed()) return change_shards(options, &Operator::split);
  if (move->parsed()) return change_shards(options, &Operator::move);
  if (snapshot->parsed()) {
    return with_operator(options, [](Operator& op) { return op.snapshot(); });
  }
  if (drain->parsed()) {
    return with_operator(options, [&](Operator& op) { return op.drain(!options.no_wait); });
  }
  if (backup->parsed()) {
    return with_client(options, [&](Scheduler& scheduler, AdminClient& client) {
      return take_backup(scheduler, client, options.out, options.common.json);
    });
  }
  if (verify->parsed()) return show_backup(options.restore.from, options.common.json);
  return restore(options);
}

}  // namespace

}  // namespace keelson::ctl

int main(int argc, char** argv) { return keelson::ctl::run(argc, argv); }

// keelson: the production server. `serve` runs one node, `dev` a whole cluster on loopback.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "tools/server/dev.h"
#include "tools/server/serve.h"
#include "tools/server/serve_options.h"

int main(int argc, char** argv) {
  CLI::App app{"Keelson: a Raft storage node with S3, DynamoDB and SQS listeners"};
  app.require_subcommand(1);

  keelson::server::ServeOptions serve_options;
  CLI::App* const serve = app.add_subcommand("serve", "Run one node until SIGTERM or SIGINT");
  keelson::server::add_serve_flags(*serve, serve_options);

  keelson::server::DevOptions dev_options;
  CLI::App* const dev =
      app.add_subcommand("dev", "Run a whole cluster on loopback until SIGTERM or SIGINT");
  dev->add_option("--nodes", dev_options.nodes, "How many nodes")
      ->capture_default_str()
      ->check(CLI::Range(1, 9));
  dev->add_option("--groups", dev_options.groups, "Raft groups")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  dev->add_option("--dir", dev_options.directory, "Where the data goes: DIR/n1, DIR/n2, ...")
      ->capture_default_str();
  dev->add_flag("--json", dev_options.json, "Print the addresses as one line of JSON");

  auto arguments = keelson::server::expand_config({argv + 1, argv + argc});
  if (!arguments) {
    fmt::print(stderr, "keelson: {}\n", arguments.error().message);
    return 2;
  }
  try {
    // CLI11 takes its arguments in reverse order.
    std::vector<std::string> reversed(arguments->rbegin(), arguments->rend());
    app.parse(std::move(reversed));
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }

  const auto result =
      serve->parsed() ? keelson::server::serve(serve_options) : keelson::server::dev(dev_options);
  if (result) return 0;
  fmt::print(stderr, "keelson: {}\n", result.error().message);
  return result.error().code == keelson::ErrorCode::invalid_argument ? 2 : 1;
}

// keelson-bench: puts load on the real listeners, and on the peers that Keelson is compared with.
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <sstream>

#include "net/socket_address.h"
#include "tools/load/load.h"
#include "tools/load/report.h"

namespace keelson::load {
namespace {

constexpr int kUnexpected = 1;
constexpr int kBadUsage = 2;
constexpr std::uint64_t kObjectBytesMax = std::uint64_t{5} << 30;  // S3's, of one PUT.
constexpr std::uint64_t kHeldBytesMax = 1 << 20;  // Other protocols have whole values in memory.

struct Flags {
  std::string endpoints;
  std::string protocol = "s3";
  std::string target = "leader";
  std::size_t clients = 16;
  std::size_t connections = 0;
  std::uint64_t rate = 0;
  double seconds = 5;
  double warm_up = 1;
  double timeout = 10;
  Mix mix;
  std::string bucket = "bench";
  std::string access_key;
  std::string secret_key;
  std::string region = "us-east-1";
  bool json = false;
};

void add_flags(CLI::App& app, Flags& flags) {
  // Scripts add flags to those of others: the last one holds.
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.add_option("--endpoints", flags.endpoints, "HOST:PORT,... of the listeners to ask")
      ->required();
  app.add_option("--protocol", flags.protocol,
                 "s3: Keelson's S3 listener; etcd: gRPC; floor: bench/floor")
      ->check(CLI::IsMember({"s3", "etcd", "floor"}))
      ->capture_default_str();
  app.add_option("--target", flags.target,
                 "leader: find it once, by its probe, and ask it; all: spread over all endpoints")
      ->check(CLI::IsMember({"leader", "all"}))
      ->capture_default_str();
  app.add_option("--clients", flags.clients, "Requests that may be under way at once")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  app.add_option("--conns", flags.connections,
                 "Connections that clients share (not s3); default: one a client");
  app.add_option("--rate", flags.rate,
                 "Requests a second, whatever the servers do; latency then counts from when a "
                 "request should have begun. Default: each client asks again when answered")
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--seconds", flags.seconds, "How long to measure")
      ->check(CLI::Range(0.1, 86'400.0))
      ->capture_default_str();
  app.add_option("--warm-up", flags.warm_up, "Seconds before that")
      ->check(CLI::Range(0.0, 3'600.0))
      ->capture_default_str();
  app.add_option("--timeout", flags.timeout, "Seconds to wait for servers and for last answers")
      ->check(CLI::Range(0.1, 3'600.0))
      ->capture_default_str();
  app.add_option("--value-bytes", flags.mix.value_bytes,
                 "Octets of a value: 4096, 64MiB, 1GiB; at most 5GiB (1MiB if not s3)")
      ->transform(CLI::AsSizeValue(true))
      ->check(CLI::Range(std::uint64_t{1}, kObjectBytesMax))
      ->capture_default_str();
  app.add_option("--keys", flags.mix.keys, "How many different keys")
      ->check(CLI::Range(1, 100'000'000))
      ->capture_default_str();
  app.add_option("--reads", flags.mix.read_percent, "Percent of gets among puts")
      ->check(CLI::Range(0, 100))
      ->capture_default_str();
  app.add_flag("--probes", flags.mix.probes, "Nothing but leader probes");
  app.add_option("--seed", flags.mix.seed, "Of keys and values")->capture_default_str();
  app.add_option("--bucket", flags.bucket, "Created if absent")->capture_default_str();
  app.add_option("--access-key", flags.access_key, "Sign requests (SigV4)");
  app.add_option("--secret-key", flags.secret_key);
  app.add_option("--region", flags.region)->capture_default_str();
  app.add_flag("--json", flags.json, "One line of JSON on standard output");
}

Error wrong(const char* what) { return {ErrorCode::invalid_argument, what}; }

Result<Plan> plan_of(const Flags& flags) {
  Plan plan;
  if (flags.protocol == "etcd") plan.kind.protocol = SessionKind::Protocol::etcd;
  if (flags.protocol == "floor") plan.kind.protocol = SessionKind::Protocol::floor;
  const bool is_s3 = flags.protocol == "s3";
  const bool is_floor = flags.protocol == "floor";
  if (is_floor && (flags.mix.read_percent > 0 || flags.mix.probes)) {
    return wrong("--protocol floor: knows puts only");
  }
  if (is_s3 && flags.connections != 0 && flags.connections != flags.clients) {
    return wrong("--conns: HTTP/1.1 carries one request at a time; each client has a connection");
  }
  if (!is_s3 && flags.mix.value_bytes > kHeldBytesMax) {
    return wrong("--value-bytes: more than 1MiB only for --protocol s3");
  }
  if (flags.connections > flags.clients) return wrong("--conns: more than --clients");
  if (flags.access_key.empty() != flags.secret_key.empty()) {
    return wrong("--access-key and --secret-key belong together");
  }
  if (!is_s3 && !flags.access_key.empty()) return wrong("--access-key: only for --protocol s3");
  std::istringstream list(flags.endpoints);
  for (std::string item; std::getline(list, item, ',');) {
    TRY(parse_address(item));
    plan.endpoints.push_back(item);
  }
  if (plan.endpoints.empty()) return wrong("--endpoints: names none");
  plan.kind.bucket = flags.bucket;
  if (!flags.access_key.empty()) {
    plan.kind.signing = Signing{flags.access_key, flags.secret_key, flags.region};
  }
  plan.to_leader = flags.target == "leader";
  plan.clients = flags.clients;
  plan.connections = flags.connections == 0 ? flags.clients : flags.connections;
  plan.rate = flags.rate;
  plan.span_ns = static_cast<std::int64_t>(flags.seconds * 1e9);
  plan.warm_up_ns = static_cast<std::int64_t>(flags.warm_up * 1e9);
  plan.timeout_ns = static_cast<std::int64_t>(flags.timeout * 1e9);
  plan.mix = flags.mix;
  plan.shows_progress = isatty(STDERR_FILENO) == 1;
  return plan;
}

// A connection a client takes a descriptor each; what the system grants is taken.
void allow_many_descriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int complain(const Error& error) {
  fmt::print(stderr, "keelson-bench: {}\n", error.message);
  return error.code == ErrorCode::invalid_argument ? kBadUsage : kUnexpected;
}

int run(const Flags& flags) {
  const auto plan = plan_of(flags);
  if (!plan) return complain(plan.error());
  allow_many_descriptors();
  Load load(*plan);
  const auto figures = load.run();
  if (!figures) return complain(figures.error());
  fmt::print("{}", flags.json ? json_of(*plan, *figures) : text_of(*plan, *figures));
  return figures->unexpected == 0 && figures->expected > 0 ? 0 : kUnexpected;
}

}  // namespace
}  // namespace keelson::load

int main(int argc, char** argv) {
  CLI::App app{
      "keelson-bench: puts load on Keelson's listeners, or on a peer, and measures.\n"
      "Exits 0 only if every answer was as expected, 1 if not, 2 on bad usage."};
  keelson::load::Flags flags;
  keelson::load::add_flags(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : keelson::load::kBadUsage;
  }
  return keelson::load::run(flags);
}

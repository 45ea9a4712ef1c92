#include "tools/simulate/summary.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <sstream>

#include "core/base/bytes.h"

namespace keelson::simulate {

namespace json = boost::json;

namespace {

// A fault that was injected seldom may well have come to nothing each time.
constexpr std::uint64_t kInjectedToJudge = 20;

std::string seconds(std::int64_t ns) {
  return fmt::format("{}.{:03}", ns / 1'000'000'000, ns / 1'000'000 % 1000);
}

}  // namespace

double seconds_number(std::int64_t ns) { return static_cast<double>(ns) / 1e9; }

void Summary::add(const Outcome& outcome) {
  ++seeds;
  if (outcome.failure) {
    ++failure_count;
    if (failures.size() < kFailuresKept) failures.push_back(outcome);
  }
  virtual_ns += outcome.virtual_ns;
  events += outcome.events;
  // A sum of mixed digests: the order in which workers finish does not matter.
  Bytes mixed;
  append_u64(mixed, outcome.seed);
  append_u64(mixed, outcome.digest);
  digest_sum += hash64(mixed);
  last_digest = outcome.digest;
  for (const auto& [kind, count] : outcome.faults) {
    faults[kind].injected += count.injected;
    faults[kind].effective += count.effective;
  }
  for (const auto& [name, count] : outcome.reached) reached[name] += count;
  for (const auto& [name, count] : outcome.counts) counts[name] += count;
}

void Summary::judge_vacuity(bool judge_reached) {
  for (const auto& [kind, count] : faults) {
    if (count.injected >= kInjectedToJudge && count.effective == 0) {
      simulator_lies = true;
      vacuities.push_back(
          fmt::format("{}: {} was injected {} times and never had an effect", scenario, kind,
                      count.injected));
    }
  }
  if (!judge_reached) return;
  for (const auto& [name, count] : reached) {
    if (count == 0) vacuities.push_back(fmt::format("{}: never reached: {}", scenario, name));
  }
}

std::uint64_t Summary::digest() const { return seeds == 1 ? last_digest : digest_sum; }

ExitCode Summary::exit_code() const {
  if (simulator_lies) return ExitCode::vacuous;
  if (failure_count > 0) return ExitCode::broken;
  if (!divergences.empty()) return ExitCode::not_deterministic;
  if (!vacuities.empty()) return ExitCode::vacuous;
  return ExitCode::held;
}

std::string repeat_line(const Outcome& outcome) {
  return fmt::format("build/bin/keelson-sim run {} --seed {}", outcome.scenario, outcome.seed);
}

std::string to_json(const Summary& summary) {
  json::array failures;
  for (const Outcome& outcome : summary.failures) {
    failures.push_back(json::object{{"scenario", outcome.scenario},
                                    {"seed", outcome.seed},
                                    {"oracle", outcome.failure->oracle},
                                    {"message", outcome.failure->message},
                                    {"fingerprint", outcome.failure->fingerprint},
                                    {"at_seconds", seconds_number(outcome.failure->at_ns)},
                                    {"repeat", repeat_line(outcome)}});
  }
  json::object faults;
  for (const auto& [kind, count] : summary.faults) {
    faults[kind] = json::object{{"injected", count.injected}, {"effective", count.effective}};
  }
  json::object reached;
  for (const auto& [name, count] : summary.reached) reached[name] = count;
  json::object counts;
  for (const auto& [name, count] : summary.counts) counts[name] = count;
  json::array divergences;
  for (const auto& text : summary.divergences) divergences.push_back(json::string(text));
  json::array vacuities;
  for (const auto& text : summary.vacuities) vacuities.push_back(json::string(text));
  return json::serialize(json::object{{"scenario", summary.scenario},
                                      {"seeds", summary.seeds},
                                      {"failure_count", summary.failure_count},
                                      {"failures", std::move(failures)},
                                      {"divergences", std::move(divergences)},
                                      {"vacuities", std::move(vacuities)},
                                      {"virtual_seconds", seconds_number(summary.virtual_ns)},
                                      {"wall_seconds", seconds_number(summary.wall_ns)},
                                      {"events", summary.events},
                                      {"digest_sum", summary.digest_sum},
                                      {"digest", fmt::format("{:016x}", summary.digest())},
                                      {"faults", std::move(faults)},
                                      {"reached", std::move(reached)},
                                      {"counts", std::move(counts)}});
}

std::string to_text(const Summary& summary) {
  std::ostringstream out;
  out << fmt::format("{}: {} seeds, {} virtual seconds in {} s, {} events, digest {:016x}\n",
                     summary.scenario, summary.seeds, seconds(summary.virtual_ns),
                     seconds(summary.wall_ns), summary.events, summary.digest());
  for (const Outcome& outcome : summary.failures) {
    out << fmt::format("  seed {} broke '{}' at {} s: {}\n    repeat: {}\n", outcome.seed,
                       outcome.failure->oracle, seconds(outcome.failure->at_ns),
                       outcome.failure->message, repeat_line(outcome));
  }
  if (summary.failure_count > summary.failures.size()) {
    out << fmt::format("  ... and {} more\n", summary.failure_count - summary.failures.size());
  }
  for (const auto& text : summary.divergences) out << "  not deterministic: " << text << "\n";
  for (const auto& text : summary.vacuities) out << "  vacuous: " << text << "\n";
  out << "  faults (injected / effective):\n";
  for (const auto& [kind, count] : summary.faults) {
    out << fmt::format("    {:28} {:>10} {:>10}\n", kind, count.injected, count.effective);
  }
  out << "  reached:\n";
  for (const auto& [name, count] : summary.reached) {
    out << fmt::format("    {:54} {:>10}\n", name, count);
  }
  return out.str();
}

Result<Summary> summary_from_json(const std::string& text) {
  boost::system::error_code failed;
  const json::value value = json::parse(text, failed);
  const json::object* const object = value.if_object();
  if (failed || object == nullptr || !object->contains("digest_sum")) {
    return Error{ErrorCode::corrupt, "not a summary of keelson-sim"};
  }
  const auto number = [](const json::value& each) { return each.to_number<std::uint64_t>(); };
  const auto nanoseconds = [](const json::value& each) {
    return static_cast<std::int64_t>(each.to_number<double>() * 1e9 + 0.5);
  };
  Summary summary;
  summary.scenario = std::string(object->at("scenario").as_string());
  summary.seeds = number(object->at("seeds"));
  summary.failure_count = number(object->at("failure_count"));
  for (const json::value& each : object->at("failures").as_array()) {
    Outcome outcome{.scenario = std::string(each.at("scenario").as_string()),
                    .seed = number(each.at("seed"))};
    outcome.failure = Outcome::Failure{
        .oracle = std::string(each.at("oracle").as_string()),
        .message = std::string(each.at("message").as_string()),
        .fingerprint = std::string(each.at("fingerprint").as_string()),
        .at_ns = nanoseconds(each.at("at_seconds"))};
    summary.failures.push_back(std::move(outcome));
  }
  for (const json::value& each : object->at("divergences").as_array()) {
    summary.divergences.emplace_back(each.as_string());
  }
  summary.virtual_ns = nanoseconds(object->at("virtual_seconds"));
  summary.wall_ns = nanoseconds(object->at("wall_seconds"));
  summary.events = number(object->at("events"));
  summary.digest_sum = number(object->at("digest_sum"));
  for (const auto& [kind, count] : object->at("faults").as_object()) {
    summary.faults[kind] = {.injected = number(count.at("injected")),
                            .effective = number(count.at("effective"))};
  }
  for (const auto& [name, count] : object->at("reached").as_object()) {
    summary.reached[name] = number(count);
  }
  for (const auto& [name, count] : object->at("counts").as_object()) {
    summary.counts[name] = number(count);
  }
  return summary;
}

}  // namespace keelson::simulate

#include "tools/simulate/summary.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <pugixml.hpp>
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

std::string to_junit(const std::vector<Summary>& scenarios) {
  pugi::xml_document document;
  pugi::xml_node suite = document.append_child("testsuite");
  suite.append_attribute("name") = "keelson-sim gate";
  suite.append_attribute("tests") = static_cast<unsigned>(scenarios.size());
  for (const Summary& summary : scenarios) {
    pugi::xml_node test = suite.append_child("testcase");
    test.append_attribute("classname") = "gate";
    test.append_attribute("name") = summary.scenario.c_str();
    test.append_attribute("time") = seconds(summary.wall_ns).c_str();
    if (summary.exit_code() == ExitCode::held) continue;
    pugi::xml_node failure = test.append_child("failure");
    failure.append_attribute("message") =
        summary.failures.empty() ? "not deterministic or vacuous"
                                 : summary.failures.front().failure->message.c_str();
    failure.text() = to_text(summary).c_str();
  }
  std::ostringstream out;
  document.save(out, "  ");
  return out.str();
}

}  // namespace keelson::simulate

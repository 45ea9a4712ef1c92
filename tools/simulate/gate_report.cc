// Tested by tests/tools/gate_report_test.cc and tests/tools/keelson_sim_test.py.
#include "tools/simulate/gate_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <pugixml.hpp>
#include <set>
#include <sstream>

namespace keelson::simulate {

namespace json = boost::json;

namespace {

// Fewer seeds of a scenario than this say little about which paths it can take.
constexpr std::uint64_t kSeedsToJudgeReached = 200;

void add(Summary& sum, const Summary& each) {
  sum.seeds += each.seeds;
  sum.failure_count += each.failure_count;
  sum.failures.insert(sum.failures.end(), each.failures.begin(), each.failures.end());
  sum.divergences.insert(sum.divergences.end(), each.divergences.begin(), each.divergences.end());
  sum.virtual_ns += each.virtual_ns;
  sum.wall_ns = std::max(sum.wall_ns, each.wall_ns);
  sum.events += each.events;
  sum.digest_sum += each.digest_sum;
  sum.last_digest = each.last_digest;
  for (const auto& [kind, count] : each.faults) {
    sum.faults[kind].injected += count.injected;
    sum.faults[kind].effective += count.effective;
  }
  for (const auto& [name, count] : each.reached) sum.reached[name] += count;
  for (const auto& [name, count] : each.counts) sum.counts[name] += count;
}

std::string verdict(const Regression& regression) {
  if (regression.failure) {
    return fmt::format("BROKEN by '{}': {}", regression.failure->oracle,
                       regression.failure->message);
  }
  if (!regression.is_deterministic) return "NOT DETERMINISTIC";
  return regression.is_stale() ? "STALE: it tests something else by now" : "held";
}

bool is_well(const Regression& regression) {
  return !regression.failure && regression.is_deterministic && !regression.is_stale();
}

std::string bound(const Summary& each) {
  if (each.failure_count > 0) return fmt::format("BROKEN in {} seeds", each.failure_count);
  if (each.seeds <= 3) return "held; so few runs bound nothing";
  return fmt::format("held; with 95 % confidence fewer than {:.2g} of such runs fail (3/{})",
                     3.0 / static_cast<double>(each.seeds), each.seeds);
}

// One failure of each sort, with the line that repeats it.
std::string say_failures(const Summary& all) {
  std::string text;
  std::set<std::string> sorts;
  for (const Outcome& each : all.failures) {
    if (!sorts.insert(each.scenario + each.failure->fingerprint).second) continue;
    text += fmt::format("BROKEN '{}' in {}: {}\n  repeat: {}\n", each.failure->oracle,
                        each.scenario, each.failure->message, repeat_line(each));
  }
  return text;
}

std::string say_faults(const Summary& all) {
  FaultCount sum;
  std::string idle;
  for (const auto& [kind, count] : all.faults) {
    sum.injected += count.injected;
    sum.effective += count.effective;
    if (count.injected > 0 && count.effective == 0) idle += " " + kind;
  }
  return fmt::format("faults: {} injected, of {} kinds, with {} effects; kinds without any:{}\n",
                     sum.injected, all.faults.size(), sum.effective,
                     idle.empty() ? " none" : idle);
}

std::string say_paths(const Summary& all) {
  std::size_t taken = 0;
  std::string missed;
  for (const auto& [path, count] : all.reached) {
    if (count > 0) ++taken;
    else missed += "\n  " + path;
  }
  return fmt::format("paths: {} of {} taken; not taken:{}\n", taken, all.reached.size(),
                     missed.empty() ? " none" : missed);
}

// What is still to be seen when all that is above has scrolled away.
std::string conclusion(const Summary& all) {
  const double wall = seconds_number(all.wall_ns);
  const auto seeds = static_cast<double>(all.seeds);
  std::string text = "\n" + say_faults(all) + say_paths(all);
  text += fmt::format("{} seeds, each run twice, in {:.1f} s: {:.1f} a second; {}\n", all.seeds,
                      wall, wall > 0 ? seeds / wall : 0, bound(all));
  return text + say_failures(all);
}

json::object to_object(const Regression& regression) {
  json::object object{{"file", regression.file},
                      {"scenario", regression.scenario},
                      {"listed", regression.listed},
                      {"matched", regression.matched},
                      {"deterministic", regression.is_deterministic},
                      {"verdict", verdict(regression)}};
  if (!regression.failure) return object;
  object["failure"] = json::object{{"oracle", regression.failure->oracle},
                                   {"message", regression.failure->message},
                                   {"fingerprint", regression.failure->fingerprint}};
  return object;
}

Regression regression_from(const json::object& object) {
  Regression regression{.file = std::string(object.at("file").as_string()),
                        .scenario = std::string(object.at("scenario").as_string()),
                        .listed = object.at("listed").to_number<std::uint64_t>(),
                        .matched = object.at("matched").to_number<std::uint64_t>(),
                        .is_deterministic = object.at("deterministic").as_bool()};
  if (const json::value* const failure = object.if_contains("failure")) {
    regression.failure = Outcome::Failure{
        .oracle = std::string(failure->at("oracle").as_string()),
        .message = std::string(failure->at("message").as_string()),
        .fingerprint = std::string(failure->at("fingerprint").as_string())};
  }
  return regression;
}

pugi::xml_node add_case(pugi::xml_node suite, const std::string& group, const std::string& name) {
  pugi::xml_node test = suite.append_child("testcase");
  test.append_attribute("classname") = group.c_str();
  test.append_attribute("name") = name.c_str();
  return test;
}

void add_failure(pugi::xml_node test, const std::string& message, const std::string& text) {
  pugi::xml_node failure = test.append_child("failure");
  failure.append_attribute("message") = message.c_str();
  failure.text() = text.c_str();
}

// A path is judged where a scenario had seeds enough; of the others, where all that demand it had
// so many together and it was taken nowhere.
void judge_reached(const GateReport& report, Summary& all) {
  std::map<std::string, std::uint64_t> seeds_in_vain;  // By path.
  for (const Summary& each : report.scenarios) {
    for (const auto& [name, count] : each.reached) {
      if (count > 0) continue;
      if (each.seeds >= kSeedsToJudgeReached) {
        all.vacuities.push_back(fmt::format("{}: never reached: {}", each.scenario, name));
      } else if (all.reached.at(name) == 0) {
        seeds_in_vain[name] += each.seeds;
      }
    }
  }
  for (const auto& [name, seeds] : seeds_in_vain) {
    if (seeds < kSeedsToJudgeReached) continue;
    all.vacuities.push_back(fmt::format("never reached in any scenario: {}", name));
  }
}

}  // namespace

Summary judge(const GateReport& report) {
  Summary all;
  all.scenario = "gate";
  for (const Summary& each : report.scenarios) add(all, each);
  if (report.is_shard()) return all;
  // Faults are judged over all scenarios: one alone may draw a rare one in vain.
  all.judge_vacuity(false);
  judge_reached(report, all);
  if (report.canary.empty()) {
    all.vacuities.push_back("the canary did not fail, or did not shrink: this gate cannot see");
  }
  for (const Regression& each : report.regressions) {
    if (!each.is_stale()) continue;
    all.vacuities.push_back(fmt::format("{}: the run asked for {} of its {} choices", each.file,
                                        each.matched, each.listed));
  }
  return all;
}

ExitCode exit_code(const GateReport& report) {
  const auto broken = [](const Regression& each) { return each.failure.has_value(); };
  const auto parted = [](const Regression& each) { return !each.is_deterministic; };
  const Summary all = judge(report);
  const auto& regressions = report.regressions;
  if (all.simulator_lies) return ExitCode::vacuous;
  if (std::any_of(regressions.begin(), regressions.end(), broken)) return ExitCode::broken;
  if (all.failure_count > 0) return ExitCode::broken;
  if (std::any_of(regressions.begin(), regressions.end(), parted)) {
    return ExitCode::not_deterministic;
  }
  return all.exit_code();
}

std::string to_text(const GateReport& report) {
  const Summary all = judge(report);
  std::string text = to_text(all);
  for (const Summary& each : report.scenarios) {
    text += fmt::format("{:20} {:>7} seeds, {:>9.0f} virtual seconds: {}\n", each.scenario,
                        each.seeds, seconds_number(each.virtual_ns), bound(each));
  }
  if (!report.canary.empty()) text += fmt::format("{:20} {}\n", "canary", report.canary);
  for (const Regression& each : report.regressions) {
    text += fmt::format("regression {}: {}; {} % of its {} choices were asked for\n", each.file,
                        verdict(each), each.match_percent(), each.listed);
  }
  for (const std::string& file : report.artifacts) text += fmt::format("written: {}\n", file);
  return text + conclusion(all);
}

std::string to_json(const GateReport& report) {
  json::object object = json::parse(to_json(judge(report))).as_object();
  json::array scenarios;
  for (const Summary& each : report.scenarios) scenarios.push_back(json::parse(to_json(each)));
  json::array regressions;
  for (const Regression& each : report.regressions) regressions.push_back(to_object(each));
  json::array artifacts;
  for (const std::string& file : report.artifacts) artifacts.push_back(json::string(file));
  object["scenarios"] = std::move(scenarios);
  object["regressions"] = std::move(regressions);
  object["artifacts"] = std::move(artifacts);
  object["canary"] = report.canary;
  if (!report.base.empty()) {
    object["seeds_of"] = json::object{
        {"base", report.base}, {"shard", report.shard}, {"shards", report.shards}};
  }
  return json::serialize(object);
}

Result<GateReport> gate_report_from_json(const std::string& text) {
  boost::system::error_code failed;
  const json::value value = json::parse(text, failed);
  const json::object* const object = value.if_object();
  const bool is_report = !failed && object != nullptr && object->contains("scenarios") &&
                         object->contains("regressions") && object->contains("canary");
  if (!is_report) return Error{ErrorCode::corrupt, "not what gate --json prints"};
  GateReport report;
  for (const json::value& each : object->at("scenarios").as_array()) {
    TRY(Summary summary, summary_from_json(json::serialize(each)));
    report.scenarios.push_back(std::move(summary));
  }
  for (const json::value& each : object->at("regressions").as_array()) {
    report.regressions.push_back(regression_from(each.as_object()));
  }
  for (const json::value& each : object->at("artifacts").as_array()) {
    report.artifacts.emplace_back(each.as_string());
  }
  report.canary = std::string(object->at("canary").as_string());
  return report;
}

std::string to_junit(const GateReport& report) {
  pugi::xml_document document;
  pugi::xml_node suite = document.append_child("testsuite");
  suite.append_attribute("name") = "keelson-sim gate";
  suite.append_attribute("tests") =
      static_cast<unsigned>(report.scenarios.size() + report.regressions.size() + 1);
  for (const Summary& each : report.scenarios) {
    pugi::xml_node test = add_case(suite, "gate", each.scenario);
    test.append_attribute("time") = fmt::format("{:.3f}", seconds_number(each.wall_ns)).c_str();
    if (each.exit_code() == ExitCode::held) continue;
    add_failure(test,
                each.failures.empty() ? "not deterministic or vacuous"
                                      : each.failures.front().failure->message,
                to_text(each));
  }
  for (const Regression& each : report.regressions) {
    const pugi::xml_node test = add_case(suite, "regression", each.file);
    if (!is_well(each)) add_failure(test, verdict(each), verdict(each));
  }
  const Summary all = judge(report);
  const pugi::xml_node whole = add_case(suite, "gate", "the gate sees");
  std::string vacuities;
  for (const std::string& vacuity : all.vacuities) vacuities += vacuity + "\n";
  if (!all.vacuities.empty()) add_failure(whole, all.vacuities.front(), vacuities);
  std::ostringstream out;
  document.save(out, "  ");
  return out.str();
}

void merge_into(GateReport& report, const GateReport& shard) {
  for (const Summary& each : shard.scenarios) {
    const auto known = std::find_if(
        report.scenarios.begin(), report.scenarios.end(),
        [&](const Summary& summary) { return summary.scenario == each.scenario; });
    if (known == report.scenarios.end()) {
      report.scenarios.push_back(each);
    } else {
      add(*known, each);
    }
  }
  // Every shard runs all of them.
  if (report.regressions.empty()) report.regressions = shard.regressions;
  if (report.canary.empty()) report.canary = shard.canary;
  report.artifacts.insert(report.artifacts.end(), shard.artifacts.begin(), shard.artifacts.end());
}

}  // namespace keelson::simulate

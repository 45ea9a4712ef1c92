#include "tools/simulate/outcome.h"

#include <boost/json.hpp>

namespace keelson::simulate {

namespace json = boost::json;

namespace {

json::object to_object(const std::map<std::string, std::uint64_t>& counts) {
  json::object object;
  for (const auto& [name, count] : counts) object[name] = count;
  return object;
}

json::array to_array(const std::vector<sim::DrawnChoice>& choices) {
  json::array array;
  for (const auto& [stream, choice, at] : choices) {
    array.push_back(json::array{stream, choice.nth, choice.value, at.ns});
  }
  return array;
}

std::vector<sim::DrawnChoice> to_choices(const json::value& value) {
  std::vector<sim::DrawnChoice> choices;
  for (const json::value& each : value.as_array()) {
    const json::array& parts = each.as_array();
    choices.push_back({.stream = std::string(parts.at(0).as_string()),
                       .choice = {.nth = parts.at(1).to_number<std::uint64_t>(),
                                  .value = parts.at(2).to_number<std::uint64_t>()},
                       .at = {parts.at(3).to_number<std::int64_t>()}});
  }
  return choices;
}

std::map<std::string, std::uint64_t> to_map(const json::value& value) {
  std::map<std::string, std::uint64_t> counts;
  for (const auto& [name, count] : value.as_object()) {
    counts[std::string(name)] = count.to_number<std::uint64_t>();
  }
  return counts;
}

}  // namespace

std::string to_json_line(const Outcome& outcome) {
  json::object object{{"scenario", outcome.scenario},     {"seed", outcome.seed},
                      {"digest", outcome.digest},         {"virtual_ns", outcome.virtual_ns},
                      {"wall_ns", outcome.wall_ns},       {"events", outcome.events},
                      {"reached", to_object(outcome.reached)},
                      {"counts", to_object(outcome.counts)},
                      {"choices", to_array(outcome.choices)},
                      {"matched", outcome.matched}};
  json::object faults;
  for (const auto& [kind, count] : outcome.faults) {
    faults[kind] = json::array{count.injected, count.effective};
  }
  object["faults"] = std::move(faults);
  if (outcome.failure) {
    object["failure"] = json::object{{"oracle", outcome.failure->oracle},
                                     {"message", outcome.failure->message},
                                     {"fingerprint", outcome.failure->fingerprint},
                                     {"at_ns", outcome.failure->at_ns}};
  }
  return json::serialize(object);
}

Result<Outcome> outcome_from_json(const std::string& line) {
  boost::system::error_code failed;
  const json::value value = json::parse(line, failed);
  if (failed || !value.is_object()) return Error{ErrorCode::corrupt, "not an outcome: " + line};
  const json::object& object = value.as_object();
  Outcome outcome;
  outcome.scenario = std::string(object.at("scenario").as_string());
  outcome.seed = object.at("seed").to_number<std::uint64_t>();
  outcome.digest = object.at("digest").to_number<std::uint64_t>();
  outcome.virtual_ns = object.at("virtual_ns").to_number<std::int64_t>();
  outcome.wall_ns = object.at("wall_ns").to_number<std::int64_t>();
  outcome.events = object.at("events").to_number<std::uint64_t>();
  outcome.reached = to_map(object.at("reached"));
  outcome.counts = to_map(object.at("counts"));
  outcome.choices = to_choices(object.at("choices"));
  outcome.matched = object.at("matched").to_number<std::uint64_t>();
  for (const auto& [kind, count] : object.at("faults").as_object()) {
    outcome.faults[std::string(kind)] = {
        .injected = count.as_array().at(0).to_number<std::uint64_t>(),
        .effective = count.as_array().at(1).to_number<std::uint64_t>()};
  }
  if (const json::value* const failure = object.if_contains("failure")) {
    outcome.failure = Outcome::Failure{
        .oracle = std::string(failure->at("oracle").as_string()),
        .message = std::string(failure->at("message").as_string()),
        .fingerprint = std::string(failure->at("fingerprint").as_string()),
        .at_ns = failure->at("at_ns").to_number<std::int64_t>()};
  }
  return outcome;
}

}  // namespace keelson::simulate

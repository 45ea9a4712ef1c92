#include "tools/simulate/job.h"

#include <boost/json.hpp>
#include <utility>

#include "core/base/check.h"

namespace keelson::simulate {

namespace json = boost::json;

namespace {

json::object to_object(const sim::ChoicesByStream& choices) {
  json::object object;
  for (const auto& [stream, each] : choices) {
    json::array numbers;
    for (const sim::Choice& choice : each) {
      numbers.push_back(choice.nth);
      numbers.push_back(choice.value);
    }
    object[stream] = std::move(numbers);
  }
  return object;
}

sim::ChoicesByStream to_choices(const json::object& object) {
  sim::ChoicesByStream choices;
  for (const auto& [stream, numbers] : object) {
    std::vector<sim::Choice>& each = choices[std::string(stream)];
    const json::array& array = numbers.as_array();
    for (std::size_t i = 0; i + 1 < array.size(); i += 2) {
      each.push_back({.nth = array[i].to_number<std::uint64_t>(),
                      .value = array[i + 1].to_number<std::uint64_t>()});
    }
  }
  return choices;
}

}  // namespace

std::string to_json_line(const Job& job) {
  json::object object{{"scenario", job.scenario},
                      {"seed", job.seed},
                      {"repro_path", job.repro_path},
                      {"events_limit", job.limits.events},
                      {"time_limit_ns", job.limits.time.ns},
                      {"wants_choices", job.wants_choices}};
  if (job.fixed) object["fixed"] = to_object(*job.fixed);
  if (job.redraw) {
    object["redraw_from_ns"] = job.redraw->from.ns;
    object["redraw_seed"] = job.redraw->seed;
  }
  return json::serialize(object);
}

Result<Job> job_from_json(const std::string& line) {
  boost::system::error_code failed;
  const json::value value = json::parse(line, failed);
  if (failed || !value.is_object()) return Error{ErrorCode::corrupt, "not a job: " + line};
  const json::object& object = value.as_object();
  Job job{.scenario = std::string(object.at("scenario").as_string()),
          .seed = object.at("seed").to_number<std::uint64_t>(),
          .repro_path = std::string(object.at("repro_path").as_string()),
          .limits = {.events = object.at("events_limit").to_number<std::uint64_t>(),
                     .time = {object.at("time_limit_ns").to_number<std::int64_t>()}},
          .wants_choices = object.at("wants_choices").as_bool()};
  if (const json::value* const fixed = object.if_contains("fixed")) {
    job.fixed = to_choices(fixed->as_object());
  }
  if (const json::value* const seed = object.if_contains("redraw_seed")) {
    job.redraw = {.from = {object.at("redraw_from_ns").to_number<std::int64_t>()},
                  .seed = seed->to_number<std::uint64_t>()};
  }
  return job;
}

sim::Choices choices_of(const Job& job) {
  CHECK(job.fixed || !job.redraw);
  if (job.redraw) return sim::Choices(*job.fixed, *job.redraw);
  if (job.fixed) return sim::Choices(*job.fixed);
  const bool records = job.wants_choices || !job.repro_path.empty();
  return sim::Choices(job.seed,
                      records ? sim::Choices::Recording::on : sim::Choices::Recording::off);
}

}  // namespace keelson::simulate

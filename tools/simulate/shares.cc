// Tested by tests/tools/shares_test.cc.
#include "tools/simulate/shares.h"

#include <algorithm>
#include <boost/json.hpp>

namespace keelson::simulate {

namespace json = boost::json;

namespace {

// A path is rare if it is taken less often than once in so many seeds of the gate.
constexpr std::uint64_t kRareIn = 20;

}  // namespace

std::uint64_t Shares::weight(const std::string& scenario) const {
  const auto known = past_.find(scenario);
  if (known == past_.end()) return kLeast;
  std::uint64_t most_reached = 1;
  for (const auto& [name, past] : past_) most_reached = std::max(most_reached, past.reached);
  const std::uint64_t for_found = 3 * std::min<std::uint64_t>(kLeast, known->second.found);
  return kLeast + for_found + kLeast * known->second.reached / most_reached;
}

void Shares::learn(const std::vector<Summary>& scenarios) {
  std::uint64_t seeds = 0;
  std::map<std::string, std::uint64_t> reached;
  for (const Summary& each : scenarios) {
    seeds += each.seeds;
    for (const auto& [path, count] : each.reached) reached[path] += count;
  }
  for (auto& [name, past] : past_) past = {.found = past.found / 2, .reached = past.reached / 2};
  for (const Summary& each : scenarios) {
    Past& past = past_[each.scenario];
    past.found += kLeast * std::min<std::uint64_t>(each.failure_count, 1000);
    for (const auto& [path, count] : each.reached) {
      if (count > 0 && reached[path] * kRareIn < seeds) past.reached += kLeast;
    }
  }
}

std::string Shares::to_json() const {
  json::object object;
  for (const auto& [name, past] : past_) {
    object[name] = json::object{{"found", past.found}, {"reached", past.reached}};
  }
  return json::serialize(object);
}

Result<Shares> Shares::from_json(const std::string& text) {
  const Error bad{ErrorCode::corrupt, "not the shares of a gate"};
  boost::system::error_code failed;
  const json::value value = json::parse(text, failed);
  if (failed || !value.is_object()) return bad;
  Shares shares;
  for (const auto& [name, past] : value.as_object()) {
    const json::object* const numbers = past.if_object();
    if (numbers == nullptr) return bad;
    const json::value* const found = numbers->if_contains("found");
    const json::value* const reached = numbers->if_contains("reached");
    if (found == nullptr || !found->is_number() || reached == nullptr || !reached->is_number()) {
      return bad;
    }
    shares.past_[std::string(name)] = {.found = found->to_number<std::uint64_t>(),
                                       .reached = reached->to_number<std::uint64_t>()};
  }
  return shares;
}

}  // namespace keelson::simulate

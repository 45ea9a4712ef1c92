#include "scenarios/catalogue.h"

#include "scenarios/canary.h"
#include "scenarios/disk_storms.h"
#include "scenarios/lost_disks.h"
#include "scenarios/membership_storms.h"
#include "scenarios/probe_bounds.h"
#include "scenarios/s3_storms.h"
#include "scenarios/shard_storms.h"
#include "scenarios/storms.h"
#include "scenarios/transaction_storms.h"

namespace keelson::scenarios {

const std::vector<Scenario>& all_scenarios() {
  static const std::vector<Scenario> scenarios = [] {
    std::vector<Scenario> all = storms();
    for (Scenario& scenario : disk_storms()) all.push_back(std::move(scenario));
    for (Scenario& scenario : membership_storms()) all.push_back(std::move(scenario));
    for (Scenario& scenario : shard_storms()) all.push_back(std::move(scenario));
    all.push_back(lost_disks());
    all.push_back(probe_bounds());
    for (Scenario& scenario : transaction_storms()) all.push_back(std::move(scenario));
    for (Scenario& scenario : s3_storms()) all.push_back(std::move(scenario));
    all.push_back(canary());
    return all;
  }();
  return scenarios;
}

const Scenario* find_scenario(std::string_view name) {
  for (const Scenario& scenario : all_scenarios()) {
    if (scenario.name == name) return &scenario;
  }
  return nullptr;
}

}  // namespace keelson::scenarios

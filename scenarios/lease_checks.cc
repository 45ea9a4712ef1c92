// Tested by the planted bugs M10 and M11, and in scenarios with leases.
#include "scenarios/lease_checks.h"

#include <fmt/format.h>

#include <optional>

namespace keelson::scenarios {

void LeaseChecks::start() {
  for (std::size_t number = 0; number < groups_; ++number) look(GroupId(number));
  world_.at(world_.now() + std::chrono::milliseconds(1), [this] { start(); });
}

void LeaseChecks::look(GroupId group) {
  std::optional<std::size_t> holder;
  for (std::size_t number = 1; number <= cluster_.size(); ++number) {
    Node* const node = cluster_.node(number);
    if (node == nullptr) continue;
    const Instant local = cluster_.machines()[number - 1]->clock().reading();
    if (!node->raft().core(group).lease_read_index(local)) continue;
    ++seen_;
    if (!holder) {
      holder = number;
      continue;
    }
    report_.fail("lease", "two at once",
                 fmt::format("n{} and n{} both hold a lease of {}", *holder, number,
                             to_string(group)),
                 world_.now());
  }
}

}  // namespace keelson::scenarios

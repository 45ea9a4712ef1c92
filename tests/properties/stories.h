// Generators of stories. What they make is always valid; it shrinks to fewer actions, then to
// simpler, earlier, shorter ones, to healthy conditions, to the smallest cluster. Times are
// multiples of 10 ms, so that a person can read what is left.
#pragma once

#include <optional>
#include <vector>

#include "tests/properties/story.h"

// To use what stories() returns, include <rapidcheck.h>.
namespace rc {
template <typename T>
class Gen;
}

namespace keelson::properties {

struct StoryBounds {
  Duration safety_span = std::chrono::seconds(3);  // Actions begin and end within it.
  std::size_t actions_most = 14;
  std::vector<FaultKind> kinds = {};  // Empty: all.
  bool bad_conditions = true;       // Of links, disks and clocks.
  std::int32_t drift_ppm_most = 1'000;
  int leader_aim_percent = 50;      // Of actions that can aim.
  bool one_victim = false;          // Every action is about one and the same node.
  std::optional<std::size_t> nodes = {};     // Drawn: mostly 3, sometimes 5.
  std::optional<std::size_t> groups = {};    // Drawn: 1 to 3.
  std::optional<bool> leases = {};
  std::size_t s3_clients_most = 3;
};

rc::Gen<Story> stories(const StoryBounds& bounds = {});

// All kinds of fault, the ones that are easiest to picture first; shrinking goes to the front.
const std::vector<FaultKind>& kinds_by_simplicity();

}  // namespace keelson::properties

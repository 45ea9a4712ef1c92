// The bounds that keelson-sim explore knows by name.
#pragma once

#include <string>
#include <vector>

#include "scenarios/explore/explored_cluster.h"

namespace keelson::scenarios {

const std::vector<Bound>& all_bounds();
// Null if there is none.
const Bound* find_bound(const std::string& name);

}  // namespace keelson::scenarios

// How oracles speak: times and nodes as a person writes them.
#pragma once

#include <string>

#include "sim/true_time.h"

namespace keelson::scenarios {

// "4.210s"; more than three digits only where they are needed ("4.2100035s").
std::string say(sim::TrueTime time);
// "350ms", "1.250s", "40us", "12ns".
std::string say(sim::Duration span);

}  // namespace keelson::scenarios

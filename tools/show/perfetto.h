// A recorded run in the JSON trace format of Chrome, which Perfetto and other viewers read: a
// process for each machine, tracks for its role in each group, messages as flows.
#pragma once

#include <string>

#include "tools/show/recording.h"

namespace keelson::show {

std::string to_perfetto(const Recording& recording);

}  // namespace keelson::show

// A recorded run in a few lines of text: what went wrong, who led, what was answered at the
// failure.
#pragma once

#include <cstddef>
#include <string>

#include "tools/show/recording.h"

namespace keelson::show {

// Lines "  [  1.213600s] n1: leads g0 in term 1", by time: faults of the plan, processes that
// start, end and pause, disks that fail, elections won, what was answered as an oracle spoke, and
// what it said. If there are more than lines_max, the first are left out and the text says how
// many.
//
// REQUIRES: lines_max > 0
std::string to_story(const Recording& recording, std::size_t lines_max);

}  // namespace keelson::show

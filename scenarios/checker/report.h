// What is said of a history that is not linearizable: as text, and as one HTML file that needs
// nothing else.
#pragma once

#include <cstddef>
#include <string>

#include "scenarios/checker/check_history.h"
#include "scenarios/checker/smallest.h"

namespace keelson::checker {

struct Violation {
  std::string file;
  std::string model;
  ObjectHistory object;
  SmallestPart part;  // Of object.history.
};

std::string text_report(const Violation& violation);

// A timeline: a lane for each process, a bar from call to return for each operation of the part, in
// the order of the events. The answer that nothing explains is marked, and so is what was under way
// when it came. Light or dark as the reader's system is.
std::string html_report(const Violation& violation);

}  // namespace keelson::checker

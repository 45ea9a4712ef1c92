// The oracle of the checker: tries every order of a tiny history, knows no rule but the definition,
// and shares no code with what it judges.
#pragma once

#include "scenarios/checker/history.h"

namespace keelson::checker {

// Takes time factorial in the number of operations: for eight or so.
bool some_order_explains(const History& history, ModelKind model);

}  // namespace keelson::checker

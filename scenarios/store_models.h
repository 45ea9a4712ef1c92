// The check of a history of S3 objects: each is a value or none (scenarios/checker/object_model.h).
#pragma once

#include <cstdint>
#include <string>

#include "scenarios/checker/linearizability.h"
#include "scenarios/history.h"

namespace keelson::scenarios {

using checker::Verdict;

struct HistoryVerdict {
  Verdict verdict = Verdict::linearizable;
  std::string key;      // The first key that is not linearizable, or was not decided.
  std::string message;  // In the words of the API's user.
  std::uint64_t steps = 0;
  std::uint64_t keys = 0;
  std::uint64_t undecided_keys = 0;
};

// Checks every key of `history`. A refuted key wins over undecided ones.
HistoryVerdict check_objects(const History& history, std::uint64_t steps_limit_a_key = 1'000'000);

}  // namespace keelson::scenarios

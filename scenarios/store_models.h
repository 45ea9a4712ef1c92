// What the stores behind the APIs may answer, and the check of a whole history against it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "scenarios/history.h"
#include "scenarios/linearizability.h"
#include "scenarios/model.h"

namespace keelson::scenarios {

// One S3 object as a register: a value or none; put, get, delete, and puts under a condition on
// what is there. Object and key are linearizable on their own, so a history is cut by key.
class ObjectModel : public Model {
 public:
  // `operations` belong to one key and outlive the model.
  explicit ObjectModel(std::vector<const Operation*> operations);

  State initial() const override { return kAbsent; }
  std::optional<State> step(State state, std::size_t op) override;
  bool never_changes(std::size_t op) const override;
  std::string describe_operation(std::size_t op) const override;
  std::string describe_state(State state) const override;

 private:
  static constexpr State kAbsent = 0;

  // An operation with its values as numbers, so that a step compares no strings.
  struct Numbered {
    Call::Kind kind = Call::Kind::get;
    bool is_known = false;
    bool condition_held = true;
    State value = kAbsent;     // Put, or returned by a get.
    State expected = kAbsent;  // Of put_if_match.
  };
  State number_of(const Bytes& value);

  const std::vector<const Operation*> operations_;
  std::map<Bytes, State> numbers_;
  std::vector<Bytes> values_;  // By number - 1.
  std::vector<Numbered> numbered_;
};

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

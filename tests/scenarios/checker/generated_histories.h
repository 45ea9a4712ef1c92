// Histories for properties: drawn as a list of choices, so that rapidcheck makes the list shorter
// and its numbers smaller, and 0 is the plain choice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "scenarios/checker/history.h"

namespace keelson::checker {

// Choices in order; 0 when they have run out.
class Choices {
 public:
  explicit Choices(std::vector<std::uint32_t> choices) : choices_(std::move(choices)) {}

  std::uint32_t below(std::uint32_t bound) {
    return next_ < choices_.size() ? choices_[next_++] % bound : 0;
  }
  bool one_in(std::uint32_t share) { return below(share) == share - 1; }

 private:
  std::vector<std::uint32_t> choices_;
  std::size_t next_ = 0;
};

struct GenerationOptions {
  ModelKind model = ModelKind::objects;
  std::size_t operations = 7;
  std::uint32_t processes = 3;
  std::uint32_t values = 3;       // How many different ones are written; 0: each is new.
  std::uint32_t unknown_one_in = 5;
  std::uint32_t fail_one_in = 12;
  bool is_conditional = true;     // Conditions and removals, too.
};

// What a correct object or queue could have answered: each operation takes effect at a moment
// between its call and its return; one of unknown outcome then, much later, or never.
History correct_history(Choices& choices, const GenerationOptions& options);

// Changes one answer, one value or one order. What comes of it may be linearizable still.
void mutate(Choices& choices, History& history);

// One line an operation and one an event, for failing tests.
std::string text_of(const History& history);

}  // namespace keelson::checker

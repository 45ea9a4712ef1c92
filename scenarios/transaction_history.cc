// Tested by tests/scenarios/serializability_test.cc.
#include "scenarios/transaction_history.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "core/base/check.h"
#include "scenarios/words.h"

namespace keelson::scenarios {

std::string describe_steps(const Transaction& transaction) {
  const bool is_ok = transaction.outcome == Outcome::ok;
  std::string steps;
  for (const TransactionStep& step : transaction.steps) {
    if (!steps.empty()) steps += ", ";
    if (step.kind == TransactionStep::Kind::append) {
      steps += fmt::format("append {} {}", step.key, step.value);
    } else {
      steps += fmt::format("read {}", step.key);
      if (is_ok) steps += fmt::format(" [{}]", fmt::join(step.list, " "));
    }
  }
  return steps;
}

std::string describe(const Transaction& transaction) {
  const bool has_returned =
      transaction.outcome == Outcome::ok || transaction.outcome == Outcome::fail;
  return fmt::format("c{}: {} at {} ({} to {}): {}", transaction.client,
                     describe_steps(transaction), transaction.where,
                     say(transaction.called), has_returned ? say(transaction.returned) : "?",
                     transaction.outcome == Outcome::fail ? "aborted"
                                                          : name_of(transaction.outcome));
}

TransactionHistory::Id TransactionHistory::invoke(std::uint32_t client,
                                                  std::vector<TransactionStep> steps,
                                                  std::string where, sim::TrueTime now) {
  const Id id = transactions_.size();
  transactions_.push_back({.client = client,
                           .steps = std::move(steps),
                           .outcome = Outcome::pending,
                           .where = std::move(where),
                           .called = now,
                           .returned = {}});
  events_.push_back({id, false});
  return id;
}

void TransactionHistory::ok(Id id, std::vector<std::vector<std::uint64_t>> lists,
                            sim::TrueTime now) {
  finish(id, Outcome::ok, now);
  auto list = lists.begin();
  for (TransactionStep& step : transactions_[id].steps) {
    if (step.kind != TransactionStep::Kind::read) continue;
    CHECK(list != lists.end());
    step.list = std::move(*list++);
  }
  CHECK(list == lists.end());
}

void TransactionHistory::abort(Id id, sim::TrueTime now) { finish(id, Outcome::fail, now); }
void TransactionHistory::unknown(Id id, sim::TrueTime now) { finish(id, Outcome::unknown, now); }

void TransactionHistory::finish(Id id, Outcome outcome, sim::TrueTime now) {
  CHECK(transactions_.at(id).outcome == Outcome::pending);
  transactions_[id].outcome = outcome;
  transactions_[id].returned = now;
  events_.push_back({id, true});
}

}  // namespace keelson::scenarios

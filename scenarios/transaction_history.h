// TransactionHistory: what clients asked of transactions and what they were told, in true time.
//
// The values are lists. A transaction reads whole lists and appends values to lists, in the order
// of its steps, and sees its own appends. No value is appended twice to a list: so a list says who
// wrote it, and in which order (Kingsbury and Alvaro, "Elle: inferring isolation anomalies from
// experimental observations", 2020). serializability.h judges such a history.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "scenarios/history.h"
#include "sim/true_time.h"

namespace keelson::scenarios {

struct TransactionStep {
  enum class Kind { read, append };

  Kind kind = Kind::read;
  std::string key;
  std::uint64_t value = 0;           // To append.
  std::vector<std::uint64_t> list;   // What the read returned; valid when the outcome is ok.
};

struct Transaction {
  std::uint32_t client = 0;
  std::vector<TransactionStep> steps;
  Outcome outcome = Outcome::pending;  // fail: it was aborted.
  std::string where;                   // Who was asked, for people ("n2").
  sim::TrueTime called;
  sim::TrueTime returned;
};

// "c2: read x [1 2], append x 3 at n1 (1.200s to 1.310s): ok".
std::string describe(const Transaction& transaction);
// Its steps alone, with what was read if that is known: "read x [1 2], append x 3".
std::string describe_steps(const Transaction& transaction);

class TransactionHistory {
 public:
  using Id = std::size_t;

  // The order of calls to this object is the order in which things happened: it is kept, as one
  // true instant can see one transaction return and the next begin.
  // REQUIRES: nobody has appended any of these values to its list before.
  Id invoke(std::uint32_t client, std::vector<TransactionStep> steps, std::string where,
            sim::TrueTime now);
  // It was committed. `lists` are what its reads returned, in their order.
  // REQUIRES: of these three the first one for `id`; as many lists as reads.
  void ok(Id id, std::vector<std::vector<std::uint64_t>> lists, sim::TrueTime now);
  // It surely had no effect. What it read is no evidence.
  void abort(Id id, sim::TrueTime now);
  // It may have been committed, or may yet be. So may what never returns.
  void unknown(Id id, sim::TrueTime now);

  struct Event {
    Id id = 0;
    bool is_return = false;
  };
  const std::vector<Transaction>& transactions() const { return transactions_; }
  const std::vector<Event>& events() const { return events_; }

 private:
  void finish(Id id, Outcome outcome, sim::TrueTime now);

  std::vector<Transaction> transactions_;
  std::vector<Event> events_;
};

}  // namespace keelson::scenarios

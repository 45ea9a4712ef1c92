// Is there an order of the committed transactions, one after another, that explains what every one
// of them read, and in which none comes before one that had returned before it was called (strict
// serializability)?
//
// By Elle's way (Kingsbury and Alvaro, 2020): as lists only grow and no value is appended twice,
// the longest list read of a key tells the order of its versions, and with it who overwrote and who
// saw whom. What is wrong with single reads has a name at once; everything else is a circle in the
// graph of dependencies, and its dependencies give it its name (Adya 1999). The verdict is exact:
// where nothing is found, any order that follows the dependencies explains everything.
//
// A transaction of unknown outcome counts as committed when somebody saw an append of it, and else
// as if it had never been.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "scenarios/transaction_history.h"

namespace keelson::scenarios {

enum class Anomaly : std::uint8_t {
  // Of single reads.
  unwritten_read,       // A value that nobody had appended.
  aborted_read,         // G1a: a value of an aborted transaction.
  intermediate_read,    // G1b: an append of a transaction without its later ones to the same list.
  internal,             // A transaction missed its own appends, or read two versions of a list.
  duplicate_append,     // A value twice in one list.
  incompatible_orders,  // Two lists of one key, neither of which is the beginning of the other; or
                        // one that has the appends of a transaction in another order than it.
  // Circles, the gravest first. Those before `real_time_order` leave time out of account.
  dirty_write,          // G0: appends alone.
  circular_information,  // G1c: appends, and reads of them.
  lost_update,          // G-single: both read the same list, and both appended to it.
  read_skew,            // G-single: one read is older than something else that its reader saw.
  write_skew,           // G2: several reads are.
  real_time_order,      // Appends, reads of them, and time.
  stale_read,           // One read is older than what had returned before it.
  stale_skew,           // Several are.
};

// "G1a (aborted read)".
std::string_view name_of(Anomaly anomaly);

struct SerializabilityFinding {
  Anomaly anomaly = Anomaly::internal;
  // Whole sentences; of a circle, what each transaction was and why it precedes the next.
  std::string message;
  std::vector<TransactionHistory::Id> transactions;  // Of a circle, in its order.
};

struct SerializabilityReport {
  // The first of each anomaly of single reads; if there is none, the smallest of the gravest
  // circles if there is one. Empty: strictly serializable.
  std::vector<SerializabilityFinding> findings;
  // For the proof that it looked.
  std::size_t committed = 0;  // Unknown ones that somebody saw included.
  std::size_t dependencies = 0;
  std::size_t lists_read = 0;

  bool holds() const { return findings.empty(); }
};

// What is demanded of transactions that only read.
enum class Readers : std::uint8_t {
  in_real_time,  // As of all others.
  // As core/kv/transaction.h promises: they have a place among all others, with time left out of
  // account; and each list by itself was as they say at some time between their call and their
  // return. Findings of the second kind number the transactions of a history in which such a
  // transaction is one of each list.
  list_by_list,
};

// Pure; never suspends.
SerializabilityReport check_serializability(const TransactionHistory& history,
                                            Readers readers = Readers::in_real_time);

}  // namespace keelson::scenarios

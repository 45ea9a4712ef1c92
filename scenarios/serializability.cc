// Tested by tests/scenarios/serializability_test.cc, against a search through all orders.
#include "scenarios/serializability.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "core/base/check.h"
#include "scenarios/dependency_graph.h"
#include "scenarios/words.h"

namespace keelson::scenarios {

namespace {

using Id = TransactionHistory::Id;
using Values = std::vector<std::uint64_t>;
using Kind = Dependency::Kind;

// What a transaction did with one list.
struct Use {
  std::optional<Values> found;  // What others had appended before, if it read the list.
  Values appended;
};

// What is known of one list.
struct List {
  std::map<std::uint64_t, Id> writers;  // By value.
  Values order;                         // The longest that was read.
  Id read_by = 0;                       // By whom.
};

bool is_beginning(const Values& shorter, const Values& longer) {
  return shorter.size() <= longer.size() &&
         std::equal(shorter.begin(), shorter.end(), longer.begin());
}

class Checker {
 public:
  Checker(const TransactionHistory& history, bool in_real_time)
      : history_(history), in_real_time_(in_real_time), all_(history.transactions()),
        uses_(all_.size()), graph_(all_.size()) {}

  SerializabilityReport run() {
    index_appends();
    for (Id id = 0; id < all_.size(); ++id) {
      if (all_[id].outcome == Outcome::ok) look_at_reads(id);
    }
    find_committed();
    for (const Id id : committed_) look_for_intermediate_reads(id);
    report_.committed = committed_.size();
    if (!report_.findings.empty()) return std::move(report_);
    for (const auto& [key, list] : lists_) relate_appends(key, list);
    for (const Id id : committed_) relate_reads(id);
    if (in_real_time_) relate_times();
    report_.dependencies = graph_.size();
    find_cycle();
    return std::move(report_);
  }

 private:
  void index_appends();
  void look_at_reads(Id id);
  bool look_at_values(Id id, const std::string& key, const Values& values);
  void find_committed();
  void look_for_intermediate_reads(Id id);
  void relate_appends(const std::string& key, const List& list);
  void relate_reads(Id id);
  void relate_times();
  void find_cycle();
  std::vector<std::uint64_t> unseen_appends(const List& list) const;
  std::string explain(const Dependency& dependency) const;
  void found(Anomaly anomaly, std::string message, std::vector<Id> transactions);

  const TransactionHistory& history_;
  const bool in_real_time_;
  const std::vector<Transaction>& all_;
  std::vector<std::map<std::string, Use>> uses_;  // By transaction and key.
  std::map<std::string, List> lists_;
  std::set<Id> committed_;
  DependencyGraph graph_;
  SerializabilityReport report_;
};

void Checker::found(Anomaly anomaly, std::string message, std::vector<Id> transactions) {
  const bool is_known = std::any_of(report_.findings.begin(), report_.findings.end(),
                                    [&](const auto& known) { return known.anomaly == anomaly; });
  if (is_known) return;
  for (const Id id : transactions) message += fmt::format("\n  T{} = {}", id, describe(all_[id]));
  report_.findings.push_back({anomaly, std::move(message), std::move(transactions)});
}

void Checker::index_appends() {
  for (Id id = 0; id < all_.size(); ++id) {
    for (const TransactionStep& step : all_[id].steps) {
      if (step.kind != TransactionStep::Kind::append) continue;
      const bool is_new = lists_[step.key].writers.emplace(step.value, id).second;
      CHECK(is_new);
      uses_[id][step.key].appended.push_back(step.value);
    }
  }
}

// --- single reads ---

void Checker::look_at_reads(Id id) {
  std::map<std::string, Values> own;  // What it has appended so far.
  for (const TransactionStep& step : all_[id].steps) {
    if (step.kind == TransactionStep::Kind::append) {
      own[step.key].push_back(step.value);
      continue;
    }
    ++report_.lists_read;
    const Values& appended = own[step.key];
    const std::size_t others =
        step.list.size() - std::min(step.list.size(), appended.size());
    const Values ending(step.list.begin() + static_cast<std::ptrdiff_t>(others), step.list.end());
    const Values found_there(step.list.begin(), step.list.end() - std::ssize(ending));
    Use& use = uses_[id][step.key];
    const bool is_consistent =
        ending == appended && (!use.found || *use.found == found_there) &&
        std::none_of(found_there.begin(), found_there.end(), [&](std::uint64_t value) {
          return std::count(use.appended.begin(), use.appended.end(), value) > 0;
        });
    if (!is_consistent) {
      found(Anomaly::internal,
            fmt::format("T{} read {} [{}], which does not fit what it read and appended itself.",
                        id, step.key, fmt::join(step.list, " ")),
            {id});
      continue;
    }
    use.found = found_there;
    if (!look_at_values(id, step.key, step.list)) continue;
    List& list = lists_[step.key];
    if (!is_beginning(step.list, list.order) && !is_beginning(list.order, step.list)) {
      found(Anomaly::incompatible_orders,
            fmt::format("T{} read {} [{}], and T{} read [{}].", id, step.key,
                        fmt::join(step.list, " "), list.read_by, fmt::join(list.order, " ")),
            {id, list.read_by});
    } else if (step.list.size() > list.order.size()) {
      list.order = step.list;
      list.read_by = id;
    }
  }
}

// False if there is something in the list that cannot be.
bool Checker::look_at_values(Id id, const std::string& key, const Values& values) {
  const List& list = lists_[key];
  std::set<std::uint64_t> seen;
  std::map<Id, std::size_t> counts;  // How many appends of a transaction came so far.
  for (const std::uint64_t value : values) {
    const auto writer = list.writers.find(value);
    if (writer == list.writers.end()) {
      found(Anomaly::unwritten_read,
            fmt::format("T{} read {} in {}, which nobody had appended.", id, value, key), {id});
      return false;
    }
    if (all_[writer->second].outcome == Outcome::fail) {
      found(Anomaly::aborted_read,
            fmt::format("T{} read {} in {}, which T{} had appended, and that was aborted.", id,
                        value, key, writer->second),
            {id, writer->second});
      return false;
    }
    if (!seen.insert(value).second) {
      found(Anomaly::duplicate_append,
            fmt::format("T{} read {} twice in {}; T{} had appended it once.", id, value, key,
                        writer->second),
            {id, writer->second});
      return false;
    }
    const Values& appended = uses_[writer->second].at(key).appended;
    if (appended[counts[writer->second]++] != value) {
      found(Anomaly::incompatible_orders,
            fmt::format("T{} read {} [{}], and T{} had appended [{}] to it.", id, key,
                        fmt::join(values, " "), writer->second, fmt::join(appended, " ")),
            {id, writer->second});
      return false;
    }
  }
  return true;
}

void Checker::find_committed() {
  for (Id id = 0; id < all_.size(); ++id) {
    if (all_[id].outcome == Outcome::ok) committed_.insert(id);
  }
  for (const auto& [key, list] : lists_) {
    for (const std::uint64_t value : list.order) {
      const auto writer = list.writers.find(value);
      if (writer != list.writers.end()) committed_.insert(writer->second);
    }
  }
}

void Checker::look_for_intermediate_reads(Id id) {
  for (const auto& [key, use] : uses_[id]) {
    if (!use.found || use.found->empty()) continue;
    const std::uint64_t last = use.found->back();
    const auto writer = lists_[key].writers.find(last);
    if (writer == lists_[key].writers.end()) continue;
    const Values& appended = uses_[writer->second][key].appended;
    if (appended.back() == last) continue;
    found(Anomaly::intermediate_read,
          fmt::format("T{} read {} up to {}, after which T{} appended {} to it.", id, key, last,
                      writer->second, appended.back()),
          {id, writer->second});
  }
}

// --- dependencies ---

// Committed, and in no list that was read: they come after all that are, in whatever order.
std::vector<std::uint64_t> Checker::unseen_appends(const List& list) const {
  const std::set<std::uint64_t> seen(list.order.begin(), list.order.end());
  std::vector<std::uint64_t> unseen;
  for (const auto& [value, writer] : list.writers) {
    if (committed_.contains(writer) && !seen.contains(value)) unseen.push_back(value);
  }
  return unseen;
}

void Checker::relate_appends(const std::string& key, const List& list) {
  if (list.order.empty()) return;
  const auto relate = [&](std::uint64_t before, std::uint64_t after) {
    graph_.add({list.writers.at(before), list.writers.at(after), Kind::ww, key, after});
  };
  for (std::size_t i = 0; i + 1 < list.order.size(); ++i) {
    relate(list.order[i], list.order[i + 1]);
  }
  for (const std::uint64_t value : unseen_appends(list)) relate(list.order.back(), value);
}

void Checker::relate_reads(Id id) {
  for (const auto& [key, use] : uses_[id]) {
    if (!use.found) continue;
    const List& list = lists_.at(key);
    if (!use.found->empty()) {
      const std::uint64_t last = use.found->back();
      graph_.add({list.writers.at(last), id, Kind::wr, key, last});
    }
    const std::size_t seen = use.found->size();
    if (seen < list.order.size()) {
      const std::uint64_t next = list.order[seen];
      graph_.add({id, list.writers.at(next), Kind::rw, key, next});
    } else {
      for (const std::uint64_t value : unseen_appends(list)) {
        graph_.add({id, list.writers.at(value), Kind::rw, key, value});
      }
    }
  }
}

// Only from the last that had returned: what those were called after follows from theirs.
void Checker::relate_times() {
  std::set<Id> last_returned;
  std::vector<std::set<Id>> before(all_.size());
  for (const TransactionHistory::Event& event : history_.events()) {
    if (!committed_.contains(event.id)) continue;
    if (!event.is_return) {
      before[event.id] = last_returned;
      for (const Id earlier : last_returned) {
        graph_.add({earlier, event.id, Kind::real_time, "", 0});
      }
    } else if (all_[event.id].outcome == Outcome::ok) {
      for (const Id earlier : before[event.id]) last_returned.erase(earlier);
      last_returned.insert(event.id);
    }
  }
}

// --- circles ---

void Checker::find_cycle() {
  struct Class {
    Anomaly anomaly;
    Kind through;
    std::vector<Kind> by;
  };
  const std::vector<Class> classes = {
      {Anomaly::dirty_write, Kind::ww, {Kind::ww}},
      {Anomaly::circular_information, Kind::wr, {Kind::ww, Kind::wr}},
      {Anomaly::read_skew, Kind::rw, {Kind::ww, Kind::wr}},
      {Anomaly::write_skew, Kind::rw, {Kind::ww, Kind::wr, Kind::rw}},
      {Anomaly::real_time_order, Kind::real_time, {Kind::ww, Kind::wr, Kind::real_time}},
      {Anomaly::stale_read, Kind::rw, {Kind::ww, Kind::wr, Kind::real_time}},
      {Anomaly::stale_skew, Kind::rw, {Kind::ww, Kind::wr, Kind::rw, Kind::real_time}},
  };
  for (const Class& each : classes) {
    const std::vector<Dependency> cycle = graph_.smallest_cycle(each.through, each.by);
    if (cycle.empty()) continue;
    Anomaly anomaly = each.anomaly;
    const bool is_of_two_on_one_list = cycle.size() == 2 && cycle[0].key == cycle[1].key;
    if (anomaly == Anomaly::read_skew && is_of_two_on_one_list && cycle[1].kind == Kind::ww) {
      anomaly = Anomaly::lost_update;
    }
    std::string message = fmt::format("No order of these {} explains them:", cycle.size());
    std::vector<Id> transactions;
    for (const Dependency& dependency : cycle) {
      message += fmt::format("\n  T{} before T{}: {}", dependency.from, dependency.to,
                             explain(dependency));
      transactions.push_back(dependency.from);
    }
    return found(anomaly, std::move(message), std::move(transactions));
  }
}

std::string Checker::explain(const Dependency& dependency) const {
  const auto& [from, to, kind, key, value] = dependency;
  switch (kind) {
    case Kind::ww: return fmt::format("T{} appended {} to {} later", to, value, key);
    case Kind::wr: return fmt::format("T{} saw {}, which T{} had appended to {}", to, value, from,
                                      key);
    case Kind::rw: return fmt::format("T{} read {} without {}, which T{} appended", from, key,
                                      value, to);
    case Kind::real_time:
      return fmt::format("T{} had returned at {}, and T{} was called at {}", from,
                         say(all_[from].returned), to, say(all_[to].called));
  }
  check_failed("known kind of dependency", __FILE__, __LINE__);
}

// Those that only read are as many as they have read lists.
TransactionHistory with_readers_list_by_list(const TransactionHistory& history) {
  TransactionHistory split;
  std::map<Id, std::vector<Id>> parts;
  for (const TransactionHistory::Event& event : history.events()) {
    const Transaction& one = history.transactions()[event.id];
    const bool only_reads = std::all_of(one.steps.begin(), one.steps.end(), [](const auto& step) {
      return step.kind == TransactionStep::Kind::read;
    });
    if (only_reads && one.outcome != Outcome::ok) continue;
    std::map<std::string, std::vector<TransactionStep>> steps;
    for (const TransactionStep& step : one.steps) steps[only_reads ? step.key : ""].push_back(step);
    if (!event.is_return) {
      for (const auto& [key, of_part] : steps) {
        parts[event.id].push_back(split.invoke(one.client, of_part, one.where, one.called));
      }
      continue;
    }
    auto part = parts[event.id].begin();
    for (const auto& [key, of_part] : steps) {
      std::vector<Values> lists;
      for (const TransactionStep& step : of_part) {
        if (step.kind == TransactionStep::Kind::read) lists.push_back(step.list);
      }
      switch (one.outcome) {
        case Outcome::ok: split.ok(*part++, std::move(lists), one.returned); break;
        case Outcome::fail: split.abort(*part++, one.returned); break;
        case Outcome::unknown: split.unknown(*part++, one.returned); break;
        case Outcome::pending: CHECK(false);  // It has returned.
      }
    }
  }
  return split;
}

}  // namespace

std::string_view name_of(Anomaly anomaly) {
  switch (anomaly) {
    case Anomaly::unwritten_read: return "read of what nobody wrote";
    case Anomaly::aborted_read: return "G1a (aborted read)";
    case Anomaly::intermediate_read: return "G1b (intermediate read)";
    case Anomaly::internal: return "internal inconsistency";
    case Anomaly::duplicate_append: return "duplicate append";
    case Anomaly::incompatible_orders: return "incompatible orders";
    case Anomaly::dirty_write: return "G0 (dirty write)";
    case Anomaly::circular_information: return "G1c (circular information flow)";
    case Anomaly::lost_update: return "G-single (lost update)";
    case Anomaly::read_skew: return "G-single (read skew)";
    case Anomaly::write_skew: return "G2 (write skew)";
    case Anomaly::real_time_order: return "order against real time";
    case Anomaly::stale_read: return "stale read";
    case Anomaly::stale_skew: return "stale reads (G2 in real time)";
  }
  check_failed("known anomaly", __FILE__, __LINE__);
}

SerializabilityReport check_serializability(const TransactionHistory& history, Readers readers) {
  if (readers == Readers::in_real_time) return Checker(history, true).run();
  SerializabilityReport report = Checker(history, false).run();
  if (!report.holds()) return report;
  const TransactionHistory split = with_readers_list_by_list(history);
  report.findings = Checker(split, true).run().findings;
  return report;
}

}  // namespace keelson::scenarios

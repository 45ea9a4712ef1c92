#include "scenarios/append_workload.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "core/base/check.h"
#include "scenarios/client_trace.h"
#include "scenarios/serializability.h"

namespace keelson::scenarios {

namespace {

using Values = std::vector<std::uint64_t>;

// A list is written as its values, each with a blank behind it.
Values parse(BytesView bytes) {
  Values values;
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  while (at != end) {
    std::uint64_t value = 0;
    const auto parsed = std::from_chars(at, end, value);
    // What a node made up is a value that nobody has written.
    if (parsed.ec != std::errc() || parsed.ptr == end) return {0};
    values.push_back(value);
    at = parsed.ptr + 1;
  }
  return values;
}

Bytes with(BytesView list, std::uint64_t value) { return fmt::format("{}{} ", list, value); }

}  // namespace

AppendWorkload::AppendWorkload(sim::World& world, Cluster& cluster, const AppendOptions& options,
                               Report& report)
    : TransactionWorkload(world, cluster, options.clients, "append", report), options_(options) {
  CHECK(options.folders > 0 && options.lists_a_folder > 0 && options.steps_most > 0);
}

// --- what is asked ---

std::vector<Bytes> AppendWorkload::keys(const AppendOptions& options) {
  std::vector<Bytes> all;
  for (std::size_t folder = 0; folder < options.folders; ++folder) {
    for (std::size_t list = 0; list < options.lists_a_folder; ++list) {
      all.push_back(key_of(folder, list));
    }
  }
  return all;
}

bool AppendWorkload::touch_all(Env& env, Node& node) {
  std::vector<Step> steps;
  for (std::size_t folder = 0; folder < options_.folders; ++folder) {
    for (std::size_t list = 0; list < options_.lists_a_folder; ++list) {
      steps.push_back({.kind = Step::Kind::read, .folder = folder, .list = list});
      steps.push_back(
          {.kind = Step::Kind::append, .folder = folder, .list = list, .value = next_value_++});
    }
  }
  return perform(env, node, 0, steps);
}

void AppendWorkload::work(Env& env, Node& node, std::size_t client) {
  const bool only_reads = chance(client).chance(250'000);
  std::vector<Step> steps;
  const std::size_t count = 1 + chance(client).choose(options_.steps_most);
  while (steps.size() < count) steps.push_back(draw_step(client, only_reads));
  (void)perform(env, node, client, steps);
}

AppendWorkload::Step AppendWorkload::draw_step(std::size_t client, bool only_reads) {
  sim::ChoiceStream& chance = TransactionWorkload::chance(client);
  Step step;
  const std::size_t kind = chance.choose(only_reads ? 4 : 8);
  if (kind == 3) step.kind = Step::Kind::scan;
  if (kind > 3) {
    step.kind = Step::Kind::append;
    step.value = next_value_++;
  }
  step.folder = chance.choose(options_.folders);
  step.list = chance.choose(options_.lists_a_folder);
  return step;
}

std::vector<TransactionStep> AppendWorkload::as_told(const std::vector<Step>& steps) const {
  std::vector<TransactionStep> told;
  for (const Step& step : steps) {
    const bool is_append = step.kind == Step::Kind::append;
    const bool is_scan = step.kind == Step::Kind::scan;
    const std::size_t first = is_scan ? 0 : step.list;
    const std::size_t last = is_scan ? options_.lists_a_folder - 1 : step.list;
    for (std::size_t list = first; list <= last; ++list) {
      told.push_back({.kind = is_append ? TransactionStep::Kind::append
                                        : TransactionStep::Kind::read,
                      .key = list_name(step.folder, list),
                      .value = step.value,
                      .list = {}});
    }
  }
  return told;
}

// --- asking ---

// Whether it was committed.
bool AppendWorkload::perform(Env& env, Node& node, std::size_t client,
                             const std::vector<Step>& steps) {
  const auto id = history_.invoke(static_cast<std::uint32_t>(client + 1), as_told(steps),
                                  to_string(node.config().node_id), world_.now());
  const Transaction& told = history_.transactions()[id];
  sim::Machine& machine = world_.machine(told.where);
  const std::uint64_t traced = trace_call(machine, describe_steps(told), told.where);
  const bool is_committed = carry_out(env, node, steps, id);
  const Transaction& known = history_.transactions()[id];
  trace_return(machine, traced, known.outcome, describe_steps(known));
  return is_committed;
}

bool AppendWorkload::carry_out(Env& env, Node& node, const std::vector<Step>& steps,
                               TransactionHistory::Id id) {
  const Deadline deadline = deadline_in(env);
  kv::Transaction transaction(node.coordinator());
  auto lists = take_steps(transaction, steps, deadline);
  const kv::CommitOutcome outcome = lists ? transaction.commit(deadline) : kv::CommitOutcome{};
  switch (outcome.kind) {
    case kv::CommitOutcome::Kind::committed:
      history_.ok(id, *std::move(lists), world_.now());
      if (is_over_several_groups(node, steps)) ++over_several_groups_;
      return true;
    case kv::CommitOutcome::Kind::aborted: history_.abort(id, world_.now()); return false;
    case kv::CommitOutcome::Kind::unknown: history_.unknown(id, world_.now()); return false;
  }
  check_failed("known outcome", __FILE__, __LINE__);
}

bool AppendWorkload::is_over_several_groups(Node& node, const std::vector<Step>& steps) {
  std::set<GroupId> groups;
  for (const Step& step : steps) groups.insert(node.coordinator().group_of(key_of(step.folder, 0)));
  return groups.size() > 1 && std::any_of(steps.begin(), steps.end(), [](const Step& step) {
           return step.kind == Step::Kind::append;
         });
}

std::optional<std::vector<Values>> AppendWorkload::take_steps(kv::Transaction& transaction,
                                                              const std::vector<Step>& steps,
                                                              Deadline deadline) {
  std::vector<Values> lists;
  for (const Step& step : steps) {
    if (step.kind == Step::Kind::scan) {
      if (!scan(transaction, step.folder, lists, deadline)) return std::nullopt;
      continue;
    }
    const Bytes key = key_of(step.folder, step.list);
    const auto found = transaction.get(key, deadline);
    if (!found) return std::nullopt;
    if (step.kind == Step::Kind::append) {
      transaction.put(key, with(found->value_or(""), step.value));
    } else {
      lists.push_back(parse(found->value_or("")));
    }
  }
  return lists;
}

bool AppendWorkload::scan(kv::Transaction& transaction, std::size_t folder,
                          std::vector<Values>& lists, Deadline deadline) {
  const Bytes from = kv::spread(folder_name(folder)) + folder_name(folder);
  Bytes to = from;
  ++to.back();
  const auto rows = transaction.scan(from, to, options_.lists_a_folder + 1, deadline);
  if (!rows) return false;
  std::map<Bytes, Values> found;
  for (const auto& [key, value] : *rows) found.emplace(key, parse(value));
  for (std::size_t list = 0; list < options_.lists_a_folder; ++list) {
    lists.push_back(std::move(found[key_of(folder, list)]));
  }
  return true;
}

// --- the judge ---

void AppendWorkload::check() {
  std::map<Outcome, std::uint64_t> outcomes;
  for (const Transaction& transaction : history_.transactions()) ++outcomes[transaction.outcome];
  const SerializabilityReport found = check_serializability(history_, Readers::list_by_list);
  report_.count("transactions committed", outcomes[Outcome::ok]);
  report_.count("transactions aborted", outcomes[Outcome::fail]);
  report_.count("transactions unknown", outcomes[Outcome::unknown] + outcomes[Outcome::pending]);
  report_.count("transactions over several groups", over_several_groups_);
  report_.count("lists read", found.lists_read);
  report_.count("dependencies between transactions", found.dependencies);
  if (over_several_groups_ > 2) report_.reached("list append: over several groups");
  if (outcomes[Outcome::unknown] > 0) report_.reached("list append: an unknown outcome");
  if (found.committed > outcomes[Outcome::ok]) {
    report_.reached("list append: what was unknown was seen");
  }
  if (found.holds()) return;
  const SerializabilityFinding& worst = found.findings.front();
  report_.fail("serializability", name_of(worst.anomaly),
               fmt::format("{}: {}", name_of(worst.anomaly), worst.message), world_.now());
}

}  // namespace keelson::scenarios

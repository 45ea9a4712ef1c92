// keelson-check: is a history linearizable? --help, and checker/README.md for the format.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>

#include "scenarios/checker/check_history.h"
#include "scenarios/checker/history_reader.h"
#include "scenarios/checker/report.h"
#include "scenarios/checker/smallest.h"

namespace keelson::checker {
namespace {

enum ExitCode { kLinearizable = 0, kViolation = 1, kBadUsage = 2, kUndecided = 3, kBadInput = 4 };

struct Options {
  std::string file;
  std::string model;
  std::string html;
  bool order = false;
  bool as_found = false;
  std::int64_t seconds = 60;
};

constexpr const char* kFooter = R"(
HISTORY is a file of JSON lines, or - for standard input:

  {"event":"invoke","process":1,"op":"write","value":5}
  {"event":"ok","process":1}

  event     invoke, ok, fail (surely did not happen) or unknown (may have happened, or may yet)
  process   a string or a number; one operation at a time
  op        register: read, write, cas (value: [old, new])
            kv: get, put, delete (the latter two: if_value, null for "only if absent")
            queue: enqueue, dequeue
  key       which object; needed for kv, otherwise one object if left out
  value     any JSON value; what is written, or what the answer shows (null: absent, or empty)
  applied   in the answer of an operation on a condition: false if the condition did not hold
  time      a whole number, for the report alone: the order of the lines counts

Exit codes: 0 linearizable, 1 not, 2 bad usage, 3 not decided within the time limit or 2 GB of
memory, 4 the history
cannot be read or is not well formed.)";

std::optional<std::string> read_all(const std::string& file) {
  std::ostringstream text;
  if (file == "-") {
    text << std::cin.rdbuf();
    return text.str();
  }
  std::ifstream in(file, std::ios::binary);
  if (!in) return std::nullopt;
  if (in.peek() != std::ifstream::traits_type::eof()) text << in.rdbuf();
  if (in.bad()) return std::nullopt;
  return text.str();
}

void print_order(const History& history, const HistoryResult& result) {
  for (const auto& order : result.orders) {
    for (const std::size_t op : order) {
      const Operation& operation = history.operations[op];
      const std::string key = operation.key.empty() ? "" : operation.key + ": ";
      std::cout << key << describe(operation) << '\n';
    }
  }
}

class Program {
 public:
  Program(const Options& options, HistoryModel model)
      : options_(options), model_(model),
        deadline_(std::chrono::steady_clock::now() + std::chrono::seconds(options.seconds)) {}

  int run() {
    const auto text = read_all(options_.file);
    if (!text) return bad_input(fmt::format("cannot read {}", options_.file));
    const auto history = read_history(*text, model_, options_.file);
    if (!history) return bad_input(history.error().message);
    const HistoryResult result = check_history(
        *history, kind_of(model_), budget(),
        [&](std::size_t op) { return describe(history->operations[op]); });
    switch (result.verdict) {
      case Verdict::linearizable:
        std::cout << fmt::format("{}: linearizable ({}): {} operations on {} objects, {} steps\n",
                                 options_.file, options_.model, history->operations.size(),
                                 result.objects, result.steps);
        if (options_.order) print_order(*history, result);
        return kLinearizable;
      case Verdict::undecided:
        std::cout << fmt::format("{}: unknown: {} of {} objects were not decided; of \"{}\": {}\n",
                                 options_.file, result.undecided_objects, result.objects,
                                 result.key, result.found.message);
        return kUndecided;
      case Verdict::not_linearizable: return report_violation(*history, result);
    }
    return kBadUsage;
  }

 private:
  Budget budget() const {
    Budget budget;
    budget.steps = UINT64_MAX;
    budget.is_spent = [this] { return is_late(); };
    return budget;
  }

  bool is_late() const { return std::chrono::steady_clock::now() > deadline_; }

  int bad_input(const std::string& what) const {
    std::cerr << "keelson-check: " << what << '\n';
    return kBadInput;
  }

  int report_violation(const History& history, const HistoryResult& result) {
    Violation violation;
    violation.file = options_.file;
    violation.model = options_.model;
    for (ObjectHistory& object : cut_by_key(history)) {
      if (object.key == result.key) violation.object = std::move(object);
    }
    const History& object = violation.object.history;
    const Describe describe_it = [&](std::size_t op) { return describe(object.operations[op]); };
    // Making it small has a time of its own: a violation that was found is never kept back.
    const auto now = std::chrono::steady_clock::now();
    deadline_ = options_.as_found ? now : now + std::chrono::seconds(options_.seconds);
    violation.part = smallest_part(object, kind_of(model_), result.found, describe_it,
                                   [this] { return is_late(); });
    std::cout << text_report(violation);
    if (!options_.html.empty() && !write_html(violation)) return kBadUsage;
    return kViolation;
  }

  bool write_html(const Violation& violation) const {
    std::ofstream out(options_.html, std::ios::binary);
    out << html_report(violation) << std::flush;
    if (out) return true;
    std::cerr << "keelson-check: cannot write " << options_.html << '\n';
    return false;
  }

  const Options& options_;
  const HistoryModel model_;
  std::chrono::steady_clock::time_point deadline_;
};

int run(int argc, char** argv) {
  Options options;
  CLI::App app{"Is a history of operations linearizable? If not, the smallest part that shows it."};
  app.footer(kFooter);
  app.add_option("history", options.file, "JSON lines; - for standard input")
      ->required()->type_name("HISTORY");
  app.add_option("--model", options.model, "register, kv or queue")->required()
      ->check(CLI::IsMember({"register", "kv", "queue"}));
  app.add_flag("--order", options.order, "if linearizable, print an order that explains it");
  app.add_flag("--as-found", options.as_found, "do not look for the smallest part");
  app.add_option("--html", options.html, "if not linearizable, draw the part into this file")
      ->type_name("FILE");
  app.add_option("--time-limit", options.seconds, "seconds; after them the answer is unknown (60)")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 30))->type_name("SECONDS");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kLinearizable : kBadUsage;
  }
  return Program(options, *history_model_of(options.model)).run();
}

}  // namespace
}  // namespace keelson::checker

int main(int argc, char** argv) { return keelson::checker::run(argc, argv); }

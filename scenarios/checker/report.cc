// Tested by tests/scenarios/checker/report_test.cc.
#include "scenarios/checker/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <vector>

namespace keelson::checker {

namespace {

std::string object_name(const Violation& violation) {
  return violation.object.key.empty() ? "" : fmt::format(" of \"{}\"", violation.object.key);
}

std::string extent(const Violation& violation) {
  const std::size_t all = violation.object.history.operations.size();
  const std::size_t part = violation.part.operations.size();
  return fmt::format("{} of the {} operations{} contradict each other{}", part, all,
                     object_name(violation),
                     violation.part.starts_anywhere ? ", whatever was there before them" : "");
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

constexpr std::string_view kHead = R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Not linearizable</title>
<style>
:root { color-scheme: light dark; --paper: #fff; --ink: #1c2024; --faint: #6b7280; --line: #e2e5e9;
  --bar: #d6e4f5; --edge: #4a7ab5; --bad: #fbd5d5; --bad-edge: #c62828; --near: #fdeccb;
  --near-edge: #b7791f; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #16181c; --ink: #e6e8eb; --faint: #9aa3ad; --line: #2c3137;
    --bar: #23364d; --edge: #79a8e0; --bad: #4d2020; --bad-edge: #ff7b72; --near: #453716;
    --near-edge: #e3b341; }
}
body { background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif;
  margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
h1 { font-size: 1.35rem; margin-bottom: .25rem; }
.faint { color: var(--faint); }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; }
svg { display: block; font: 13px system-ui, sans-serif; }
svg text { fill: var(--ink); }
svg .lane { stroke: var(--line); }
svg rect { fill: var(--bar); stroke: var(--edge); }
svg .near rect { fill: var(--near); stroke: var(--near-edge); }
svg .bad rect { fill: var(--bad); stroke: var(--bad-edge); stroke-width: 2; }
svg .open rect, svg .failed rect { stroke-dasharray: 5 3; }
svg .failed { opacity: .6; }
table { border-collapse: collapse; margin-top: 1rem; }
td, th { text-align: left; padding: .15rem 1rem .15rem 0; border-bottom: 1px solid var(--line);
  font-variant-numeric: tabular-nums; }
tr.bad td { color: var(--bad-edge); font-weight: 600; }
tr.near td { color: var(--near-edge); }
</style>
</head>
<body>
)";

constexpr int kLaneHeight = 44;
constexpr int kLabelWidth = 110;
constexpr int kMargin = 12;
constexpr int kLetterWidth = 8;

// Where the operations of the part are drawn: each event has a column, as wide as what is written
// in the bars that begin there needs.
class Timeline {
 public:
  explicit Timeline(const Violation& violation)
      : history_(restrict(violation.object.history, violation.part.operations)),
        found_(violation.part.found), named_(violation.part.operations) {
    for (const Operation& operation : history_.operations) {
      const auto [lane, is_new] = lanes_.try_emplace(operation.process, names_.size());
      if (is_new) names_.push_back(operation.process);
    }
    int x = kLabelWidth;
    begin_.resize(history_.operations.size());
    end_.assign(history_.operations.size(), 0);
    for (const HistoryEvent& event : history_.events) {
      int& edge = event.is_return ? end_[event.op] : begin_[event.op];
      if (event.is_return) x = std::max(x, begin_[event.op] + bar_width(event.op));
      edge = x;
      x += kMargin;
    }
    // What may still happen is drawn to the end, and must have room for its words.
    for (std::size_t op = 0; op < end_.size(); ++op) {
      if (end_[op] == 0) x = std::max(x, begin_[op] + bar_width(op));
    }
    width_ = x + kMargin;
    for (int& end : end_) {
      if (end == 0) end = x;
    }
  }

  std::string svg() const {
    const int height = kLaneHeight * static_cast<int>(names_.size());
    std::string out = fmt::format(
        "<div class=\"scroll\"><svg width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
        "role=\"img\" aria-label=\"Timeline of the operations\">\n",
        width_, height);
    for (std::size_t lane = 0; lane < names_.size(); ++lane) {
      const int y = kLaneHeight * static_cast<int>(lane) + kLaneHeight / 2;
      out += fmt::format("<line class=\"lane\" x1=\"{}\" x2=\"{}\" y1=\"{}\" y2=\"{}\"/>\n",
                         kLabelWidth, width_, y, y);
      out += fmt::format("<text x=\"{}\" y=\"{}\">process {}</text>\n", kMargin, y + 4,
                         escaped(names_[lane]));
    }
    for (std::size_t op = 0; op < history_.operations.size(); ++op) out += bar(op);
    return out + "</svg></div>\n";
  }

  std::string table() const {
    std::string out = "<table>\n<tr><th>called</th><th>returned</th><th>operation</th></tr>\n";
    for (std::size_t op = 0; op < history_.operations.size(); ++op) {
      const Operation& operation = history_.operations[op];
      const auto when = [](std::size_t line, const std::optional<std::int64_t>& time) {
        const std::string at = time ? fmt::format(" (at {})", *time) : "";
        return line == 0 ? std::string("never") : fmt::format("line {}{}", line, at);
      };
      out += fmt::format("<tr class=\"{}\"><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                         classes_of(op), when(operation.called_line, operation.called_at),
                         when(operation.returned_line, operation.returned_at),
                         escaped(without_lines(operation)));
    }
    return out + "</table>\n";
  }

 private:
  static std::string without_lines(Operation operation) {
    operation.called_line = 0;
    return describe(operation);
  }

  std::string words(std::size_t op) const {
    Operation operation = history_.operations[op];
    operation.process.clear();
    constexpr std::size_t kLettersMost = 48;
    std::string text = without_lines(operation).substr(std::string("process  ").size());
    if (text.size() > kLettersMost) text = text.substr(0, kLettersMost - 3) + "...";
    return text;
  }

  int bar_width(std::size_t op) const {
    return 2 * kMargin + kLetterWidth * static_cast<int>(words(op).size());
  }

  std::string classes_of(std::size_t op) const {
    const std::size_t name = named_[op];
    const auto& pending = found_.pending;
    std::string classes = name == found_.op ? "bad"
                          : std::find(pending.begin(), pending.end(), name) != pending.end()
                              ? "near"
                              : "";
    const Outcome outcome = history_.operations[op].outcome;
    if (outcome == Outcome::unknown) classes += " open";
    if (outcome == Outcome::fail) classes += " failed";
    return classes;
  }

  std::string bar(std::size_t op) const {
    const Operation& operation = history_.operations[op];
    const int y = kLaneHeight * static_cast<int>(lanes_.at(operation.process));
    return fmt::format(
        "<g class=\"{}\"><title>{}</title><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" "
        "rx=\"4\"/><text x=\"{}\" y=\"{}\">{}</text></g>\n",
        classes_of(op), escaped(describe(operation)), begin_[op], y + 8, end_[op] - begin_[op],
        kLaneHeight - 16, begin_[op] + kMargin, y + kLaneHeight / 2 + 4, escaped(words(op)));
  }

  const History history_;
  const LinearizabilityResult& found_;
  const std::vector<std::size_t>& named_;  // The part's operations, as `found_` names them.
  std::map<std::string, std::size_t> lanes_;
  std::vector<std::string> names_;  // By lane.
  std::vector<int> begin_, end_;    // By operation.
  int width_ = 0;
};

}  // namespace

std::string text_report(const Violation& violation) {
  std::string out = fmt::format("{}: not linearizable ({})\n{}: {}\n", violation.file,
                                violation.model, extent(violation), violation.part.found.message);
  for (const std::size_t op : violation.part.operations) {
    const bool is_bad = op == violation.part.found.op;
    out += fmt::format("{} {}\n", is_bad ? "=>" : "  ",
                       describe(violation.object.history.operations[op]));
  }
  return out;
}

std::string html_report(const Violation& violation) {
  const Timeline timeline(violation);
  return fmt::format(
      "{}<h1>Not linearizable</h1>\n<p class=\"faint\">{} &middot; model {}</p>\n"
      "<p>{}: {}.</p>\n{}"
      "<p class=\"faint\">A bar reaches from an operation's call to its return; events stand in "
      "their order, not to scale. Red: no order of the operations explains this answer. Yellow: "
      "under way when it was given. Dashed: the outcome is unknown, or it failed.</p>\n{}"
      "</body>\n</html>\n",
      kHead, escaped(violation.file), escaped(violation.model), escaped(extent(violation)),
      escaped(violation.part.found.message), timeline.svg(), timeline.table());
}

}  // namespace keelson::checker

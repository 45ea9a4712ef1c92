// Tested by tests/sim/repro_test.cc.
#include "sim/repro.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <utility>

#include "core/base/check.h"

namespace keelson::sim {

namespace {

constexpr std::string_view kFirstLine = "keelson-repro 1";

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// Splits off the last word; nothing when there is no other.
std::optional<std::pair<std::string_view, std::string_view>> split_last(std::string_view text) {
  const std::size_t space = text.rfind(' ');
  if (space == std::string_view::npos) return std::nullopt;
  return std::pair{text.substr(0, space), text.substr(space + 1)};
}

class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  Result<Repro> parse() {
    if (!next_line() || line_ != kFirstLine) {
      return bad(fmt::format("a repro file begins with \"{}\"", kFirstLine));
    }
    while (next_line() && !line_.empty()) {
      if (is_comment()) continue;
      TRY(parse_header());
    }
    if (repro_.scenario.empty()) return bad("the headers end without a scenario");
    while (next_line()) {
      if (line_.empty() || is_comment()) continue;
      TRY(parse_choice());
    }
    for (const auto& [stream, choices] : choices_) {
      for (const auto& [nth, value] : choices) repro_.choices[stream].push_back({nth, value});
    }
    return std::move(repro_);
  }

 private:
  bool next_line() {
    ++number_;
    if (rest_.empty()) return false;
    const std::size_t end = std::min(rest_.find('\n'), rest_.size());
    line_ = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    if (line_.ends_with('\r')) line_.remove_suffix(1);
    return true;
  }

  bool is_comment() const { return line_.starts_with('#'); }

  Error bad(std::string_view what) const {
    return {ErrorCode::invalid_argument, fmt::format("line {}: {}", number_, what)};
  }

  Result<void> parse_header() {
    const std::size_t colon = line_.find(": ");
    if (colon == std::string_view::npos) {
      return bad("neither a header (\"name: value\") nor the empty line that ends them");
    }
    const std::string_view name = line_.substr(0, colon);
    const std::string_view value = line_.substr(colon + 2);
    if (!headers_.emplace(name).second) return bad(fmt::format("a second \"{}\"", name));
    if (name == "seed") {
      const auto seed = parse_number(value);
      if (!seed) return bad("the seed is not a number");
      repro_.seed = *seed;
      return {};
    }
    std::string* const field = name == "scenario"      ? &repro_.scenario
                               : name == "build"       ? &repro_.build_id
                               : name == "oracle"      ? &repro_.oracle
                               : name == "fingerprint" ? &repro_.fingerprint
                                                       : nullptr;
    if (field == nullptr) return bad(fmt::format("no header is named \"{}\"", name));
    *field = value;
    return {};
  }

  Result<void> parse_choice() {
    const auto before_value = split_last(line_);
    const auto before_nth = before_value ? split_last(before_value->first) : std::nullopt;
    if (!before_nth || before_nth->first.empty()) return bad("a choice is \"stream nth value\"");
    const auto nth = parse_number(before_nth->second);
    const auto value = parse_number(before_value->second);
    if (!nth || !value) return bad("nth and value of a choice are decimal numbers");
    const auto [at, is_new] = choices_[std::string(before_nth->first)].emplace(*nth, *value);
    if (!is_new) return bad(fmt::format("a second choice \"{} {}\"", before_nth->first, at->first));
    return {};
  }

  std::string_view rest_;
  std::string_view line_;
  std::size_t number_ = 0;
  std::set<std::string, std::less<>> headers_;
  std::map<std::string, std::map<std::uint64_t, std::uint64_t>> choices_;  // By stream and nth.
  Repro repro_;
};

void append_header(std::string& text, std::string_view name, std::string_view value) {
  CHECK(value.find('\n') == std::string_view::npos);
  if (!value.empty()) text += fmt::format("{}: {}\n", name, value);
}

}  // namespace

std::string to_text(const Repro& repro) {
  CHECK(!repro.scenario.empty());
  std::string text = fmt::format("{}\n", kFirstLine);
  append_header(text, "scenario", repro.scenario);
  append_header(text, "build", repro.build_id);
  append_header(text, "oracle", repro.oracle);
  append_header(text, "fingerprint", repro.fingerprint);
  append_header(text, "seed", fmt::format("{}", repro.seed));
  text += '\n';
  for (const auto& [stream, choices] : repro.choices) {
    CHECK(!stream.empty() && stream.front() != '#' && stream.find('\n') == std::string::npos);
    for (std::size_t i = 0; i < choices.size(); ++i) {
      CHECK(i == 0 || choices[i - 1].nth < choices[i].nth);
      fmt::format_to(std::back_inserter(text), "{} {} {}\n", stream, choices[i].nth,
                     choices[i].value);
    }
  }
  return text;
}

Result<Repro> parse_repro(std::string_view text) { return Parser(text).parse(); }

}  // namespace keelson::sim

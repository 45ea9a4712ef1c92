// Tested by tests/tools/show/diagram_test.cc and, in a browser, by tests/tools/show/page_test.py.
#include "tools/show/diagram.h"

#include <fmt/format.h>

#include <array>
#include <boost/json.hpp>

#include "core/base/check.h"
#include "tools/show/page_files.h"

namespace keelson::show {

namespace json = boost::json;

namespace {

json::array names_of_kinds() {
  json::array names;
  for (std::size_t kind = 0; kind < kMessageKinds; ++kind) {
    names.push_back(json::string(name_of(static_cast<MessageKind>(kind))));
  }
  return names;
}

json::array names_of_events() {
  json::array names;
  for (std::size_t kind = 0; kind < kEventKinds; ++kind) {
    names.push_back(json::string(name_of(static_cast<EventKind>(kind))));
  }
  return names;
}

json::array names_of_roles() {
  json::array names;
  for (int role = 0; role <= static_cast<int>(State::Role::leader); ++role) {
    names.push_back(json::string(name_of(static_cast<State::Role>(role))));
  }
  return names;
}

json::array rows(const std::vector<Message>& messages) {
  json::array rows;
  for (const Message& m : messages) {
    rows.push_back(json::array{m.sent, m.received, m.lost, m.from, m.to,
                               static_cast<int>(m.kind), m.group, m.term, m.text});
  }
  return rows;
}

json::array rows(const std::vector<State>& states) {
  json::array rows;
  for (const State& s : states) {
    rows.push_back(json::array{s.at, s.machine, s.group, static_cast<int>(s.role), s.term,
                               s.leader, s.vote, s.commit, s.applied, s.last, s.configuration});
  }
  return rows;
}

json::array rows(const std::vector<Event>& events) {
  json::array rows;
  for (const Event& e : events) {
    rows.push_back(json::array{e.at, e.machine, static_cast<int>(e.kind), e.text});
  }
  return rows;
}

json::array rows(const std::vector<Operation>& operations) {
  json::array rows;
  for (const Operation& o : operations) {
    rows.push_back(
        json::array{o.called, o.returned, o.client, o.node, o.what, o.outcome, o.answer});
  }
  return rows;
}

json::array rows(const std::vector<LinkTrouble>& links) {
  json::array rows;
  for (const LinkTrouble& l : links) {
    rows.push_back(json::array{l.begin, l.end, l.from, l.to, l.clogged_by});
  }
  return rows;
}

json::array rows(const std::vector<CausePoint>& cause) {
  json::array rows;
  for (const CausePoint& point : cause) {
    rows.push_back(json::array{point.at, point.probability, point.runs});
  }
  return rows;
}

// Puts `content` in each place of `marker`.
void fill(std::string& page, std::string_view marker, std::string_view content) {
  std::size_t at = page.find(marker);
  CHECK(at != std::string::npos);
  for (; at != std::string::npos; at = page.find(marker, at + content.size())) {
    page.replace(at, marker.size(), content);
  }
}

std::string escape_html(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '&': escaped += "&amp;"; break;
      case '"': escaped += "&quot;"; break;
      default: escaped += c;
    }
  }
  return escaped;
}

}  // namespace

Result<std::vector<CausePoint>> parse_cause(std::string_view text) {
  const Error bad{ErrorCode::invalid_argument,
                  "no array of {virtual_ns, probability, runs}, as keelson-sim cause writes it"};
  boost::system::error_code failed;
  const json::value value = json::parse(text, failed);
  if (failed || !value.is_array()) return bad;
  std::vector<CausePoint> cause;
  for (const json::value& each : value.as_array()) {
    const json::object* const point = each.if_object();
    if (point == nullptr) return bad;
    const json::value* const at = point->if_contains("virtual_ns");
    const json::value* const probability = point->if_contains("probability");
    const json::value* const runs = point->if_contains("runs");
    if (at == nullptr || !at->is_number() || probability == nullptr ||
        !probability->is_number() || runs == nullptr || !runs->is_number()) {
      return bad;
    }
    cause.push_back({.at = at->to_number<std::int64_t>(),
                     .probability = probability->to_number<double>(),
                     .runs = runs->to_number<std::uint64_t>()});
  }
  return cause;
}

std::string to_json(const Recording& recording, const std::vector<CausePoint>& cause) {
  json::array machines;
  for (const Recording::Machine& machine : recording.machines) {
    machines.push_back(json::array{json::string(machine.name), machine.is_node});
  }
  json::value violation = nullptr;
  if (recording.violation) {
    violation = json::object{{"oracle", recording.violation->oracle},
                             {"message", recording.violation->message},
                             {"at", recording.violation->at}};
  }
  json::array texts(recording.texts.all().begin(), recording.texts.all().end());
  const json::object run{{"scenario", recording.scenario},
                         {"seed", std::to_string(recording.seed)},
                         {"repeat", recording.repeat},
                         {"digest", fmt::format("{:016x}", recording.digest)},
                         {"end", recording.end},
                         {"groups", recording.groups},
                         {"violation", std::move(violation)},
                         {"messageKinds", names_of_kinds()},
                         {"eventKinds", names_of_events()},
                         {"roles", names_of_roles()},
                         {"machines", std::move(machines)},
                         {"texts", std::move(texts)},
                         {"messages", rows(recording.messages)},
                         {"states", rows(recording.states)},
                         {"events", rows(recording.events)},
                         {"operations", rows(recording.operations)},
                         {"links", rows(recording.links)},
                         {"cause", rows(cause)}};
  return json::serialize(run);
}

std::string to_page(const Recording& recording, const std::vector<CausePoint>& cause) {
  // Nothing in the data may end the element that it stands in.
  std::string data;
  for (const char c : to_json(recording, cause)) {
    if (c == '<') {
      data += "\\u003c";
    } else {
      data += c;
    }
  }
  std::string page(kPageHtml);
  fill(page, "{{title}}",
       escape_html(fmt::format("{}, seed {}", recording.scenario, recording.seed)));
  fill(page, "{{style}}", kPageCss);
  std::string script;
  for (const std::string_view part : kPageScripts) script.append(part).append("\n");
  fill(page, "{{script}}", script);
  fill(page, "{{run}}", data);  // Last: what is in it stays as it is.
  return page;
}

}  // namespace keelson::show

// Tested by tests/tools/show/diagram_test.cc.
//
// Written by "Trace Event Format" (Google): times are microseconds with a fraction; "M" names
// processes and threads, "X" is a span, "i" an instant, "C" a counter, "s" and "f" the two ends of
// a flow, each inside a span of its thread, "b" and "e" those of a span that overlaps others.
#include "tools/show/perfetto.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <utility>

namespace keelson::show {

namespace json = boost::json;

namespace {

// Threads of a machine; the role in group g is thread kRoles + g.
constexpr int kEvents = 1;
constexpr int kSends = 2;
constexpr int kReceives = 3;
constexpr int kOperations = 4;
constexpr int kLinks = 100;  // From machine i: kLinks + i.
constexpr int kRoles = 1000;

class Writer {
 public:
  explicit Writer(const Recording& recording) : recording_(recording) {}

  std::string write() {
    name_machines();
    roles();
    messages();
    operations();
    for (const Event& event : recording_.events) instant(event);
    links();
    if (recording_.violation) violation(*recording_.violation);
    const json::object trace{{"displayTimeUnit", "ns"}, {"traceEvents", std::move(events_)}};
    return json::serialize(trace);
  }

 private:
  // Of a time in nanoseconds; exact below 2^53 ns, which is more than a hundred days.
  static double us(std::int64_t ns) { return static_cast<double>(ns) / 1000; }
  std::int64_t until(std::int64_t time) const { return time == kNever ? recording_.end : time; }
  const std::string& text(std::uint32_t number) const { return recording_.texts.all()[number]; }

  void name(const char* what, std::uint32_t machine, int thread, const std::string& name) {
    events_.push_back(json::object{{"ph", "M"},
                                   {"name", what},
                                   {"pid", machine},
                                   {"tid", thread},
                                   {"args", {{"name", name}}}});
  }

  void name_machines() {
    for (std::uint32_t index = 0; index < recording_.machines.size(); ++index) {
      const Recording::Machine& machine = recording_.machines[index];
      name("process_name", index, 0, machine.name);
      name("thread_name", index, kEvents, "events");
      if (index == 0) continue;
      name("thread_name", index, kSends, "sends");
      name("thread_name", index, kReceives, "receives");
      name("thread_name", index, kOperations, "operations");
      for (int group = 0; machine.is_node && group < recording_.groups; ++group) {
        name("thread_name", index, kRoles + group, fmt::format("role in g{}", group));
      }
    }
  }

  void span(std::uint32_t machine, int thread, std::string_view name, std::int64_t begin,
            std::int64_t end, json::object args) {
    events_.push_back(json::object{{"ph", "X"},
                                   {"name", name},
                                   {"pid", machine},
                                   {"tid", thread},
                                   {"ts", us(begin)},
                                   {"dur", us(end - begin)},
                                   {"args", std::move(args)}});
  }

  // A span for as long as role and term stay, and counters of what grows.
  void roles() {
    std::map<std::pair<std::uint32_t, std::int32_t>, State> open;
    const auto close = [&](const State& state, std::int64_t end) {
      if (state.role == State::Role::gone) return;
      span(state.machine, kRoles + state.group,
           fmt::format("{} t{}", name_of(state.role), state.term), state.at, end,
           {{"leader", state.leader}, {"vote", state.vote},
            {"configuration", text(state.configuration)}});
    };
    for (const State& state : recording_.states) {
      const auto [last, is_new] = open.try_emplace({state.machine, state.group}, state);
      const bool goes_on = last->second.role == state.role && last->second.term == state.term;
      if (!is_new && !goes_on) {
        close(last->second, state.at);
        last->second = state;
      }
      events_.push_back(json::object{
          {"ph", "C"},
          {"name", fmt::format("g{} log", state.group)},
          {"pid", state.machine},
          {"ts", us(state.at)},
          {"args", {{"commit", state.commit}, {"applied", state.applied}, {"last", state.last}}}});
    }
    for (const auto& [whose, state] : open) close(state, recording_.end);
  }

  void messages() {
    std::uint64_t flow = 0;
    for (const Message& message : recording_.messages) {
      ++flow;
      const std::string_view name = name_of(message.kind);
      const bool is_received = message.received != kNever;
      json::object args{{"what", text(message.text)},
                        {"to", recording_.machines[message.to].name},
                        {"fate", is_received ? "received"
                                             : message.lost != kNever ? "lost" : "under way"}};
      span(message.from, kSends, name, message.sent, message.sent, std::move(args));
      if (!is_received) continue;
      span(message.to, kReceives, name, message.received, message.received,
           {{"what", text(message.text)}, {"from", recording_.machines[message.from].name}});
      end_of_flow("s", message.from, kSends, message.sent, flow, name);
      end_of_flow("f", message.to, kReceives, message.received, flow, name);
    }
  }

  void end_of_flow(const char* phase, std::uint32_t machine, int thread, std::int64_t at,
                   std::uint64_t id, std::string_view name) {
    json::object flow{{"ph", phase},     {"cat", "message"}, {"name", name}, {"id", id},
                      {"pid", machine}, {"tid", thread},    {"ts", us(at)}};
    if (*phase == 'f') flow["bp"] = "e";
    events_.push_back(std::move(flow));
  }

  void operations() {
    std::uint64_t number = 0;
    for (const Operation& operation : recording_.operations) {
      // One client may have several under way: spans of their own, which need not nest.
      ++number;
      const auto end = [&](const char* phase, std::int64_t at) {
        return json::object{{"ph", phase},        {"cat", "operation"},
                            {"id", number},       {"name", text(operation.what)},
                            {"pid", operation.client}, {"tid", kOperations},
                            {"ts", us(at)}};
      };
      json::object begin = end("b", operation.called);
      begin["args"] = json::object{{"node", recording_.machines[operation.node].name},
                                   {"outcome", text(operation.outcome)},
                                   {"answer", text(operation.answer)}};
      events_.push_back(std::move(begin));
      events_.push_back(end("e", until(operation.returned)));
    }
  }

  void instant(const Event& event) {
    events_.push_back(json::object{{"ph", "i"},
                                   {"name", text(event.text)},
                                   {"cat", name_of(event.kind)},
                                   {"s", event.machine == 0 ? "g" : "t"},
                                   {"pid", event.machine},
                                   {"tid", kEvents},
                                   {"ts", us(event.at)}});
  }

  void links() {
    for (const LinkTrouble& link : recording_.links) {
      const std::string& to = recording_.machines[link.to].name;
      span(link.from, kLinks + static_cast<int>(link.to),
           link.clogged_by == 0 ? "cut from " + to : "slow to " + to, link.begin, until(link.end),
           {{"clogged_by_ns", link.clogged_by}});
    }
  }

  void violation(const Violation& violation) {
    events_.push_back(json::object{{"ph", "i"},
                                   {"name", violation.oracle + ": " + violation.message},
                                   {"cat", "violation"},
                                   {"s", "g"},
                                   {"pid", 0},
                                   {"tid", kEvents},
                                   {"ts", us(violation.at)}});
  }

  const Recording& recording_;
  json::array events_;
};

}  // namespace

std::string to_perfetto(const Recording& recording) { return Writer(recording).write(); }

}  // namespace keelson::show

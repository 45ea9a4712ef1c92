// Tested by tests/scenarios/checker/history_reader_test.cc.
#include "scenarios/checker/history_reader.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

namespace keelson::checker {

namespace {

namespace json = boost::json;

enum class EventKind { invoke, ok, fail, unknown };

// An operation's name in a file, and what it stands for.
struct Name {
  HistoryModel model;
  std::string_view name;
  Kind kind;
  bool is_compare_and_set = false;
};

constexpr std::array kNames{
    Name{HistoryModel::reg, "read", Kind::read},
    Name{HistoryModel::reg, "write", Kind::write},
    Name{HistoryModel::reg, "cas", Kind::write, true},
    Name{HistoryModel::kv, "get", Kind::read},
    Name{HistoryModel::kv, "put", Kind::write},
    Name{HistoryModel::kv, "delete", Kind::remove},
    Name{HistoryModel::queue, "enqueue", Kind::enqueue},
    Name{HistoryModel::queue, "dequeue", Kind::dequeue},
};

std::string text_of(const json::value& value) { return json::serialize(value); }

Error wrong(std::string what) { return {ErrorCode::invalid_argument, std::move(what)}; }

// The same text for the same value: the members of objects sorted, and null for none.
json::value canonical(const json::value& value) {
  if (value.is_array()) {
    json::array sorted;
    for (const json::value& element : value.get_array()) sorted.push_back(canonical(element));
    return sorted;
  }
  if (!value.is_object()) return value;
  std::map<std::string, json::value> members;
  for (const auto& member : value.get_object()) {
    members.emplace(std::string(member.key()), canonical(member.value()));
  }
  json::object sorted;
  for (auto& [name, member] : members) sorted.emplace(name, std::move(member));
  return sorted;
}

std::optional<std::string> value_of(const json::value& value) {
  if (value.is_null()) return std::nullopt;
  return text_of(canonical(value));
}

// One line, with what must be a string or a number as text.
struct Line {
  EventKind event = EventKind::invoke;
  std::string process;
  std::optional<std::string> op;
  std::optional<std::string> key;
  const json::value* value = nullptr;     // If it is there, even if it is null.
  const json::value* if_value = nullptr;
  std::optional<bool> applied;
  std::optional<std::int64_t> time;
};

Result<std::string> name_in(const json::value& value, std::string_view field) {
  if (value.is_string()) return std::string(value.get_string());
  if (value.is_int64() || value.is_uint64()) return text_of(value);
  return wrong(fmt::format("\"{}\" should be a string or a whole number, not {}", field,
                           text_of(value)));
}

Result<EventKind> event_in(const json::value& value) {
  constexpr std::array<std::string_view, 4> kEvents{"invoke", "ok", "fail", "unknown"};
  const auto known = value.is_string()
                         ? std::find(kEvents.begin(), kEvents.end(),
                                     std::string_view(value.get_string()))
                         : kEvents.end();
  if (known != kEvents.end()) return static_cast<EventKind>(known - kEvents.begin());
  return wrong(fmt::format(
      "\"event\" should be \"invoke\", \"ok\", \"fail\" or \"unknown\", not {}", text_of(value)));
}

Result<void> take_field(std::string_view field, const json::value& value, Line& line) {
  if (field == "event") {
    TRY(line.event, event_in(value));
  } else if (field == "process") {
    TRY(line.process, name_in(value, field));
  } else if (field == "op") {
    TRY(line.op, name_in(value, field));
  } else if (field == "key") {
    TRY(line.key, name_in(value, field));
  } else if (field == "value") {
    line.value = &value;
  } else if (field == "if_value") {
    line.if_value = &value;
  } else if (field == "applied") {
    if (!value.is_bool()) return wrong("\"applied\" should be true or false");
    line.applied = value.get_bool();
  } else if (field == "time") {
    if (!value.is_int64()) return wrong("\"time\" should be a whole number");
    line.time = value.get_int64();
  } else {
    return wrong(fmt::format("unknown field \"{}\"", field));
  }
  return {};
}

Result<Line> read_line(const json::value& parsed) {
  if (!parsed.is_object()) return wrong("a line should be a JSON object");
  const json::object& object = parsed.get_object();
  for (const char* field : {"event", "process"}) {
    if (!object.contains(field)) return wrong(fmt::format("\"{}\" is missing", field));
  }
  Line line;
  for (const auto& member : object) {
    TRY(take_field(std::string_view(member.key()), member.value(), line));
  }
  return line;
}

class Reader {
 public:
  explicit Reader(HistoryModel model) : model_(model) {}

  Result<void> take(const Line& line, std::size_t number) {
    return line.event == EventKind::invoke ? invoke(line, number) : finish(line, number);
  }

  History take_history() {
    for (auto& [process, op] : pending_) history_.operations[op].outcome = Outcome::unknown;
    return std::move(history_);
  }

 private:
  Result<const Name*> name_of(const Line& line) const {
    if (!line.op) return wrong("\"op\" is missing");
    std::string known;
    for (const Name& name : kNames) {
      if (name.model != model_) continue;
      if (name.name == *line.op) return &name;
      known += (known.empty() ? "" : ", ") + std::string(name.name);
    }
    return wrong(fmt::format("unknown \"op\" \"{}\": this model has {}", *line.op, known));
  }

  Result<void> invoke(const Line& line, std::size_t number) {
    const Name* name = nullptr;
    TRY(name, name_of(line));
    if (const auto running = pending_.find(line.process); running != pending_.end()) {
      return wrong(fmt::format(
          "process {} invokes while its operation of line {} has not ended: one at a time",
          line.process, history_.operations[running->second].called_line));
    }
    if (model_ == HistoryModel::kv && !line.key) return wrong("\"key\" is missing");
    if (line.applied) return wrong("\"applied\" belongs to the answer");
    Operation operation;
    operation.process = line.process;
    operation.key = line.key.value_or("");
    operation.kind = name->kind;
    operation.called_line = number;
    operation.called_at = line.time;
    TRY(take_arguments(*name, line, operation));
    pending_.emplace(line.process, history_.operations.size());
    history_.events.push_back({history_.operations.size(), false});
    history_.operations.push_back(std::move(operation));
    names_.push_back(name);
    return {};
  }

  Result<void> take_arguments(const Name& name, const Line& line, Operation& operation) const {
    const bool brings = name.kind == Kind::write || name.kind == Kind::enqueue;
    if (name.is_compare_and_set) {
      if (line.value == nullptr || !line.value->is_array() || line.value->get_array().size() != 2) {
        return wrong("\"value\" of cas should be [what must be there, what to write]");
      }
      operation.is_conditional = true;
      operation.expected = value_of(line.value->get_array()[0]);
      operation.value = value_of(line.value->get_array()[1]);
    } else if (brings) {
      if (line.value != nullptr) operation.value = value_of(*line.value);
    } else if (line.value != nullptr && !line.value->is_null()) {
      return wrong(fmt::format("\"value\" of {} belongs to the answer", name.name));
    }
    if (brings && !operation.value) {
      return wrong(fmt::format("{} needs a \"value\" other than null", name.name));
    }
    if (line.if_value != nullptr) {
      const bool may_be_conditional = name.kind == Kind::write || name.kind == Kind::remove;
      if (model_ != HistoryModel::kv || !may_be_conditional) {
        return wrong("\"if_value\" is for put and delete");
      }
      operation.is_conditional = true;
      operation.expected = value_of(*line.if_value);
    }
    return {};
  }

  Result<void> finish(const Line& line, std::size_t number) {
    const auto running = pending_.find(line.process);
    if (running == pending_.end()) {
      return wrong(fmt::format("process {} has nothing under way that could end", line.process));
    }
    const std::size_t op = running->second;
    Operation& operation = history_.operations[op];
    const Name& name = *names_[op];
    if (line.op && *line.op != name.name) {
      return wrong(fmt::format("\"op\" is {}, but process {} has invoked {} in line {}", *line.op,
                               line.process, name.name, operation.called_line));
    }
    if (line.key && *line.key != operation.key) {
      return wrong(fmt::format("\"key\" is {}, but process {} has invoked with {} in line {}",
                               *line.key, line.process, operation.key, operation.called_line));
    }
    operation.returned_line = number;
    operation.returned_at = line.time;
    if (line.event == EventKind::ok) {
      TRY(take_answer(name, line, operation));
      operation.outcome = Outcome::ok;
    } else {
      operation.outcome = line.event == EventKind::fail ? Outcome::fail : Outcome::unknown;
    }
    if (operation.outcome != Outcome::unknown) history_.events.push_back({op, true});
    pending_.erase(running);
    return {};
  }

  Result<void> take_answer(const Name& name, const Line& line, Operation& operation) const {
    const bool shows = name.kind == Kind::read || name.kind == Kind::dequeue;
    if (shows) {
      if (line.value == nullptr) {
        return wrong(fmt::format("the answer of {} needs a \"value\": null if there was none",
                                 name.name));
      }
      operation.value = value_of(*line.value);
    }
    if (line.applied && !operation.is_conditional) {
      return wrong("\"applied\" is for operations on a condition");
    }
    operation.applied = line.applied.value_or(true);
    return {};
  }

  const HistoryModel model_;
  History history_;
  std::vector<const Name*> names_;  // By operation.
  std::map<std::string, std::size_t> pending_;  // By process.
};

}  // namespace

std::optional<HistoryModel> history_model_of(std::string_view name) {
  if (name == "register") return HistoryModel::reg;
  if (name == "kv") return HistoryModel::kv;
  if (name == "queue") return HistoryModel::queue;
  return std::nullopt;
}

Result<History> read_history(std::string_view text, HistoryModel model, const std::string& file) {
  Reader reader(model);
  std::size_t number = 0;
  const auto wrong_here = [&](const std::string& what) {
    return wrong(fmt::format("{}:{}: {}", file, number, what));
  };
  while (!text.empty()) {
    ++number;
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    boost::system::error_code error;
    const json::value parsed = json::parse(json::string_view(line.data(), line.size()), error);
    if (error) return wrong_here("not JSON: " + error.message());
    const auto fields = read_line(parsed);
    if (!fields) return wrong_here(fields.error().message);
    if (const auto taken = reader.take(*fields, number); !taken) {
      return wrong_here(taken.error().message);
    }
  }
  History history = reader.take_history();
  if (history.operations.empty()) return wrong(file + ": there is no operation in it");
  return history;
}

}  // namespace keelson::checker

// Tested by tests/net/stderr_log_test.cc.
#include "net/stderr_log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <iterator>

namespace keelson {

namespace {

bool is_control(char c) {
  const auto octet = static_cast<unsigned char>(c);
  return octet < 0x20 || octet == 0x7f;
}

// RFC 8259 §7. What is not UTF-8 stays as it is: a log line is no place to lose evidence.
void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (is_control(c)) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned char>(c));
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

}  // namespace

void StderrLog::event(std::string_view component, std::string_view text) {
  std::string line =
      format_ == LogFormat::json ? as_json(component, text) : as_text(component, text);
  line += '\n';
  [[maybe_unused]] const ssize_t written = write(descriptor_, line.data(), line.size());
}

std::string StderrLog::as_text(std::string_view component, std::string_view text) const {
  const std::int64_t ms = (clock_.now() - start_).count() / 1'000'000;
  std::string line;
  fmt::format_to(std::back_inserter(line), "[{:>3}.{:03}s] {} {}: {}", ms / 1000, ms % 1000, node_,
                 component, text);
  // Text may quote a stranger: an event stays one line, and a terminal is not steered by it.
  for (char& c : line) {
    if (is_control(c)) c = ' ';
  }
  return line;
}

std::string StderrLog::as_json(std::string_view component, std::string_view text) const {
  std::string line = fmt::format("{{\"time_ms\":{},\"node\":", clock_.wall_ms());
  append_quoted(line, node_);
  line += ",\"component\":";
  append_quoted(line, component);
  line += ",\"event\":";
  append_quoted(line, text);
  line += '}';
  return line;
}

}  // namespace keelson

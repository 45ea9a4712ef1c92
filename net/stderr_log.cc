// Tested by tests/net/stderr_log_test.cc.
#include "net/stderr_log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <iterator>

namespace keelson {

void StderrLog::event(std::string_view component, std::string_view text) {
  const std::int64_t ms = (clock_.now() - start_).count() / 1'000'000;
  std::string line;
  fmt::format_to(std::back_inserter(line), "[{:>3}.{:03}s] {} {}: {}", ms / 1000, ms % 1000, node_,
                 component, text);
  // Text may quote a stranger: an event stays one line, and a terminal is not steered by it.
  for (char& c : line) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x20 || octet == 0x7f) c = ' ';
  }
  line += '\n';
  [[maybe_unused]] const ssize_t written = write(descriptor_, line.data(), line.size());
}

}  // namespace keelson

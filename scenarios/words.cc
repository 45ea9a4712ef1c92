#include "scenarios/words.h"

#include <fmt/format.h>

namespace keelson::scenarios {

namespace {

std::string seconds(std::int64_t ns) {
  std::string text = fmt::format("{}.{:09}", ns / 1'000'000'000, ns % 1'000'000'000);
  const std::size_t shortest = text.size() - 6;
  while (text.size() > shortest && text.back() == '0') text.pop_back();
  return text + "s";
}

}  // namespace

std::string say(sim::TrueTime time) { return seconds(time.ns); }

std::string say(sim::Duration span) {
  const std::int64_t ns = span.count();
  if (ns < 0) return "-" + say(-span);
  if (ns >= 1'000'000'000) return seconds(ns);
  if (ns % 1'000'000 == 0) return fmt::format("{}ms", ns / 1'000'000);
  if (ns % 1'000 == 0) return fmt::format("{}us", ns / 1'000);
  return fmt::format("{}ns", ns);
}

}  // namespace keelson::scenarios

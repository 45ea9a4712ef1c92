// Repro: a run as a text file that a person can read, shorten by hand, and attach to a report.
//
//   file    = "keelson-repro 1" LF  { header }  LF  { choice }
//   header  = ( "scenario" | "build" | "oracle" | "fingerprint" | "seed" ) ":" SP value LF
//   choice  = stream SP nth SP value LF
//
// Headers come in that order when written, in any order and at most once each when read; only the
// scenario must be there. A stream's name may have spaces in it: the last two words of a choice are
// its numbers, decimal. Choices that are not listed are 0. Written sorted by stream and nth. Empty
// lines among the choices and lines that begin with "#" are skipped.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "sim/choices.h"

namespace keelson::sim {

struct Repro {
  std::string scenario = {};
  std::string build_id = {};
  std::string oracle = {};
  std::string fingerprint = {};
  std::uint64_t seed = 0;  // For information: the choices are what is replayed.
  std::map<std::string, std::vector<Choice>> choices = {};

  bool operator==(const Repro&) const = default;
};

// REQUIRES: no header's value has a line end in it, and the choices of a stream are sorted by nth.
std::string to_text(const Repro& repro);

// Errors: invalid_argument, whose message names the line ("line 7: ...").
Result<Repro> parse_repro(std::string_view text);

}  // namespace keelson::sim

// Promise: a property of all stories, judged by rapidcheck, with a verdict for GoogleTest. A body
// draws its case with rapidcheck's operator* and fails by RC_ASSERT or RC_FAIL.
//
// Without RC_PARAMS the seed is fixed, so that the verdict of a test run is a function of the
// sources. With it, it is what it says ("seed=7 max_success=1000", or the "reproduce=..." that a
// failure prints), or fresh and printed.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace keelson::properties {

// Judges the promise on that many cases. The name of the running test names it for "reproduce".
testing::AssertionResult holds(std::string_view promise, int cases,
                               const std::function<void()>& body);

// Whether RC_PARAMS asks for one failure again: then sums over many cases say nothing.
bool is_reproducing();

struct Falsified {
  std::string counterexample;  // What the body drew last.
  std::string told;            // All that a person is shown.
};

// For promises that are to be broken: looks for a case by which the body fails, from this seed
// whatever RC_PARAMS says, and shrinks it. Nothing if there is none among 2,000.
std::optional<Falsified> falsify(std::uint64_t seed, const std::function<void()>& body);

}  // namespace keelson::properties

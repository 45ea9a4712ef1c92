#include "tests/properties/promise.h"

#include <rapidcheck.h>

#include <cstdlib>
#include <iostream>
#include <sstream>

namespace keelson::properties {

namespace {

bool params_mention(const char* key) {
  const char* const params = std::getenv("RC_PARAMS");
  return params != nullptr && std::string(params).find(key) != std::string::npos;
}

// rapidcheck's own default is a seed from the outside. It reads the variable once, at first use.
const rc::detail::Configuration& configuration() {
  ::setenv("RC_PARAMS", "seed=1", /*overwrite=*/0);
  return rc::detail::configuration();
}

}  // namespace

bool is_reproducing() { return params_mention("reproduce="); }

testing::AssertionResult holds(std::string_view promise, int cases,
                               const std::function<void()>& body) {
  rc::detail::TestParams params = configuration().testParams;
  if (!params_mention("max_success=")) params.maxSuccess = cases;

  const auto* const test = testing::UnitTest::GetInstance()->current_test_info();
  rc::detail::TestMetadata metadata;
  metadata.id = std::string(test->test_suite_name()) + "." + test->name();
  metadata.description = std::string(promise);
  const auto result = rc::detail::checkProperty(rc::detail::toProperty(body), metadata, params);

  std::ostringstream text;
  text << '"' << promise << '"';
  if (!is_reproducing()) {
    text << " (RC_PARAMS=\"seed=" << params.seed << " max_success=" << params.maxSuccess << "\")";
  }
  text << '\n';
  rc::detail::printResultMessage(result, text);
  std::cout << text.str() << std::endl;
  if (result.is<rc::detail::SuccessResult>()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << text.str();
}

std::optional<Falsified> falsify(std::uint64_t seed, const std::function<void()>& body) {
  (void)configuration();
  constexpr int kCasesMost = 2'000;
  const auto result =
      rc::detail::checkProperty(rc::detail::toProperty(body), rc::detail::TestMetadata{},
                                rc::detail::TestParams{.seed = seed, .maxSuccess = kCasesMost});
  if (!result.is<rc::detail::FailureResult>()) return std::nullopt;
  std::ostringstream told;
  rc::detail::printResultMessage(result, told);
  const auto& drawn = result.get<rc::detail::FailureResult>().counterExample;
  return Falsified{.counterexample = drawn.empty() ? "" : drawn.back().second,
                   .told = told.str()};
}

}  // namespace keelson::properties

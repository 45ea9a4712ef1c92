#include "scenarios/operation_paths.h"

#include "core/base/check.h"

namespace keelson::scenarios {

namespace {

using Kind = Call::Kind;

enum class End { done, refused, failed, unknown };

End end_of(const Operation& operation) {
  switch (operation.outcome) {
    case Outcome::ok: return operation.answer.condition_held ? End::done : End::refused;
    case Outcome::fail: return End::failed;
    case Outcome::unknown: return End::unknown;
    case Outcome::pending: break;
  }
  check_failed("an operation that has ended", __FILE__, __LINE__);
}

struct S3Path {
  Kind kind;
  End end;
  std::string_view path;
};

// Of a get without an answer nobody needs to know more than that it failed; few writes surely fail.
constexpr S3Path kS3Paths[] = {
    {Kind::get, End::done, "s3: a get was answered"},
    {Kind::get, End::failed, "s3: a get failed"},
    {Kind::put, End::done, "s3: a put was done"},
    {Kind::put, End::failed, "s3: a put failed"},
    {Kind::put, End::unknown, "s3: a put of unknown outcome"},
    {Kind::put_if_absent, End::done, "s3: a put if absent was done"},
    {Kind::put_if_absent, End::refused, "s3: a put if absent was refused"},
    {Kind::put_if_absent, End::unknown, "s3: a put if absent of unknown outcome"},
    {Kind::put_if_match, End::done, "s3: a put if it matches was done"},
    {Kind::put_if_match, End::refused, "s3: a put if it matches was refused"},
    {Kind::put_if_match, End::unknown, "s3: a put if it matches of unknown outcome"},
    {Kind::remove, End::done, "s3: a delete was done"},
    {Kind::remove, End::unknown, "s3: a delete of unknown outcome"},
};

struct ProbePath {
  std::string_view method;
  ProbeExpectation expectation;
  int status;
  std::string_view path;
};

constexpr ProbePath kProbePaths[] = {
    {"GET", ProbeExpectation::leader, 200, "probe: GET of a leader probe, 200"},
    {"GET", ProbeExpectation::leader, 503, "probe: GET of a leader probe, 503"},
    {"GET", ProbeExpectation::leader, 0, "probe: GET of a leader probe, no answer"},
    {"HEAD", ProbeExpectation::leader, 200, "probe: HEAD of a leader probe, 200"},
    {"HEAD", ProbeExpectation::leader, 503, "probe: HEAD of a leader probe, 503"},
    {"POST", ProbeExpectation::leader, 405, "probe: POST to a leader probe, 405"},
    {"GET", ProbeExpectation::liveness, 200, "probe: GET of the liveness probe, 200"},
    {"GET", ProbeExpectation::ready, 200, "probe: GET of a readiness probe, 200"},
    {"GET", ProbeExpectation::ready, 503, "probe: GET of a readiness probe, 503"},
    {"GET", ProbeExpectation::not_found, 404, "probe: GET of what is no probe, 404"},
};

}  // namespace

std::string_view path_of(const Operation& operation) {
  const End end = end_of(operation);
  for (const S3Path& each : kS3Paths) {
    if (each.kind == operation.call.kind && each.end == end) return each.path;
  }
  return {};
}

Paths s3_paths() {
  Paths paths;
  for (const S3Path& each : kS3Paths) paths.push_back(each.path);
  return paths;
}

std::string_view path_of(std::string_view method, ProbeExpectation expectation, int status) {
  for (const ProbePath& each : kProbePaths) {
    if (each.method == method && each.expectation == expectation && each.status == status) {
      return each.path;
    }
  }
  return {};
}

Paths probe_paths() {
  Paths paths;
  for (const ProbePath& each : kProbePaths) paths.push_back(each.path);
  return paths;
}

Paths together(Paths paths, const Paths& more) {
  paths.insert(paths.end(), more.begin(), more.end());
  return paths;
}

}  // namespace keelson::scenarios

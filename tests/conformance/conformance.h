// One property, every world: programs over Env that a world runs on machines of its own.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/runtime/env.h"

namespace keelson::conformance {

// Where a program runs.
struct Host {
  Env& env;
  const std::string name;  // What stands before the ":" of its addresses.

  Address any_port() const { return name + ":0"; }
};

using Program = std::function<void(Host& host)>;

class ConformanceWorld {
 public:
  virtual ~ConformanceWorld() = default;

  // Runs each program as the root fiber of a machine of its own, until all have returned. If that
  // takes longer than any property should, the test fails and all are killed. Once per world.
  virtual void run(std::vector<Program> programs) = 0;
};

struct WorldKind {
  const char* name;
  std::unique_ptr<ConformanceWorld> (*make)(std::uint64_t seed);
  std::uint64_t seed = 0;  // Nothing to the real world.
};

std::unique_ptr<ConformanceWorld> make_threads_net_world(std::uint64_t);
std::unique_ptr<ConformanceWorld> make_uring_net_world(std::uint64_t);
// Where the kernel does not permit it, that world is left out.
bool io_uring_is_permitted();
std::unique_ptr<ConformanceWorld> make_calm_sim_world(std::uint64_t seed);
std::unique_ptr<ConformanceWorld> make_rough_sim_world(std::uint64_t seed);

// What every suite of properties derives from.
class Conformance : public testing::TestWithParam<WorldKind> {
 protected:
  void run(std::vector<Program> programs) {
    GetParam().make(GetParam().seed)->run(std::move(programs));
  }
  void run(Program program) { run(std::vector<Program>{std::move(program)}); }
};

class NetworkConformance : public Conformance {};
class DiskConformance : public Conformance {};
class TimeConformance : public Conformance {};
class RandomConformance : public Conformance {};
// Of the worlds whose ready fibers run in the order of becoming ready: a simulated schedule may
// differ on purpose.
class FirstInFirstOutConformance : public Conformance {};

// Something that one program leaves for another, outside the world's own means.
template <typename T>
class Handover {
 public:
  void give(T value) { value_ = std::move(value); }
  bool is_given() const { return value_.has_value(); }

  // Suspends until it is given.
  T& await(Host& host) {
    while (!value_) host.env.scheduler.sleep_for(std::chrono::milliseconds(1));
    return *value_;
  }

 private:
  std::optional<T> value_;
};

// Long enough for anything that happens at all.
inline Deadline patience(Host& host) {
  return Deadline::in(host.env.clock, std::chrono::seconds(20));
}

// Bytes whose every stretch tells where it is from.
Bytes pattern(std::size_t size, std::uint64_t seed = 0);

// The code of a failure, or nothing if it is none: EXPECT_EQ(code_of(x), ErrorCode::timed_out).
template <typename T>
std::optional<ErrorCode> code_of(const Result<T>& result) {
  if (result.has_value()) return std::nullopt;
  return result.error().code;
}

}  // namespace keelson::conformance

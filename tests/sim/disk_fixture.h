// A machine whose disk is tested, and programs that it runs one after the other.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "core/base/check.h"
#include "core/runtime/env.h"
#include "sim/choices.h"
#include "sim/machine.h"
#include "sim/sim_disk.h"
#include "sim/world.h"

namespace keelson::sim {

inline constexpr std::uint32_t kAlways = 1'000'000;

class DiskTest : public testing::Test {
 protected:
  using Program = std::function<void(Env&)>;

  // Runs `program` on the machine for ten seconds, after which it must have ended by itself.
  void run(const Program& program) {
    begin(program);
    world_.run_for(std::chrono::seconds(10));
    EXPECT_FALSE(n1_.is_running());
  }
  void begin(const Program& program) {
    ASSERT_FALSE(n1_.is_running());
    n1_.start(program);
  }
  // What the program wrote and did not sync is at risk.
  void run_and_lose_power(const Program& program) {
    begin([&](Env& env) {
      program(env);
      (void)env.stop_requested.wait(Deadline::never());
    });
    world_.run_for(std::chrono::seconds(10));
    n1_.crash();
  }

  static std::unique_ptr<File> open(Env& env, const std::string& path) {
    auto file = env.disk.open(path, OpenMode::create, Deadline::never());
    CHECK(file.has_value());
    return *std::move(file);
  }
  static void write(File& file, BytesView bytes, std::uint64_t offset = 0) {
    EXPECT_TRUE(file.pwrite(bytes, offset, Deadline::never()).has_value());
  }
  static void sync(File& file) { EXPECT_TRUE(file.sync(Deadline::never()).has_value()); }
  static void sync_directory(Env& env, const std::string& path = "") {
    EXPECT_TRUE(env.disk.sync_directory(path, Deadline::never()).has_value());
  }
  static std::string read(File& file) {
    std::string bytes(*file.size(), '?');
    EXPECT_EQ(*file.pread(bytes, 0, Deadline::never()), bytes.size());
    return bytes;
  }
  // A file of this content that a loss of power leaves alone.
  void make_durable(const std::string& path, const std::string& content) {
    run([&](Env& env) {
      auto file = open(env, path);
      write(*file, content);
      sync(*file);
      sync_directory(env);
    });
  }

  FaultLedger::Count count(std::string_view kind) {
    const auto found = world_.ledger().counts().find(kind);
    return found == world_.ledger().counts().end() ? FaultLedger::Count{} : found->second;
  }
  bool had_effect(std::string_view kind) {
    return count(kind).injected > 0 && count(kind).effective > 0;
  }
  SimDisk& disk() { return n1_.disk(); }
  void set_losses(const LossShares& shares) {
    DiskConditions conditions = disk().conditions();
    conditions.at_power_loss = shares;
    disk().set_conditions(conditions);
  }

  Choices choices_{3};
  World world_{choices_, {.shuffle_fibers = false, .uptime_limit = Duration::zero()}};
  Machine& n1_ = world_.add_machine("n1");
};

}  // namespace keelson::sim

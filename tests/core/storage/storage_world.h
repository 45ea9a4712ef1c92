// An Env for tests of storage: time by hand, no network, chance from a counter, and whatever disk
// the test brings.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "core/runtime/env.h"
#include "tests/core/runtime/manual_clock.h"
#include "tests/core/storage/memory_disk.h"

namespace keelson {

class StorageWorld {
 public:
  ManualClock clock;
  StackPool stacks;
  Scheduler scheduler{clock, stacks};
  Marks marks;

  // The log of events, for a test to read.
  std::vector<std::string> events;

  Env env(Disk& disk) {
    return {clock, network_, disk, random_, scheduler, process_, stop_, log_, marks};
  }

 private:
  struct NoNetwork : Network {
    Result<std::unique_ptr<Listener>> listen(const Address&) override {
      return Error{ErrorCode::unavailable, ""};
    }
    Result<std::unique_ptr<Connection>> connect(const Address&, Deadline) override {
      return Error{ErrorCode::unavailable, ""};
    }
  };
  struct Counting : RandomSource {
    struct Stream : Random {
      explicit Stream(std::uint64_t seed) : value_(seed) {}
      std::uint64_t below(std::uint64_t bound) override { return value_ % bound; }

     private:
      const std::uint64_t value_;
    };
    std::unique_ptr<Random> stream(std::string_view) override {
      return std::make_unique<Stream>(++streams_ * 0x9e37'79b9'7f4a'7c15);
    }
    Bytes identifier() override {
      Bytes octets(8, '\0');
      append_u64(octets, ++identifiers_);
      return octets;
    }

   private:
    std::uint64_t streams_ = 0;
    std::uint64_t identifiers_ = 0;
  };
  struct NoProcess : Process {
    void fail_stop(std::string_view) override { std::abort(); }
  };
  struct Log : EventLog {
    explicit Log(std::vector<std::string>& lines) : lines_(lines) {}
    void event(std::string_view component, std::string_view text) override {
      lines_.push_back(std::string(component) + ": " + std::string(text));
    }

   private:
    std::vector<std::string>& lines_;
  };

  NoNetwork network_;
  Counting random_;
  NoProcess process_;
  Event stop_{scheduler};
  Log log_{events};
};

}  // namespace keelson

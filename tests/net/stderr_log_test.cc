#include "net/stderr_log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/core/runtime/manual_clock.h"

namespace keelson {
namespace {

using namespace std::chrono_literals;

class StderrLogTest : public testing::Test {
 protected:
  StderrLogTest() { EXPECT_EQ(pipe(pipe_), 0); }
  ~StderrLogTest() override {
    for (const int end : pipe_) close(end);
  }

  std::string written() {
    char buffer[4096];
    const ssize_t got = read(pipe_[0], buffer, sizeof buffer);
    return std::string(buffer, got > 0 ? static_cast<std::size_t>(got) : 0);
  }

  int pipe_[2];
  ManualClock clock_;
};

TEST_F(StderrLogTest, ALineHasTheTimeSinceTheStartTheNodeAndTheComponent) {
  StderrLog log(clock_, "n2", LogFormat::text, pipe_[1]);
  clock_.advance_to(clock_.now() + 1'200'999us);
  log.event("raft", "term 2 -> 3");
  EXPECT_EQ(written(), "[  1.200s] n2 raft: term 2 -> 3\n");
}

TEST_F(StderrLogTest, TextCannotStartAnotherLineOrSteerATerminal) {
  StderrLog log(clock_, "n1", LogFormat::text, pipe_[1]);
  log.event("http", "refused \"a\r\n[  0.000s] n1 raft: forged\x1b[2J\"");
  EXPECT_EQ(written(), "[  0.000s] n1 http: refused \"a  [  0.000s] n1 raft: forged [2J\"\n");
}

TEST_F(StderrLogTest, AsJsonALineIsOneObjectWhateverTheTextIs) {
  StderrLog log(clock_, "n1", LogFormat::json, pipe_[1]);
  log.event("http", "a \"b\" \\ \r\n\x1b[2J\x7f\xc3\xa9");
  EXPECT_EQ(written(), "{\"time_ms\":" + std::to_string(clock_.wall_ms()) +
                           R"(,"node":"n1","component":"http",)"
                           R"("event":"a \"b\" \\ \u000d\u000a\u001b[2J\u007f)"
                           "\xc3\xa9\"}\n");
}

TEST_F(StderrLogTest, NothingHappensWhenNobodyListens) {
  StderrLog log(clock_, "n1", LogFormat::text, -1);
  log.event("raft", "unheard");
}

}  // namespace
}  // namespace keelson

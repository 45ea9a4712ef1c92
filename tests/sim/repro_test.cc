#include "sim/repro.h"

#include <gtest/gtest.h>

namespace keelson::sim {
namespace {

Repro example() {
  return {.scenario = "election_storm",
          .build_id = "1f2e3d",
          .oracle = "election safety: one leader a term",
          .fingerprint = "00ff00ff00ff00ff",
          .seed = UINT64_MAX,
          .choices = {{"net/n1>n2/delay", {{0, 1}, {17, 12'345'678'901}}},
                      {"random/n1/two words", {{3, UINT64_MAX}}}}};
}

std::string complaint(std::string_view text) {
  const auto repro = parse_repro(text);
  return repro.has_value() ? "none" : repro.error().message;
}

TEST(ReproTest, IsWrittenForPeople) {
  EXPECT_EQ(to_text(example()),
            "keelson-repro 1\n"
            "scenario: election_storm\n"
            "build: 1f2e3d\n"
            "oracle: election safety: one leader a term\n"
            "fingerprint: 00ff00ff00ff00ff\n"
            "seed: 18446744073709551615\n"
            "\n"
            "net/n1>n2/delay 0 1\n"
            "net/n1>n2/delay 17 12345678901\n"
            "random/n1/two words 3 18446744073709551615\n");
}

TEST(ReproTest, IsReadAsItWasWritten) {
  const auto read = parse_repro(to_text(example()));
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(*read, example());
}

TEST(ReproTest, MayBeEditedByHand) {
  const auto read = parse_repro(
      "keelson-repro 1\r\n# why it fails\nseed: 1\nscenario: swarm\n\n# later first\n"
      "a 9 1\n\na 2 5");
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(read->scenario, "swarm");
  EXPECT_EQ(read->choices.at("a"), (std::vector<Choice>{{2, 5}, {9, 1}}));
}

TEST(ReproTest, ErrorsNameTheLine) {
  const std::string head = "keelson-repro 1\nscenario: s\n\n";
  EXPECT_EQ(complaint(""), "line 1: a repro file begins with \"keelson-repro 1\"");
  EXPECT_EQ(complaint("keelson-repro 2\n"), "line 1: a repro file begins with \"keelson-repro 1\"");
  EXPECT_EQ(complaint("keelson-repro 1\nseed: 1\n\n"),
            "line 3: the headers end without a scenario");
  EXPECT_EQ(complaint("keelson-repro 1\ncolour: red\n\n"),
            "line 2: no header is named \"colour\"");
  EXPECT_EQ(complaint("keelson-repro 1\nseed: 1\nseed: 2\n"), "line 3: a second \"seed\"");
  EXPECT_EQ(complaint("keelson-repro 1\nseed: -1\n"), "line 2: the seed is not a number");
  EXPECT_EQ(complaint("keelson-repro 1\na 0 1\n"),
            "line 2: neither a header (\"name: value\") nor the empty line that ends them");
  EXPECT_EQ(complaint(head + "a 1\n"), "line 4: a choice is \"stream nth value\"");
  EXPECT_EQ(complaint(head + "a b 1 x\n"),
            "line 4: nth and value of a choice are decimal numbers");
  EXPECT_EQ(complaint(head + "a 0 18446744073709551616\n"),
            "line 4: nth and value of a choice are decimal numbers");
  EXPECT_EQ(complaint(head + "a 0 1\nb 0 1\na 0 2\n"), "line 6: a second choice \"a 0\"");
}

}  // namespace
}  // namespace keelson::sim

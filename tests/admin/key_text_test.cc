#include "admin/key_text.h"

#include <gtest/gtest.h>

namespace keelson::admin {
namespace {

TEST(KeyText, EveryOctetComesBack) {
  Bytes all;
  for (int octet = 0; octet < 256; ++octet) all += static_cast<char>(octet);
  const auto parsed = parse_key_text(key_text(all));
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
  EXPECT_EQ(*parsed, all);
  EXPECT_EQ(key_text(""), "");
  EXPECT_EQ(*parse_key_text(""), "");
}

TEST(KeyText, OnlyUnreservedCharactersStandForThemselves) {
  EXPECT_EQ(key_text("Az09-._~"), "Az09-._~");
  EXPECT_EQ(key_text(BytesView("a/b c%\0\xff", 8)), "a%2Fb%20c%25%00%FF");
  EXPECT_EQ(*parse_key_text("a%2fb%2Fc%41"), "a/b/cA");
}

TEST(KeyText, WhatIsNoKeySaysWhere) {
  struct Row {
    std::string_view text;
    int where;
  };
  for (const Row& row : {Row{"a/b", 2}, Row{"%", 1}, Row{"ab%4", 3}, Row{"%4g", 1}, Row{"%%41", 1},
                         Row{"a b", 2}, Row{"+", 1}, Row{"\xc3\xa4", 1}, Row{"%41%-1", 4},
                         Row{std::string_view("a\0", 2), 2}}) {
    const auto parsed = parse_key_text(row.text);
    ASSERT_FALSE(parsed.has_value()) << row.text;
    EXPECT_EQ(parsed.error().code, ErrorCode::invalid_argument);
    EXPECT_NE(parsed.error().message.find("character " + std::to_string(row.where) + " "),
              std::string::npos)
        << row.text << ": " << parsed.error().message;
  }
}

}  // namespace
}  // namespace keelson::admin

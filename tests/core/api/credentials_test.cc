#include "core/api/credentials.h"

#include <gtest/gtest.h>

namespace keelson::api {
namespace {

TEST(Credentials, AreReadFromToml) {
  const auto credentials = Credentials::parse(
      "[[credential]]\naccess_key = 'a'\nsecret_key = 'b'\n"
      "[[credential]]\naccess_key = 'c'\nsecret_key = 'd'\n");
  ASSERT_TRUE(credentials.has_value()) << credentials.error().message;
  EXPECT_EQ((*credentials).size(), 2u);
  EXPECT_EQ(*(*credentials).find_secret("a"), "b");
  EXPECT_EQ(*(*credentials).find_secret("c"), "d");
  EXPECT_EQ((*credentials).find_secret("b"), nullptr);
}

TEST(Credentials, ErrorsNameTheLineAndTheFieldButNoSecret) {
  const auto message = [](const std::string& text) {
    const auto parsed = Credentials::parse(text);
    return parsed ? "accepted" : parsed.error().message;
  };
  const std::string head = "[[credential]]\n";
  EXPECT_EQ(message(head + "access_key = 'a'\n"), "credentials, line 1: secret_key is missing");
  EXPECT_EQ(message(head + "access_key = 'a'\nsecret_key = 7\n"),
            "credentials, line 3: secret_key is not a string");
  EXPECT_EQ(message(head + "access_key = ''\nsecret_key = 'geheim'\n"),
            "credentials, line 2: access_key is empty");
  EXPECT_EQ(message(head + "access_key = 'a'\nsecret_key = 'b'\nrole = 'x'\n"),
            "credentials, line 4: unknown field role");
  EXPECT_EQ(message("other = 1\n"), "credentials, line 1: unknown field other");
  EXPECT_EQ(message("credential = 1\n"),
            "credentials, line 1: credential is not an array of tables: write [[credential]]");
  EXPECT_EQ(message(head + "access_key = 'a/b'\nsecret_key = 'c'\n"),
            "credentials, line 1: access_key may contain no slash, comma or blank");
  EXPECT_EQ(message(head + "access_key='a'\nsecret_key='b'\n" + head +
                    "access_key='a'\nsecret_key='c'\n"),
            "credentials, line 4: access_key a occurs twice");
  EXPECT_EQ(message(""), "credentials: there is no [[credential]]");
  EXPECT_EQ(message("\n\nx = = 1").substr(0, 20), "credentials, line 3:");
}

}  // namespace
}  // namespace keelson::api

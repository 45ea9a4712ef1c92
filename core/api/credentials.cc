// Tested by tests/core/api/credentials_test.cc.
#include "core/api/credentials.h"

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include <algorithm>

namespace keelson::api {

namespace {

Error at(const toml::source_region& where, const std::string& what) {
  return {ErrorCode::invalid_argument,
          "credentials, line " + std::to_string(where.begin.line) + ": " + what};
}

Result<std::string> text_field(const toml::table& table, std::string_view field) {
  const toml::node* const node = table.get(field);
  const std::string name(field);
  if (node == nullptr) return at(table.source(), name + " is missing");
  const auto* const text = node->as_string();
  if (text == nullptr) return at(node->source(), name + " is not a string");
  if (text->get().empty()) return at(node->source(), name + " is empty");
  return text->get();
}

}  // namespace

Result<Credentials> Credentials::parse(std::string_view toml_text) {
  const toml::parse_result parsed = toml::parse(toml_text);
  if (!parsed) return at(parsed.error().source(), std::string(parsed.error().description()));
  Credentials credentials;
  for (const auto& [name, node] : parsed.table()) {
    if (name != "credential") {
      return at(node.source(), "unknown field " + std::string(name.str()));
    }
    if (!node.is_array_of_tables()) {
      return at(node.source(), "credential is not an array of tables: write [[credential]]");
    }
    for (const toml::node& entry : *node.as_array()) {
      const toml::table& table = *entry.as_table();
      for (const auto& [field, value] : table) {
        if (field != "access_key" && field != "secret_key") {
          return at(value.source(), "unknown field " + std::string(field.str()));
        }
      }
      TRY(auto access_key, text_field(table, "access_key"));
      TRY(auto secret_key, text_field(table, "secret_key"));
      // They would end a credential's scope, or the list it stands in.
      if (access_key.find_first_of("/, \t\r\n") != std::string::npos) {
        return at(table.source(), "access_key may contain no slash, comma or blank");
      }
      if (credentials.find_secret(access_key) != nullptr) {
        return at(table.source(), "access_key " + access_key + " occurs twice");
      }
      credentials.add(std::move(access_key), std::move(secret_key));
    }
  }
  if (credentials.empty()) {
    return Error{ErrorCode::invalid_argument, "credentials: there is no [[credential]]"};
  }
  return credentials;
}

void Credentials::add(std::string access_key, std::string secret_key) {
  secrets_[std::move(access_key)] = std::move(secret_key);
}

const std::string* Credentials::find_secret(std::string_view access_key) const {
  const auto found = secrets_.find(access_key);
  return found == secrets_.end() ? nullptr : &found->second;
}

}  // namespace keelson::api

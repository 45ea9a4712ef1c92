// Access keys and their secrets, as read from a credentials file:
//
//   [[credential]]
//   access_key = "AKIAIOSFODNN7EXAMPLE"
//   secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace keelson::api {

class Credentials {
 public:
  // Parses the text of a file. Errors: invalid_argument; the message names the line, and the field
  // where one is at fault, but never a secret. A file without any credential is an error, too.
  static Result<Credentials> parse(std::string_view toml_text);

  // Replaces what is known of that key.
  void add(std::string access_key, std::string secret_key);

  // The secret, or nullptr if the key is unknown. Valid until the next change.
  const std::string* find_secret(std::string_view access_key) const;
  bool empty() const { return secrets_.empty(); }
  std::size_t size() const { return secrets_.size(); }

 private:
  std::map<std::string, std::string, std::less<>> secrets_;  // By access key.
};

}  // namespace keelson::api

// Tested by tests/admin/key_text_test.cc.
#include "admin/key_text.h"

#include <fmt/format.h>

#include "core/api/http.h"

namespace keelson::admin {

namespace {

constexpr std::string_view kUnreserved =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
constexpr std::string_view kHexDigits = "0123456789ABCDEFabcdef";

bool is_escape(std::string_view text) {
  return text.size() == 3 && text[0] == '%' && kHexDigits.find(text[1]) != text.npos &&
         kHexDigits.find(text[2]) != text.npos;
}

}  // namespace

std::string key_text(BytesView key) { return api::percent_encode(key); }

Result<Bytes> parse_key_text(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (kUnreserved.find(text[i]) != kUnreserved.npos) continue;
    if (!is_escape(text.substr(i, 3))) {
      return Error{ErrorCode::invalid_argument,
                   fmt::format("no percent-encoded key: character {} is neither a letter, a digit "
                               "or one of -._~ nor % with two hex digits",
                               i + 1)};
    }
    i += 2;
  }
  return *api::percent_decode(text);
}

}  // namespace keelson::admin

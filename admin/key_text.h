// Keys as operators read and write them: percent-encoded (RFC 3986 section 2), so that any octets
// are text that a shell and a terminal leave alone. Letters, digits and "-._~" stay as they are.
#pragma once

#include <string>
#include <string_view>

#include "core/base/bytes.h"
#include "core/base/result.h"

namespace keelson::admin {

std::string key_text(BytesView key);

// Takes "%" with two hex digits for any octet, and nothing else that key_text() would have encoded.
// Errors: invalid_argument, saying where.
Result<Bytes> parse_key_text(std::string_view text);

}  // namespace keelson::admin

// Requests on the wire, one after another. The first octet says in what pieces they come: that must
// make no difference, nor whether their bodies are streamed.
#include <algorithm>
#include <vector>

#include "core/api/http_parser.h"
#include "core/base/check.h"
#include "tests/fuzz/fuzz.h"

namespace keelson::api {
namespace {

constexpr std::size_t kBodyLimit = 300;

// What came of one message.
struct Seen {
  std::string method = {};
  std::string target = {};
  std::string fields = {};
  std::string body = {};
  bool keep_alive = false;
  int refused = 0;

  bool operator==(const Seen&) const = default;
};

// Takes what there is of one message; false when more is needed. Begins the body as a server does.
bool advance(HttpRequestParser& parser, BytesView& unread, bool streams, Seen& seen) {
  while (!parser.done() && !parser.error()) {
    const bool had_head = parser.head_done();
    const std::size_t used = parser.put(unread);
    CHECK(used <= unread.size());
    unread.remove_prefix(used);
    if (parser.error()) break;
    if (parser.head_done() && !had_head) {
      parser.set_body_limit(kBodyLimit);
      if (streams && !parser.error()) parser.stream_body();
      continue;
    }
    if (streams && parser.head_done()) seen.body += parser.take_body();
    if (used == 0 || unread.empty()) return parser.done();
  }
  return true;
}

Seen describe(HttpRequestParser& parser, Seen seen) {
  if (parser.error()) {
    CHECK(parser.error()->status >= 400 && parser.error()->status <= 505);
    return {.refused = parser.error()->status};
  }
  const HttpRequest& request = parser.request();
  seen.method = request.method;
  seen.target = request.target;
  for (const auto& [name, value] : request.headers) seen.fields += name + ":" + value + "\n";
  seen.body += request.body;
  CHECK(seen.body.size() <= kBodyLimit);
  CHECK(request.target.empty() || !request.raw_path.empty() || request.target[0] == '?');
  seen.keep_alive = parser.keep_alive();
  (void)request.path();
  (void)parse_query(request.query, true);
  return seen;
}

std::vector<Seen> parse(BytesView wire, std::size_t piece, bool streams) {
  HttpRequestParser parser({.target_bytes = 64, .head_bytes = 512, .fields = 8});
  std::vector<Seen> all;
  Seen seen;
  std::string unread;
  for (std::size_t at = 0; at < wire.size(); at += piece) {
    unread += wire.substr(at, piece);
    BytesView rest = unread;
    while (!rest.empty() && advance(parser, rest, streams, seen)) {
      all.push_back(describe(parser, seen));
      if (all.back().refused != 0) return all;
      parser.reset();
      seen = {};
    }
    unread = std::string(rest);
  }
  return all;
}

}  // namespace
}  // namespace keelson::api

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keelson;
  if (size == 0) return 0;
  const BytesView wire(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t piece = data[0] % 32 + 1;
  const auto streamed = api::parse(wire, piece, true);
  CHECK(streamed == api::parse(wire, piece, false));
  return 0;
}

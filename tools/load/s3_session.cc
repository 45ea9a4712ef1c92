// S3 and the probes over HTTP/1.1 with keep-alive: one request at a time.
//
// Reads no more of an answer than a benchmark needs; what judges Keelson's HTTP strictly is
// scenarios/http_response.h.
#include <fmt/format.h>
#include <time.h>

#include <charconv>

#include "core/api/http.h"
#include "core/api/sigv4.h"
#include "core/base/check.h"
#include "tools/load/session.h"

namespace keelson::load {

namespace {

struct AnswerHead {
  std::size_t size = 0;  // With the empty line.
  int status = 0;
  std::size_t body_bytes = 0;
};

// The value of a field in a head that ends with an empty line, or "".
std::string_view field(std::string_view head, std::string_view name) {
  for (std::size_t at = head.find("\r\n"); at != std::string_view::npos;
       at = head.find("\r\n", at + 2)) {
    const std::string_view line = head.substr(at + 2, head.find("\r\n", at + 2) - at - 2);
    if (line.size() > name.size() && line[name.size()] == ':' &&
        api::equal_without_case(line.substr(0, name.size()), name)) {
      return api::trim(line.substr(name.size() + 1));
    }
  }
  return {};
}

bool parse_number(std::string_view text, auto& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

class S3Session final : public Session {
 public:
  S3Session(const SessionKind& kind, EventLoop& loop, SessionOwner& owner, std::size_t number,
            const std::string& address)
      : Session(loop, owner, number, address), kind_(kind) {}

  void begin(std::size_t client, const Operation& operation) override {
    CHECK(!client_);
    client_ = client;
    act_ = operation.act;
    const std::string_view method =
        act_ == Act::put || act_ == Act::prepare ? "PUT" : "GET";
    std::string target;
    if (act_ == Act::probe) {
      target = "/healthz/leader";
    } else {
      target = act_ == Act::prepare ? fmt::format("/{}", kind_.bucket)
                                    : fmt::format("/{}/{}", kind_.bucket, operation.key);
    }
    if (kind_.signing && act_ != Act::probe) return write_signed(method, target, operation.value);
    fmt::format_to(std::back_inserter(out()), "{} {} HTTP/1.1\r\nHost: {}\r\n", method, target,
                   address());
    if (method == "PUT") {
      fmt::format_to(std::back_inserter(out()), "Content-Length: {}\r\n", operation.value.size());
    }
    out().append("\r\n").append(operation.value);
  }

 private:
  void write_signed(std::string_view method, const std::string& target, BytesView value) {
    api::HttpRequest request;
    request.method = std::string(method);
    request.set_target(target);
    request.headers.add("Host", address());
    request.body = Bytes(value);
    timespec wall;
    CHECK(clock_gettime(CLOCK_REALTIME, &wall) == 0);
    api::sign_request(request,
                      {.access_key = kind_.signing->access_key,
                       .secret_key = kind_.signing->secret_key,
                       .region = kind_.signing->region},
                      std::int64_t{wall.tv_sec} * 1000 + wall.tv_nsec / 1'000'000);
    fmt::format_to(std::back_inserter(out()), "{} {} HTTP/1.1\r\n", method, request.target);
    for (const auto& [name, content] : request.headers) {
      fmt::format_to(std::back_inserter(out()), "{}: {}\r\n", name, content);
    }
    if (method == "PUT") {
      fmt::format_to(std::back_inserter(out()), "Content-Length: {}\r\n", value.size());
    }
    out().append("\r\n").append(value);
  }

  std::optional<std::size_t> take(BytesView bytes) override {
    const auto end = bytes.find("\r\n\r\n");
    if (end == BytesView::npos) return 0;
    AnswerHead head{.size = end + 4};
    const std::string_view text = bytes.substr(0, end + 2);
    if (!client_ || !text.starts_with("HTTP/1.1 ") || text.size() < 12 ||
        !parse_number(text.substr(9, 3), head.status)) {
      return std::nullopt;
    }
    const std::string_view length = field(text, "Content-Length");
    const bool has_body = head.status != 204 && head.status != 304;
    if (has_body && !parse_number(length, head.body_bytes)) return std::nullopt;
    if (bytes.size() < head.size + head.body_bytes) return 0;
    const bool is_wrong =
        act_ == Act::get && head.status == 200 && head.body_bytes != kind_.value_bytes;
    answer(*std::exchange(client_, std::nullopt), is_wrong ? kWrongAnswer : head.status);
    return head.size + head.body_bytes;
  }

  void give_up() override {
    if (client_) answer(*std::exchange(client_, std::nullopt), kConnectionLost);
  }

  const SessionKind kind_;
  std::optional<std::size_t> client_;  // Whose request is under way.
  Act act_ = Act::probe;
};

}  // namespace

std::unique_ptr<Session> make_s3_session(const SessionKind& kind, EventLoop& loop,
                                         SessionOwner& owner, std::size_t number,
                                         const std::string& address) {
  return std::make_unique<S3Session>(kind, loop, owner, number, address);
}

}  // namespace keelson::load

// S3 and the probes over HTTP/1.1 with keep-alive: one request at a time. Values are made as they
// are sent and compared as they come.
//
// Reads no more of an answer than a benchmark needs; what judges Keelson's HTTP strictly is
// scenarios/http_response.h.
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <charconv>

#include "core/api/http.h"
#include "core/api/sigv4.h"
#include "core/base/check.h"
#include "tools/load/session.h"

namespace keelson::load {

namespace {

constexpr std::size_t kPieceBytes = 64 << 10;
constexpr std::size_t kHeldBytes = 256 << 10;

struct AnswerHead {
  int status = 0;
  std::size_t body_left = 0;  // What is still to come.
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
    CHECK(!client_ && value_sent_ == value_.size());
    client_ = client;
    act_ = operation.act;
    value_ = operation.value;
    value_sent_ = 0;
    std::string target;
    if (act_ == Act::probe) {
      target = "/healthz/leader";
    } else {
      target = act_ == Act::prepare ? fmt::format("/{}", kind_.bucket)
                                    : fmt::format("/{}/{}", kind_.bucket, operation.key);
    }
    const bool is_put = act_ == Act::put || act_ == Act::prepare;
    write_head(is_put ? "PUT" : "GET", target);
    if (act_ == Act::get) body_.emplace(operation.expected);
  }

 private:
  void write_head(std::string_view method, const std::string& target) {
    fmt::format_to(std::back_inserter(out()), "{} {} HTTP/1.1\r\n", method, target);
    if (kind_.signing && act_ != Act::probe) {
      write_signed_fields(method, target);
    } else {
      fmt::format_to(std::back_inserter(out()), "Host: {}\r\n", address());
    }
    if (method == "PUT") {
      fmt::format_to(std::back_inserter(out()), "Content-Length: {}\r\n", value_.size());
    }
    out().append("\r\n");
  }

  void write_signed_fields(std::string_view method, const std::string& target) {
    api::HttpRequest request;
    request.method = std::string(method);
    request.set_target(target);
    request.headers.add("Host", address());
    if (value_.size() > kHeldBytes) {
      // Its hash would take a pass of its own over all of it.
      request.headers.add("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD");
    } else {
      request.body = value_.whole();
    }
    timespec wall;
    CHECK(clock_gettime(CLOCK_REALTIME, &wall) == 0);
    api::sign_request(request,
                      {.access_key = kind_.signing->access_key,
                       .secret_key = kind_.signing->secret_key,
                       .region = kind_.signing->region},
                      std::int64_t{wall.tv_sec} * 1000 + wall.tv_nsec / 1'000'000);
    for (const auto& [name, content] : request.headers) {
      fmt::format_to(std::back_inserter(out()), "{}: {}\r\n", name, content);
    }
  }

  // The next of the value, little enough that no value is ever held.
  void gather() override {
    while (value_sent_ < value_.size() && out().size() < kHeldBytes) {
      const std::size_t count = std::min(kPieceBytes, value_.size() - value_sent_);
      value_.append_to(out(), value_sent_, count);
      value_sent_ += count;
    }
    if (early_status_ && value_sent_ == value_.size()) finish(*early_status_);
  }

  std::optional<std::size_t> take(BytesView bytes) override {
    std::size_t used = 0;
    if (!head_) {
      const auto end = bytes.find("\r\n\r\n");
      if (end == BytesView::npos) return 0;
      used = end + 4;
      if (!take_head(bytes.substr(0, end + 2))) return std::nullopt;
    }
    const BytesView piece = bytes.substr(used, head_->body_left);
    if (body_) body_->take(piece);
    head_->body_left -= piece.size();
    if (head_->body_left == 0) take_answer();
    return used + piece.size();
  }

  bool take_head(std::string_view text) {
    AnswerHead head;
    if (!client_ || early_status_ || !text.starts_with("HTTP/1.1 ") || text.size() < 12 ||
        !parse_number(text.substr(9, 3), head.status)) {
      return false;
    }
    const bool has_body = head.status != 204 && head.status != 304;
    if (has_body && !parse_number(field(text, "Content-Length"), head.body_left)) return false;
    head_ = head;
    return true;
  }

  void take_answer() {
    const bool is_wrong = body_ && head_->status == 200 && !body_->is_good();
    const int status = is_wrong ? kWrongAnswer : head_->status;
    // A refusal may come before the value is sent. The server takes the rest of it, or hangs up.
    early_status_ = status;
    if (value_sent_ == value_.size()) finish(status);
  }

  void finish(int status) {
    head_.reset();
    body_.reset();
    early_status_.reset();
    value_sent_ = value_.size();
    answer(*std::exchange(client_, std::nullopt), status);
  }

  void give_up() override {
    if (client_) finish(early_status_.value_or(kConnectionLost));
  }

  const SessionKind kind_;
  std::optional<std::size_t> client_;  // Whose request is under way.
  Act act_ = Act::probe;
  Value value_;  // What it puts,
  std::size_t value_sent_ = 0;  // and so much of it is sent, or in out().
  std::optional<AnswerHead> head_;
  std::optional<BodyCheck> body_;    // Of a get.
  std::optional<int> early_status_;  // Answered before the value was sent.
};

}  // namespace

std::unique_ptr<Session> make_s3_session(const SessionKind& kind, EventLoop& loop,
                                         SessionOwner& owner, std::size_t number,
                                         const std::string& address) {
  return std::make_unique<S3Session>(kind, loop, owner, number, address);
}

}  // namespace keelson::load

// Tested by tests/scenarios/s3_client_test.cc.
#include "scenarios/s3_client.h"

#include <fmt/format.h>

#include "core/api/digest.h"
#include "core/api/sigv4.h"
#include "core/base/check.h"

namespace keelson::scenarios {

namespace {

// How S3 says that a condition of a put did not hold. If-Match on an absent object is 404.
bool is_refused_condition(const Call& call, const S3Answer& answer) {
  if (call.kind == Call::Kind::put_if_absent) return answer.status == 412;
  if (call.kind != Call::Kind::put_if_match) return false;
  return answer.status == 412 || (answer.status == 404 && answer.error_code == "NoSuchKey");
}

}  // namespace

S3Client::S3Client(Env& env, Address server, std::string bucket, std::optional<S3Keys> keys)
    : env_(env), http_(env.network, env.scheduler, std::move(server)), bucket_(std::move(bucket)),
      keys_(std::move(keys)) {}

std::string S3Client::etag_of(BytesView value) {
  return "\"" + to_hex(api::md5(value)) + "\"";
}

S3Answer S3Client::perform(const std::string& key, const Call& call, Deadline deadline,
                           const Manners& manners) {
  HttpResponse response;
  S3Answer answer = exchange(object_request(key, call), deadline, manners, response);
  const bool is_get = call.kind == Call::Kind::get;
  if (is_refused_condition(call, answer)) {
    answer.outcome = Outcome::ok;
    answer.answer.condition_held = false;
  } else if (is_get && answer.status == 404 && answer.error_code == "NoSuchKey") {
    answer.outcome = Outcome::ok;
  } else if (answer.outcome == Outcome::ok && call.kind != Call::Kind::remove) {
    if (is_get) answer.answer.value = response.body;
    const std::string* etag = response.header("ETag");
    const std::string expected = etag_of(is_get ? response.body : call.value);
    if (etag == nullptr || *etag != expected) {
      answer.violation = fmt::format("the ETag of {} is {} and not {}", key,
                                     etag == nullptr ? "missing" : *etag, expected);
    }
  }
  return answer;
}

S3Answer S3Client::head(const std::string& key, Deadline deadline) {
  HttpRequest request = object_request(key, {});
  request.method = "HEAD";
  HttpResponse response;
  S3Answer answer = exchange(std::move(request), deadline, {}, response);
  if (answer.status == 404) {
    // A HEAD has no body to say whether key or bucket is missing.
    answer.outcome = Outcome::ok;
  } else if (answer.outcome == Outcome::ok) {
    const std::string* etag = response.header("ETag");
    if (etag == nullptr) answer.violation = "HEAD " + key + " has no ETag";
    else answer.answer.value = *etag;
  }
  return answer;
}

S3Answer S3Client::create_bucket(Deadline deadline) {
  HttpRequest request;
  request.method = "PUT";
  request.target = "/" + bucket_;
  HttpResponse response;
  S3Answer answer = exchange(std::move(request), deadline, {}, response);
  if (answer.status == 409 && answer.error_code == "BucketAlreadyOwnedByYou") {
    answer.outcome = Outcome::ok;
  }
  return answer;
}

HttpRequest S3Client::object_request(const std::string& key, const Call& call) const {
  HttpRequest request;
  request.target = "/" + bucket_ + "/" + key;
  switch (call.kind) {
    case Call::Kind::get: break;
    case Call::Kind::remove: request.method = "DELETE"; break;
    case Call::Kind::put_if_absent:
      request.headers.push_back({"If-None-Match", "*"});
      [[fallthrough]];
    case Call::Kind::put:
    case Call::Kind::put_if_match:
      request.method = "PUT";
      request.body = call.value;
      if (call.kind == Call::Kind::put_if_match) {
        request.headers.push_back({"If-Match", etag_of(call.expected)});
      }
      break;
  }
  return request;
}

void S3Client::sign(HttpRequest& request) const {
  request.headers.push_back({"Host", http_.server()});
  if (!keys_) return;
  api::HttpRequest to_sign;
  to_sign.method = request.method;
  to_sign.set_target(request.target);
  for (const HttpField& field : request.headers) to_sign.headers.add(field.name, field.value);
  to_sign.body = request.body;
  api::sign_request(to_sign, {.access_key = keys_->access_key,
                              .secret_key = keys_->secret_key,
                              .region = keys_->region,
                              .service = "s3"},
                    env_.clock.wall_ms());
  request.headers.clear();
  for (const auto& field : to_sign.headers) request.headers.push_back({field.name, field.value});
}

S3Answer S3Client::exchange(HttpRequest request, Deadline deadline, const Manners& manners,
                            HttpResponse& response) {
  sign(request);
  const bool is_write = request.method != "GET" && request.method != "HEAD";
  CallResult result = http_.call(request, deadline, manners);
  S3Answer answer;
  answer.why = result.why;
  answer.status = result.response.status;
  switch (result.end) {
    case CallResult::End::never_sent: answer.outcome = Outcome::fail; break;
    case CallResult::End::unknown:
      answer.outcome = is_write ? Outcome::unknown : Outcome::fail;
      answer.status = 0;  // An answer of which only a part came is none.
      break;
    case CallResult::End::malformed:
      answer.outcome = Outcome::unknown;
      answer.violation = "not HTTP/1.1: " + result.why;
      break;
    case CallResult::End::answered:
      answer.outcome = classify_s3(result.response, is_write);
      if (answer.status >= 300) {
        answer.error_code = s3_error_code(result.response.body);
        answer.why = fmt::format("{} {}", answer.status, answer.error_code);
      }
      if (result.surplus_bytes) answer.violation = "more bytes came than the answer has";
      break;
  }
  response = std::move(result.response);
  return answer;
}

Outcome classify_s3(const HttpResponse& response, bool is_write) {
  if (response.status >= 200 && response.status < 300) return Outcome::ok;
  if (!is_write) return Outcome::fail;  // Nothing could have changed.
  if (response.status < 500) return Outcome::fail;
  // A server that failed may have carried the write out, unless it vouches for the opposite: a
  // claim that the history then puts to the test.
  const std::string* outcome = response.header("x-keelson-outcome");
  if (outcome != nullptr && *outcome == "not_applied") return Outcome::fail;
  return response.status == 501 ? Outcome::fail : Outcome::unknown;
}

std::string s3_error_code(const Bytes& body) {
  const std::size_t begin = body.find("<Code>");
  const std::size_t end = body.find("</Code>");
  if (begin == Bytes::npos || end == Bytes::npos || end < begin + 6) return {};
  return body.substr(begin + 6, end - begin - 6);
}

}  // namespace keelson::scenarios

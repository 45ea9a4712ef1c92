// Tested by tests/core/api/sqs_listener_test.cc.
#include "core/api/sqs_listener.h"

#include <algorithm>

#include "core/api/json.h"
#include "core/api/xml.h"

namespace keelson::api {

namespace {

constexpr std::string_view kTargetPrefix = "AmazonSQS.";
constexpr std::string_view kForm = "application/x-www-form-urlencoded";

// "/" or "/<account>/<queue>": the paths that the protocols know.
bool is_service_path(std::string_view path) {
  if (path == "/") return true;
  const auto slashes = std::count(path.begin(), path.end(), '/');
  const bool slash_at_end = path.ends_with('/');
  return slashes - (slash_at_end ? 1 : 0) == 2 && path.find("//") == std::string_view::npos;
}

}  // namespace

HttpResponse SqsListener::handle(const HttpRequest& request, Deadline) {
  if (!is_service_path(request.raw_path)) {
    return xml(404, "InvalidAddress", "There is nothing at this path.");
  }
  const std::string* const target = request.headers.find("X-Amz-Target");
  if (request.method != "POST" && !(request.method == "GET" && target == nullptr)) {
    HttpResponse refused = xml(405, "InvalidHttpRequest", "SQS is spoken with POST or GET.");
    refused.headers.add("Allow", "GET, POST");
    return refused;
  }
  return target != nullptr ? json_protocol(*target) : query_protocol(request);
}

HttpResponse SqsListener::json_protocol(std::string_view target) const {
  if (!target.starts_with(kTargetPrefix)) {
    return json(400, "UnknownOperationException", "X-Amz-Target must be AmazonSQS.<Action>.");
  }
  return json(
      400, "UnknownOperationException",
      "The action " + std::string(target.substr(kTargetPrefix.size())) + " is not known here.");
}

HttpResponse SqsListener::query_protocol(const HttpRequest& request) const {
  const bool is_post = request.method == "POST";
  const std::string_view type = request.headers.get("Content-Type");
  const bool is_form = equal_without_case(trim(type.substr(0, type.find(';'))), kForm);
  const auto parameters = parse_query(
      is_post && is_form ? std::string_view(request.body) : std::string_view(request.query),
      /*plus_is_space=*/true);
  if (!parameters) return xml(400, "MalformedQueryString", "The form is malformed.");
  for (const QueryParameter& parameter : *parameters) {
    if (parameter.name == "Action" && !parameter.value.empty()) {
      return xml(400, "InvalidAction",
                 "The action " + parameter.value + " is not valid for this endpoint.");
    }
  }
  return xml(400, "MissingAction", "The request must contain the parameter Action.");
}

HttpResponse SqsListener::refusal(const HttpRequest& head, int status,
                                  std::string_view message) const {
  const bool is_json = head.headers.find("X-Amz-Target") != nullptr;
  if (status == 503) {
    return is_json ? json(status, "RequestThrottled", message)
                   : xml(status, "ServiceUnavailable", message);
  }
  return is_json ? json(status, "InvalidHttpRequest", message)
                 : xml(status, "InvalidHttpRequest", message);
}

HttpResponse SqsListener::json(int status, std::string_view type, std::string_view message) const {
  HttpResponse response{.status = status, .headers = {}, .body = {}};
  response.body = "{\"__type\":" + json_quote("com.amazonaws.sqs#" + std::string(type)) +
                  ",\"message\":" + json_quote(message) + "}";
  response.headers.add("Content-Type", "application/x-amz-json-1.0");
  response.headers.add("x-amzn-RequestId", ids_.next_uuid());
  return response;
}

HttpResponse SqsListener::xml(int status, std::string_view code, std::string_view message) const {
  const std::string id = ids_.next_uuid();
  HttpResponse response{.status = status, .headers = {}, .body = {}};
  response.body = sqs_error_xml(status >= 500 ? "Receiver" : "Sender", code, message, id);
  response.headers.add("Content-Type", "text/xml");
  response.headers.add("x-amzn-RequestId", id);
  return response;
}

}  // namespace keelson::api

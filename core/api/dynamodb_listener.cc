// Tested by tests/core/api/dynamodb_listener_test.cc.
#include "core/api/dynamodb_listener.h"

#include "core/api/digest.h"
#include "core/api/json.h"

namespace keelson::api {

namespace {

constexpr std::string_view kTargetPrefix = "DynamoDB_20120810.";
constexpr std::string_view kUnknownOperation = "UnknownOperationException";

}  // namespace

HttpResponse DynamoDbListener::handle(const HttpRequest& request, Deadline) {
  if (request.raw_path != "/")
    return error(404, kUnknownOperation, "There is nothing at this path.");
  if (request.method != "POST") {
    HttpResponse refused = error(405, kUnknownOperation, "DynamoDB is spoken with POST.");
    refused.headers.add("Allow", "POST");
    return refused;
  }
  const std::string_view target = request.headers.get("X-Amz-Target");
  if (!target.starts_with(kTargetPrefix)) {
    return error(400, kUnknownOperation, "X-Amz-Target must be DynamoDB_20120810.<Operation>.");
  }
  return error(
      400, kUnknownOperation,
      "The operation " + std::string(target.substr(kTargetPrefix.size())) + " is not known here.");
}

HttpResponse DynamoDbListener::refusal(const HttpRequest&, int status,
                                       std::string_view message) const {
  return error(status, status == 503 ? "ThrottlingException" : "SerializationException", message);
}

HttpResponse DynamoDbListener::error(int status, std::string_view type,
                                     std::string_view message) const {
  HttpResponse response{.status = status, .headers = {}, .body = {}};
  response.body =
      "{\"__type\":" + json_quote("com.amazonaws.dynamodb.v20120810#" + std::string(type)) +
      ",\"message\":" + json_quote(message) + "}";
  response.headers.add("Content-Type", "application/x-amz-json-1.0");
  response.headers.add("x-amzn-RequestId", ids_.next_uuid());
  response.headers.add("x-amz-crc32", std::to_string(crc32(response.body)));
  return response;
}

}  // namespace keelson::api

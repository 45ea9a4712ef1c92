#include "core/api/dynamodb_listener.h"

#include <gtest/gtest.h>

#include "core/api/digest.h"
#include "tests/core/api/fakes.h"

namespace keelson::api {
namespace {

TEST(DynamoDbListener, KnowsNoOperation) {
  CountingChance chance;
  DynamoDbListener listener(chance);
  const HttpRequest request =
      make_request("POST", "/", {{"X-Amz-Target", "DynamoDB_20120810.GetItem"}}, "{}");
  const HttpResponse a = listener.handle(request, Deadline::never());
  EXPECT_EQ(a.status, 400);
  EXPECT_EQ(a.body, R"({"__type":"com.amazonaws.dynamodb.v20120810#UnknownOperationException",)"
                    R"("message":"The operation GetItem is not known here."})");
  EXPECT_EQ(a.headers.get("Content-Type"), "application/x-amz-json-1.0");
  EXPECT_EQ(a.headers.get("x-amz-crc32"), std::to_string(crc32(a.body)));
  EXPECT_EQ(a.headers.get("x-amzn-RequestId").size(), 36u);
  EXPECT_NE(a.headers.get("x-amzn-RequestId"),
            listener.handle(request, Deadline::never()).headers.get("x-amzn-RequestId"));
}

TEST(DynamoDbListener, RefusesOtherPathsAndMethods) {
  CountingChance chance;
  DynamoDbListener listener(chance);
  EXPECT_EQ(listener.handle(make_request("POST", "/x"), Deadline::never()).status, 404);
  const HttpResponse get = listener.handle(make_request("GET", "/"), Deadline::never());
  EXPECT_EQ(get.status, 405);
  EXPECT_EQ(get.headers.get("Allow"), "POST");
  EXPECT_EQ(listener.handle(make_request("POST", "/"), Deadline::never()).status, 400);
}

}  // namespace
}  // namespace keelson::api

#include "core/api/sqs_listener.h"

#include <gtest/gtest.h>

#include "tests/core/api/fakes.h"

namespace keelson::api {
namespace {

class SqsListenerTest : public testing::Test {
 protected:
  HttpResponse ask(const std::string& method, const std::string& target, HttpHeaders headers = {},
                   Bytes body = {}) {
    return listener_.handle(make_request(method, target, std::move(headers), std::move(body)),
                            Deadline::never());
  }

  CountingChance chance_;
  SqsListener listener_{chance_};
};

TEST_F(SqsListenerTest, TheJsonProtocolKnowsNoAction) {
  const HttpResponse response = ask("POST", "/", {{"X-Amz-Target", "AmazonSQS.SendMessage"}}, "{}");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.body, R"({"__type":"com.amazonaws.sqs#UnknownOperationException",)"
                           R"("message":"The action SendMessage is not known here."})");
  EXPECT_EQ(response.headers.get("Content-Type"), "application/x-amz-json-1.0");
}

TEST_F(SqsListenerTest, TheQueryProtocolKnowsNoAction) {
  const HttpHeaders form = {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}};
  const HttpResponse response = ask("POST", "/", form, "Version=2012-11-05&Action=Send%3CMessage");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.headers.get("Content-Type"), "text/xml");
  EXPECT_EQ(response.body,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ErrorResponse "
            "xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><Error><Type>Sender</Type>"
            "<Code>InvalidAction</Code><Message>The action Send&lt;Message is not valid for this "
            "endpoint.</Message><Detail/></Error><RequestId>" +
                std::string(response.headers.get("x-amzn-RequestId")) +
                "</RequestId></ErrorResponse>");
  EXPECT_NE(ask("GET", "/123/queue?Action=ReceiveMessage").body.find("<Code>InvalidAction<"),
            std::string::npos);
  EXPECT_NE(ask("POST", "/", form, "Version=1").body.find("<Code>MissingAction<"),
            std::string::npos);
  EXPECT_NE(ask("POST", "/", form, "Action=%2").body.find("<Code>MalformedQueryString<"),
            std::string::npos);
}

TEST_F(SqsListenerTest, RefusesOtherPathsAndMethods) {
  EXPECT_EQ(ask("POST", "/a/b/c").status, 404);
  EXPECT_EQ(ask("POST", "/queue").status, 404);
  EXPECT_EQ(ask("DELETE", "/").status, 405);
  EXPECT_EQ(ask("GET", "/", {{"X-Amz-Target", "AmazonSQS.X"}}).status, 405);
}

}  // namespace
}  // namespace keelson::api

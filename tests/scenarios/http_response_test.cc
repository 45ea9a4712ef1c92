#include "scenarios/http_response.h"

#include <gtest/gtest.h>

namespace keelson::scenarios {
namespace {

using State = HttpResponseParser::State;

// Feeds everything at once, then byte by byte; both must agree.
State parse(std::string_view bytes, std::string_view method = "GET",
            HttpResponse* response = nullptr) {
  HttpResponseParser whole(method);
  whole.feed(bytes);
  HttpResponseParser pieces(method);
  for (const char byte : bytes) pieces.feed(BytesView(&byte, 1));
  EXPECT_EQ(whole.state(), pieces.state()) << bytes;
  EXPECT_EQ(whole.response().body, pieces.response().body);
  if (response != nullptr) *response = whole.response();
  return whole.state();
}

TEST(HttpResponseTest, ABodyIsFramedByItsLength) {
  HttpResponse response;
  EXPECT_EQ(parse("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-A:  b \r\n\r\nok\n", "GET", &response),
            State::complete);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.reason, "OK");
  EXPECT_EQ(response.body, "ok\n");
  EXPECT_EQ(*response.header("x-a"), "b");
  EXPECT_EQ(parse("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok"), State::body);
}

TEST(HttpResponseTest, ABodyMayComeInChunks) {
  HttpResponse response;
  EXPECT_EQ(parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
                  "GET", &response),
            State::complete);
  EXPECT_EQ(response.body, "abc0123456789");
}

TEST(HttpResponseTest, HeadAnd204And304HaveNoBodyAndSurplusIsKept) {
  HttpResponseParser parser("HEAD");
  EXPECT_EQ(parser.feed("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"), State::complete);
  EXPECT_EQ(parser.rest(), "ok\n");
  EXPECT_EQ(parse("HTTP/1.1 204 No Content\r\n\r\n"), State::complete);
  EXPECT_EQ(parse("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"), State::complete);
}

TEST(HttpResponseTest, InterimResponsesAreSkipped) {
  HttpResponse response;
  EXPECT_EQ(parse("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                  "PUT", &response),
            State::complete);
  EXPECT_EQ(response.status, 200);
}

TEST(HttpResponseTest, AnUnframedBodyNeedsAClosedConnection) {
  HttpResponseParser parser("GET");
  EXPECT_EQ(parser.feed("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nab"), State::body);
  EXPECT_EQ(parser.end_of_stream(), State::complete);
  EXPECT_EQ(parser.response().body, "ab");
  EXPECT_FALSE(parser.keeps_connection());
  EXPECT_EQ(parse("HTTP/1.1 200 OK\r\n\r\nab"), State::malformed);
}

TEST(HttpResponseTest, ATruncatedAnswerIsNotComplete) {
  HttpResponseParser parser("GET");
  parser.feed("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab");
  EXPECT_EQ(parser.end_of_stream(), State::body);
}

TEST(HttpResponseTest, WhatALenientClientWouldForgiveIsMalformed) {
  for (const char* bytes : {
           "ok\n",
           "HTTP/1.0 200 OK\r\n\r\n",
           "HTTP/1.1 20 OK\r\n\r\n",
           "HTTP/1.1 2000 OK\r\n\r\n",
           "HTTP/1.1 200\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
           "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: 0x1\r\n\r\na",
           "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
           "HTTP/1.1 200 OK\r\n folded: 0\r\n\r\n",
           "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
           "HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
       }) {
    EXPECT_EQ(parse(bytes), State::malformed) << bytes;
  }
}

}  // namespace
}  // namespace keelson::scenarios

#include "core/api/http_parser.h"

#include <gtest/gtest.h>

namespace keelson::api {
namespace {

constexpr std::size_t kBodyLimit = 100;

// Feeds `wire` in pieces of `piece` octets, as a connection would; returns what is left over.
std::string feed(HttpRequestParser& parser, const std::string& wire, std::size_t piece) {
  std::string unread;
  bool had_head = false;
  const auto advance = [&] {
    while (!parser.done() && !parser.error()) {
      const std::size_t used = parser.put(unread);
      unread.erase(0, used);
      if (parser.head_done() && !had_head && !parser.error()) {
        had_head = true;
        parser.set_body_limit(kBodyLimit);
        continue;
      }
      if (used == 0 || unread.empty()) break;
    }
  };
  for (std::size_t at = 0; at < wire.size(); at += piece) {
    unread += wire.substr(at, piece);
    if (!parser.done() && !parser.error()) advance();
  }
  return unread;
}

class PieceTest : public testing::TestWithParam<std::size_t> {
 protected:
  std::string feed_all(const std::string& wire) { return feed(parser_, wire, GetParam()); }
  // The status of the refusal, or 0.
  int status_of(const std::string& wire) {
    parser_.reset();
    feed(parser_, wire, GetParam());
    return parser_.error() ? parser_.error()->status : 0;
  }

  HttpRequestParser parser_{{.target_bytes = 64, .head_bytes = 256, .fields = 8}};
};

TEST_P(PieceTest, ARequestIsReadAndWhatFollowsIsLeft) {
  const std::string rest = feed_all(
      "\r\nPOST /a%20b?c=d HTTP/1.1\r\nHost: h\r\nX-Y:  z \r\nContent-Length: 5\r\n\r\nhelloGET /");
  ASSERT_TRUE(parser_.done());
  const HttpRequest& request = parser_.request();
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.raw_path, "/a%20b");
  EXPECT_EQ(request.query, "c=d");
  EXPECT_EQ(request.headers.get("x-y"), "z");
  EXPECT_EQ(request.body, "hello");
  EXPECT_TRUE(parser_.keep_alive());
  EXPECT_EQ(rest, "GET /");
}

TEST_P(PieceTest, AChunkedBodyIsJoinedAndItsTrailersAreNoHeaders) {
  const std::string rest = feed_all(
      "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nAuthorization: forged\r\n\r\nGET");
  ASSERT_TRUE(parser_.done()) << (parser_.error() ? parser_.error()->message : "unfinished");
  EXPECT_EQ(parser_.request().body, "abc0123456789");
  EXPECT_EQ(parser_.request().headers.find("Authorization"), nullptr);
  EXPECT_EQ(rest, "GET");
}

TEST_P(PieceTest, AChunkedBodyMayBeEmpty) {
  const std::string rest = feed_all(
      "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET");
  ASSERT_TRUE(parser_.done()) << (parser_.error() ? parser_.error()->message : "unfinished");
  EXPECT_EQ(parser_.request().body, "");
  EXPECT_EQ(rest, "GET");
}

TEST_P(PieceTest, PersistenceFollowsTheVersionAndConnection) {
  const auto keep_alive = [&](const std::string& wire) {
    parser_.reset();
    feed(parser_, wire, GetParam());
    return parser_.keep_alive();
  };
  EXPECT_TRUE(keep_alive("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
  EXPECT_FALSE(keep_alive("GET / HTTP/1.1\r\nHost: h\r\nConnection: Close\r\n\r\n"));
  EXPECT_FALSE(keep_alive("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(keep_alive("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
}

TEST_P(PieceTest, WhatCannotBeServedIsRefusedWithTheRightStatus) {
  const std::string get = "GET / HTTP/1.1\r\nHost: h\r\n";
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\n\r\n"), 400) << "no Host";
  EXPECT_EQ(status_of(get + "Host: i\r\n\r\n"), 400) << "two Hosts";
  EXPECT_EQ(status_of("GET /\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/2.0\r\nHost: h\r\n\r\n"), 505);
  EXPECT_EQ(status_of("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505);
  EXPECT_EQ(status_of("G@T / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET /\x01 HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(status_of(get + "A : b\r\n\r\n"), 400) << "a blank before the colon";
  EXPECT_EQ(status_of(get + "A: b\x01\r\n\r\n"), 400);
  EXPECT_EQ(status_of(get + "A: b\nC: d\r\n\r\n"), 400) << "a bare line feed";
  EXPECT_EQ(status_of(get + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n"), 400);
  EXPECT_EQ(status_of(get + "Content-Length: -1\r\n\r\n"), 400);
  EXPECT_EQ(status_of(get + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
  EXPECT_EQ(status_of(get + "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"), 400);
  EXPECT_EQ(status_of(get + "Transfer-Encoding: gzip\r\n\r\n"), 501);
  EXPECT_EQ(status_of(get + "Transfer-Encoding: gzip, chunked\r\n\r\n"), 501);
  EXPECT_EQ(status_of("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
  EXPECT_EQ(status_of(get + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n"), 400);
  EXPECT_EQ(status_of(get + "Transfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n"), 400);
}

TEST_P(PieceTest, LimitsHoldHoweverSlowlyTheyAreReached) {
  const std::string get = "GET / HTTP/1.1\r\nHost: h\r\n";
  EXPECT_EQ(status_of("GET /" + std::string(63, 'x') + " HTTP/1.1\r\nHost: h\r\n\r\n"), 0);
  EXPECT_EQ(status_of("GET /" + std::string(64, 'x') + " HTTP/1.1\r\nHost: h\r\n\r\n"), 414);
  EXPECT_EQ(status_of("GET /" + std::string(1000, 'x')), 414);
  EXPECT_EQ(status_of(get + "A: " + std::string(300, 'x')), 431);
  std::string many = get;
  for (int i = 0; i < 30; ++i) many += "A: 0123456789\r\n";
  EXPECT_EQ(status_of(many + "\r\n"), 431);
  std::string small = get;
  for (int i = 0; i < 8; ++i) small += "A:\r\n";
  EXPECT_EQ(status_of(small + "\r\n"), 431) << "nine fields";
  EXPECT_EQ(status_of(get + "Content-Length: 101\r\n\r\n"), 413);
  EXPECT_EQ(status_of(get + "Content-Length: 99999999999999999999999\r\n\r\n"), 400);
  EXPECT_EQ(status_of(get + "Transfer-Encoding: chunked\r\n\r\n65\r\nx"), 413);
  EXPECT_EQ(status_of(get + "Transfer-Encoding: chunked\r\n\r\n64\r\n" + std::string(100, 'x') +
                      "\r\n1\r\n"),
            413);
  EXPECT_EQ(status_of(get + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"), 413);
  EXPECT_EQ(status_of(get + "Transfer-Encoding: chunked\r\n\r\n1;" + std::string(9000, 'x')), 400);
  EXPECT_EQ(status_of(std::string(1000, '\n')), 400);
}

INSTANTIATE_TEST_SUITE_P(Octets, PieceTest, testing::Values(1, 7, 100'000));

TEST(Serialize, AnAnswerIsFramed) {
  const HttpResponse response{.status = 404, .headers = {{"A", "b\r\nC: d"}}, .body = "gone"};
  std::string out;
  serialize(response, {.close = true, .date = "D"}, out);
  EXPECT_EQ(out,
            "HTTP/1.1 404 Not Found\r\nDate: D\r\nA: b  C: d\r\nContent-Length: 4\r\n"
            "Connection: close\r\n\r\ngone");
}

TEST(Serialize, HeadKeepsTheLengthAndSomeStatusesHaveNone) {
  std::string out;
  serialize({.status = 200, .headers = {}, .body = "body"}, {.head_request = true}, out);
  EXPECT_EQ(out, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
  out.clear();
  serialize({.status = 204, .headers = {}, .body = ""}, {}, out);
  EXPECT_EQ(out, "HTTP/1.1 204 No Content\r\n\r\n");
  out.clear();
  serialize({.status = 304, .headers = {}, .body = ""}, {}, out);
  EXPECT_EQ(out, "HTTP/1.1 304 Not Modified\r\n\r\n");
}

TEST(HttpResponseParser, ReadsWhatWasSerialized) {
  std::string wire;
  serialize({.status = 200, .headers = {{"A", "b"}}, .body = "body"}, {}, wire);
  wire += "HTTP/1.1";
  HttpResponseParser parser;
  std::string unread;
  std::size_t at = 0;
  while (!parser.done() && !parser.error()) {
    ASSERT_LT(at, wire.size());
    unread += wire[at++];
    unread.erase(0, parser.put(unread));
  }
  EXPECT_EQ(parser.response().body, "body");
  EXPECT_EQ(parser.response().headers.get("a"), "b");
  EXPECT_TRUE(parser.keep_alive());
}

TEST(HttpResponseParser, ReadsChunksInWhateverPiecesTheyCome) {
  for (const std::string chunks : {"0\r\n\r\n", "1\r\na\r\n0\r\n\r\n"}) {
    const std::string wire = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks;
    HttpResponseParser parser;
    std::string unread;
    for (const char octet : wire) {
      unread += octet;
      unread.erase(0, parser.put(unread));
      ASSERT_FALSE(parser.error()) << parser.error()->message;
    }
    ASSERT_TRUE(parser.done());
    EXPECT_EQ(parser.response().body, chunks.size() > 5 ? "a" : "");
  }
}

TEST(HttpResponseParser, KnowsTheEndOfAnAnswerToHeadAndOfOneWithoutLength) {
  HttpResponseParser parser;
  parser.reset(/*to_head_request=*/true);
  parser.put("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
  EXPECT_TRUE(parser.done());
  parser.reset(false);
  parser.put("HTTP/1.1 200 OK\r\n\r\nbo");
  EXPECT_FALSE(parser.done());
  parser.put("dy");
  parser.put_end();
  ASSERT_TRUE(parser.done());
  EXPECT_EQ(parser.response().body, "body");
  parser.reset(false);
  parser.put("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbo");
  parser.put_end();
  EXPECT_TRUE(parser.error().has_value());
}

}  // namespace
}  // namespace keelson::api

// An S3 listener without a network, over a store that is a map.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>

#include "core/api/s3_adapter.h"
#include "core/api/s3_xml.h"
#include "core/base/check.h"
#include "core/runtime/task_group.h"
#include "tests/core/api/fakes.h"
#include "tests/core/runtime/manual_clock.h"

namespace keelson::api {

class S3Fixture : public testing::Test {
 protected:
  static constexpr Duration kLimit = std::chrono::seconds(10);

  explicit S3Fixture(S3Options options = {}) : s3_(make(nullptr, std::move(options))) {
    clock_.advance_to(Instant{1'700'000'000'000'000'000});
    EXPECT_EQ(ask("PUT", "/bucket").status, 200);
  }

  std::unique_ptr<S3Adapter> make(const Credentials* credentials, S3Options options) {
    options.domains = {"s3.test"};
    return std::make_unique<S3Adapter>(clock_, scheduler_, chance_, store_, credentials,
                                       std::move(options));
  }

  HttpResponse ask(const std::string& method, const std::string& target, HttpHeaders headers = {},
                   Bytes body = {}) {
    return ask(*s3_, make_request(method, target, std::move(headers), std::move(body)));
  }
  HttpResponse ask(S3Adapter& s3, const HttpRequest& request) {
    return on_fiber([&] { return s3.handle(request, Deadline::in(clock_, kLimit)); });
  }
  HttpResponse put(const std::string& body, HttpHeaders headers = {}) {
    return ask("PUT", "/bucket/key", std::move(headers), body);
  }

  // All of it, wherever it comes from.
  Bytes body_of(HttpResponse response) {
    if (!response.source) return std::move(response.body);
    return on_fiber([&] {
      Bytes all;
      while (true) {
        const auto piece = response.source->next(Deadline::in(clock_, kLimit));
        if (!piece) return "error: " + piece.error().message;
        if ((*piece).empty()) break;
        all += *piece;
      }
      EXPECT_EQ(response.source->size(), all.size());
      return all;
    });
  }

  // "404 NoSuchKey"
  static std::string error_of(const HttpResponse& response) {
    const std::size_t begin = response.body.find("<Code>") + 6;
    const std::size_t end = response.body.find("</Code>");
    return std::to_string(response.status) + " " +
           (end == std::string::npos ? "" : response.body.substr(begin, end - begin));
  }

  // Of an answer that is a document.
  XmlElement xml_of(const HttpResponse& response) {
    EXPECT_EQ(response.status, 200) << response.body;
    EXPECT_EQ(response.headers.get("Content-Type"), "application/xml");
    EXPECT_NE(response.body.find(kS3Namespace), std::string::npos) << response.body;
    auto root = parse_xml(response.body);
    CHECK(root.has_value());
    return *std::move(root);
  }

  // Rows of the store whose keys contain the text.
  std::size_t rows_with(std::string_view text) const {
    std::size_t count = 0;
    for (const auto& [key, value] : store_.values) count += key.find(text) != Bytes::npos;
    return count;
  }

  template <typename Work>
  auto on_fiber(Work work) -> decltype(work()) {
    std::optional<decltype(work())> result;
    TaskGroup group(scheduler_);
    group.spawn("test", [&] { result.emplace(work()); });
    scheduler_.run_ready();
    CHECK(result.has_value());
    return *std::move(result);
  }

  ManualClock clock_;
  StackPool stacks_;
  Scheduler scheduler_{clock_, stacks_};
  CountingChance chance_;
  FakeStore store_;
  std::unique_ptr<S3Adapter> s3_;
};

}  // namespace keelson::api

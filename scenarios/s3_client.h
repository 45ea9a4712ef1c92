// An S3 client for fibers of simulated client machines: one object operation a call, and what its
// answer says happened, in the terms of a history.
#pragma once

#include <optional>
#include <string>

#include "core/runtime/env.h"
#include "scenarios/history.h"
#include "scenarios/http_client.h"

namespace keelson::scenarios {

struct S3Keys {
  std::string access_key;
  std::string secret_key;
  std::string region = "us-east-1";
};

struct S3Answer {
  Outcome outcome = Outcome::unknown;
  Answer answer;           // When outcome is ok.
  int status = 0;          // 0: none was received.
  std::string error_code;  // "NoSuchBucket"; empty unless the answer is an error.
  std::string why;         // For people, unless ok.
  // What is wrong with the answer itself, whatever else is true: not HTTP, an ETag that is not the
  // MD5 of the body. Empty if nothing is.
  std::string violation;
};

class S3Client {
 public:
  // `env` is that of the client's machine and outlives it. Without keys, requests are not signed.
  S3Client(Env& env, Address server, std::string bucket, std::optional<S3Keys> keys = {});

  S3Answer perform(const std::string& key, const Call& call, Deadline deadline,
                   const Manners& manners = {});
  // The same facts as a get, by HEAD: whether the object is there. The answer's value is the ETag.
  S3Answer head(const std::string& key, Deadline deadline);
  // ok also when the bucket is there already and is ours.
  S3Answer create_bucket(Deadline deadline);

  void close() { http_.close(); }

  // The ETag that S3 demands for a value: its MD5 in quotes.
  static std::string etag_of(BytesView value);

 private:
  HttpRequest object_request(const std::string& key, const Call& call) const;
  void sign(HttpRequest& request) const;
  S3Answer exchange(HttpRequest request, Deadline deadline, const Manners& manners,
                    HttpResponse& response);

  Env& env_;
  HttpClient http_;
  const std::string bucket_;
  const std::optional<S3Keys> keys_;
};

// What a whole answer to a request says happened; pure. `is_write`: whether the request could have
// changed anything.
Outcome classify_s3(const HttpResponse& response, bool is_write);
// The text of <Code> in an XML error body; empty if there is none.
std::string s3_error_code(const Bytes& body);

}  // namespace keelson::scenarios

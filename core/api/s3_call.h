// What the operations of the S3 listener are given: the cluster, and one request on its way
// through.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "core/api/http.h"
#include "core/api/s3_error.h"
#include "core/api/s3_request.h"
#include "core/api/s3_store.h"
#include "core/runtime/clock.h"
#include "core/runtime/scheduler.h"

namespace keelson::api {

struct S3Options {
  std::string region = "us-east-1";
  std::vector<std::string> domains = {};  // For virtual-host style: "s3.example.com".
  // Of what the store holds of an object in one value; larger bodies are cut into such chunks.
  std::size_t chunk_bytes = 1 << 20;
  // Up to this size a body is part of its object's record.
  std::size_t inline_bytes_max = 4 << 10;
  std::uint64_t object_bytes_max = std::uint64_t{5} << 30;  // Of one PUT, and of a part.
  std::uint64_t part_bytes_min = 5 << 20;                   // Of all parts but the last.
};

struct S3Context {
  const Clock& clock;
  Scheduler& scheduler;
  S3Store& store;
  const S3Options& options;
};

struct S3Call {
  const HttpRequest& http;
  const S3Request& request;
  const std::string& id;
  const Clock& clock;
  const Deadline first_deadline;
  // Of small bodies, XML mostly; checked against its digests. Empty where the body is streamed.
  BytesView body = {};

  // Of the step that begins now: where a body is streamed there is no deadline for all of it.
  Deadline deadline() const {
    return http.body_source == nullptr ? first_deadline : Deadline::in(clock, http.step_time);
  }
};

}  // namespace keelson::api

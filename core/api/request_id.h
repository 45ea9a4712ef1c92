// Identifiers of requests, for people who compare notes: they differ from request to request and
// from start to start. Chance is drawn once, so that an answer costs the world none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/runtime/random.h"

namespace keelson::api {

class RequestIds {
 public:
  RequestIds(RandomSource& random, std::string_view purpose)
      : seed_(random.stream(purpose)->below(UINT64_MAX)) {}

  // 16 upper-case hex digits, as S3 has them.
  std::string next_short();
  // "8d6a2e2e-5f0c-5d3a-9a3f-0c6b4b1f7e21", as DynamoDB and SQS have them.
  std::string next_uuid();

 private:
  std::uint64_t mix(std::uint64_t part) const;

  const std::uint64_t seed_;
  std::uint64_t count_ = 0;
};

}  // namespace keelson::api

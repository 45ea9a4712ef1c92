// Bodies in aws-chunked. The first octet says in what pieces they come, which must make no
// difference, and whether chunks are to be signed, which nobody here can.
#include <algorithm>

#include "core/api/aws_chunked.h"
#include "core/base/check.h"
#include "tests/fuzz/fuzz.h"

namespace keelson::api {
namespace {

struct Outcome {
  std::optional<ChunkError> error;
  Bytes object;
  std::string trailers;

  bool operator==(const Outcome&) const = default;
};

Outcome decode(const Authentication& by, BytesView encoded, std::size_t piece) {
  AwsChunkedDecoder decoder(by);
  Outcome outcome;
  for (BytesView rest = encoded; !rest.empty();) {
    const BytesView part = rest.substr(0, piece);
    rest.remove_prefix(part.size());
    if (const auto failure = decoder.put(part, outcome.object)) return {failure->error, {}, {}};
  }
  CHECK(outcome.object.size() <= encoded.size());
  if (const auto failure = decoder.finish()) return {failure->error, {}, {}};
  for (const auto& [name, value] : decoder.trailers()) outcome.trailers += name + value + "\n";
  return outcome;
}

}  // namespace
}  // namespace keelson::api

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keelson;
  if (size == 0) return 0;
  const BytesView encoded(reinterpret_cast<const char*>(data) + 1, size - 1);
  api::Authentication by;
  by.payload = data[0] & 0x80 ? api::PayloadKind::chunks_signed_trailer
                              : api::PayloadKind::chunks_unsigned_trailer;
  if (data[0] & 0x40) by.signing_key = "key";
  const api::Outcome outcome = api::decode(by, encoded, data[0] % 32 + 1);
  CHECK(outcome == api::decode(by, encoded, encoded.size()));
  const bool must_be_signed = (data[0] & 0xC0) == 0xC0;
  CHECK(!must_be_signed || outcome.error);
  return 0;
}

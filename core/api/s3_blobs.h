// Bodies that are too large for one value of the store, in chunks.
//
// A body is read chunk by chunk and written as it comes, so that no more than two chunks of it are
// held, however large it is. Nobody sees it before an object's or a part's record refers to it,
// which is one step. Until then a blob belongs to nobody: its BlobRecord, which is written with
// every chunk, tells the collector (s3_collector.h) since when. Each chunk, and what refers to the
// blob in the end, is committed on condition that the record is as its writer left it: what the
// collector has touched is never referred to.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/api/s3_call.h"
#include "core/api/s3_records.h"

namespace keelson::api {

// Octets to be stored.
class S3Source {
 public:
  virtual ~S3Source() = default;
  // The next piece; an empty one is the end. Suspends.
  virtual S3Result<Bytes> next(Deadline deadline) = 0;
};

// A body that has been read to its end.
struct StoredBody {
  std::uint64_t size = 0;
  // Where it is: here, or in a blob.
  Bytes octets = {};
  std::optional<Piece> piece = {};
  // What must be committed in one batch with the record that refers to it.
  std::vector<kv::Condition> conditions = {};
  std::vector<kv::Mutation> mutations = {};

  // Adds the latter two. REQUIRES: `batch` has its conditions on other things already.
  void move_to(kv::Batch& batch);
};

// Who will refer to the blob. A part's body is one however small it is.
struct BlobOwner {
  std::string bucket;
  std::string key;
  Bytes upload = {};
  std::uint32_t part = 0;
};

// Reads the source to its end. Suspends. Errors: those of the source and of the store;
// NoSuchBucket; SlowDown, if the collector was faster.
S3Result<StoredBody> store_body(const S3Context& context, const S3Call& call,
                                const BlobOwner& owner, S3Source& source);

// The answer to a writer when the collector was faster.
S3Refusal was_collected();

// The octets of a range of what an object's record refers to, chunk by chunk. The references
// outlive it.
class BlobSource : public BodySource {
 public:
  // Each piece may take `step_time`. REQUIRES: the range is within the pieces.
  BlobSource(const S3Context& context, std::string bucket, std::vector<Piece> pieces,
             ByteRange range);

  std::optional<std::uint64_t> size() const override { return range_.count; }
  // Errors: those of the store; not_found (the object is no more, and its octets are collected).
  Result<Bytes> next(Deadline deadline) override;

 private:
  const S3Context context_;
  const std::string bucket_;
  const std::vector<Piece> pieces_;
  const ByteRange range_;
  std::uint64_t sent_ = 0;
  std::size_t piece_ = 0;            // Where the next octet is,
  std::uint64_t piece_begin_ = 0;    // and where that begins in the whole.
};

}  // namespace keelson::api

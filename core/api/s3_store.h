// The store as the operations of S3 see it: its errors are S3's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/api/s3_error.h"
#include "core/api/s3_records.h"
#include "core/kv/store.h"
#include "core/runtime/random.h"

namespace keelson::api {

struct FoundBucket {
  BucketRecord record;
  std::uint64_t version = 0;
};

struct FoundObject {
  ObjectRecord record;
  std::uint64_t version = 0;
};

class S3Store {
 public:
  // The references outlive this object.
  S3Store(kv::Store& store, RandomSource& random) : store_(store), random_(random) {}

  // All may suspend. Errors: SlowDown or ServiceUnavailable, InternalError; and those that are
  // named. What a failed write has done is in the header x-keelson-outcome of the refusal.
  S3Result<std::vector<std::optional<kv::VersionedValue>>> get(std::vector<Bytes> keys,
                                                               Deadline deadline);
  S3Result<kv::ScanReply> scan(kv::ScanRequest request, Deadline deadline);
  // With a token of its own.
  S3Result<kv::BatchOutcome> execute(kv::Batch batch, Deadline deadline);
  // The same for what nobody sees before something else is written that refers to it: a failure
  // has changed nothing for anybody.
  S3Result<kv::BatchOutcome> execute_unseen(kv::Batch batch, Deadline deadline);

  // Errors: NoSuchBucket, InvalidBucketName.
  S3Result<FoundBucket> find_bucket(std::string_view bucket, Deadline deadline);
  // Errors: NoSuchBucket, NoSuchKey, InvalidBucketName.
  S3Result<FoundObject> find_object(std::string_view bucket, std::string_view key,
                                    Deadline deadline);

  Bytes new_identifier() { return random_.identifier(); }

 private:
  kv::Store& store_;
  RandomSource& random_;
};

// That the bucket is there. The first condition of whatever is written into it.
kv::Condition bucket_exists(std::string_view bucket);

// A record of ours that cannot be read is our fault: InternalError.
template <typename Record>
S3Result<Record> decode_record(BytesView bytes) {
  auto record = Record::decode(bytes);
  if (!record) return S3Refusal{s3_error::internal_error, record.error().message};
  return *std::move(record);
}

}  // namespace keelson::api

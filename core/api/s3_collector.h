// S3Collector: takes back what nobody refers to: bodies that were overwritten or deleted, uploads
// whose client went away in the middle, parts that were not asked for, what is left of deleted
// buckets.
//
// By marking and sweeping, in two steps with time between them. A blob to which neither an object
// nor an open upload refers is condemned; nothing can come to refer to it from then on
// (s3_blobs.h). After `reader_grace`, when whoever was reading it is done, its chunks go. Times are
// those of wall clocks that may disagree: what that can cost is a writer that must begin again, or
// a reader whose answer breaks off; nobody ever gets wrong octets. The node that leads the default
// group does it. That two may believe to be the one is harmless: every change is on condition that
// the record is still as it was when it was judged.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/api/s3_call.h"
#include "core/kv/store.h"
#include "core/runtime/task_group.h"

namespace keelson::api {

struct S3CollectorOptions {
  Duration interval = std::chrono::minutes(10);  // Between two passes.
  // Since a writer's last chunk, before it is given up.
  Duration writer_grace = std::chrono::hours(1);
  // Since a blob was condemned, before its chunks go.
  Duration reader_grace = std::chrono::hours(1);
  // How long a completed upload is remembered for those who ask again.
  Duration completed_memory = std::chrono::hours(24);
  Duration step_time = std::chrono::seconds(10);  // For each access to the store.
};

// For metrics and tests.
struct S3CollectorCounts {
  std::uint64_t passes = 0;  // That came to their end.
  std::uint64_t condemned = 0;
  std::uint64_t collected = 0;  // Blobs.
};

class S3Collector {
 public:
  // What `context` refers to, and `leadership`, outlive this object.
  S3Collector(const S3Context& context, const kv::Leadership& leadership,
              S3CollectorOptions options);

  void start();
  void stop() { fibers_.stop(); }

  // One pass over all buckets. Suspends. Errors: those of the store; the rest is for the next pass.
  S3Result<void> collect();

  const S3CollectorCounts& counts() const { return counts_; }

 private:
  struct Blob {
    Bytes id;
    BlobRecord record;
    std::uint64_t version = 0;
  };

  S3Result<void> collect_blobs(const std::string& bucket);
  S3Result<std::vector<Blob>> unreferred(const std::string& bucket, std::vector<Blob> blobs);
  S3Result<void> condemn(const std::string& bucket, Blob blob);
  S3Result<void> remove(const std::string& bucket, const Blob& blob);
  S3Result<void> collect_uploads(const std::string& bucket);
  S3Result<void> collect_parts(const std::string& bucket);
  S3Result<void> collect_completed(const std::string& bucket);
  S3Result<void> forget_bucket(const std::string& bucket, std::uint64_t version);

  // Calls visit(row) -> S3Result<void> for every row of the range.
  template <typename Visit>
  S3Result<void> for_each_row(kv::KeyRange range, const Visit& visit);
  S3Result<void> remove_row(const Bytes& key, std::uint64_t version);
  bool is_over(std::int64_t since_ms, Duration span) const;
  Deadline deadline() const { return Deadline::in(context_.clock, options_.step_time); }

  const S3Context context_;
  const kv::Leadership& leadership_;
  const S3CollectorOptions options_;
  S3CollectorCounts counts_;
  TaskGroup fibers_;
};

}  // namespace keelson::api

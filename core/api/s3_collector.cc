// Tested by tests/core/api/s3_collector_test.cc.
#include "core/api/s3_collector.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"

namespace keelson::api {

namespace {

constexpr std::size_t kRowsAtOnce = 100;
constexpr std::uint32_t kChunksAtOnce = 64;

bool refers_to(const ObjectRecord& object, BytesView blob) {
  return std::any_of(object.pieces.begin(), object.pieces.end(),
                     [&](const Piece& piece) { return piece.blob == blob; });
}

kv::Condition version_is(Bytes key, std::uint64_t version) {
  return {.key = std::move(key), .kind = kv::Condition::Kind::version_is, .version = version};
}

}  // namespace

S3Collector::S3Collector(const S3Context& context, const kv::Leadership& leadership,
                         S3CollectorOptions options)
    : context_(context), leadership_(leadership), options_(options), fibers_(context.scheduler) {}

void S3Collector::start() {
  fibers_.spawn("s3 collector", [this] {
    while (true) {
      context_.scheduler.sleep_for(options_.interval);
      // What fails now is done by the next pass.
      if (leadership_.is_leader()) (void)collect();
    }
  });
}

S3Result<void> S3Collector::collect() {
  const auto collect_bucket = [this](const kv::ScannedRow& row) -> S3Result<void> {
    const std::string bucket = bucket_of_entry(row.key);
    TRY(const BucketEntry entry, decode_record<BucketEntry>(row.value.value));
    TRY(collect_uploads(bucket));
    TRY(collect_parts(bucket));
    TRY(collect_completed(bucket));
    TRY(collect_blobs(bucket));
    if (entry.is_deleted) TRY(forget_bucket(bucket, row.value.version));
    return {};
  };
  TRY(for_each_row(bucket_entries(), collect_bucket));
  ++counts_.passes;
  return {};
}

template <typename Visit>
S3Result<void> S3Collector::for_each_row(kv::KeyRange range, const Visit& visit) {
  while (range.from != range.to) {
    TRY(kv::ScanReply reply,
        context_.store.scan(
            {.from = range.from, .to = range.to, .rows_limit = kRowsAtOnce}, deadline()));
    for (const kv::ScannedRow& row : reply.rows) TRY(visit(row));
    range.from = std::move(reply.covered_to);
  }
  return {};
}

bool S3Collector::is_over(std::int64_t since_ms, Duration span) const {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(span).count();
  return context_.clock.wall_ms() - since_ms >= ms;
}

S3Result<void> S3Collector::remove_row(const Bytes& key, std::uint64_t version) {
  kv::Batch batch;
  batch.conditions.push_back(version_is(key, version));
  batch.mutations.push_back({key, std::nullopt});
  TRY(context_.store.execute(std::move(batch), deadline()));
  return {};
}

// --- blobs ---

S3Result<void> S3Collector::collect_blobs(const std::string& bucket) {
  std::vector<Blob> used;
  const auto judge_used = [&]() -> S3Result<void> {
    TRY(std::vector<Blob> lost, unreferred(bucket, std::exchange(used, {})));
    for (Blob& blob : lost) TRY(condemn(bucket, std::move(blob)));
    return {};
  };
  const auto judge = [&](const kv::ScannedRow& row) -> S3Result<void> {
    TRY(BlobRecord record, decode_record<BlobRecord>(row.value.value));
    Blob blob{blob_of_record(row.key), std::move(record), row.value.version};
    switch (blob.record.state) {
      case BlobRecord::State::unfinished:
        if (is_over(blob.record.touched_ms, options_.writer_grace)) {
          TRY(condemn(bucket, std::move(blob)));
        }
        break;
      case BlobRecord::State::condemned:
        if (is_over(blob.record.touched_ms, options_.reader_grace)) TRY(remove(bucket, blob));
        break;
      case BlobRecord::State::used:
        used.push_back(std::move(blob));
        if (used.size() == kRowsAtOnce) TRY(judge_used());
        break;
    }
    return {};
  };
  TRY(for_each_row(blob_records(bucket), judge));
  return judge_used();
}

// Those to which neither an object nor an open upload refers. All that is looked at is of one
// moment, and what is not referred to in it never will be.
S3Result<std::vector<S3Collector::Blob>> S3Collector::unreferred(const std::string& bucket,
                                                                 std::vector<Blob> blobs) {
  std::vector<Bytes> keys;
  for (const Blob& blob : blobs) {
    const BlobRecord& record = blob.record;
    keys.push_back(object_record_key(bucket, record.key));
    if (record.upload.empty()) continue;
    keys.push_back(upload_record_key(bucket, record.key, record.upload));
    keys.push_back(part_record_key(bucket, record.upload, record.part));
  }
  std::vector<Blob> lost;
  if (keys.empty()) return lost;
  TRY(const auto values, context_.store.get(std::move(keys), deadline()));
  auto value = values.begin();
  for (Blob& blob : blobs) {
    bool is_referred = false;
    if (const auto& found = *value++) {
      TRY(const ObjectRecord object, decode_record<ObjectRecord>(found->value));
      is_referred = refers_to(object, blob.id);
    }
    if (!blob.record.upload.empty()) {
      const bool is_open = (*value++).has_value();
      if (const auto& found = *value++; found && is_open) {
        TRY(const PartRecord part, decode_record<PartRecord>(found->value));
        is_referred = is_referred || part.piece.blob == blob.id;
      }
    }
    if (!is_referred) lost.push_back(std::move(blob));
  }
  CHECK(value == values.end());
  return lost;
}

S3Result<void> S3Collector::condemn(const std::string& bucket, Blob blob) {
  blob.record.state = BlobRecord::State::condemned;
  blob.record.touched_ms = context_.clock.wall_ms();
  const Bytes key = blob_record_key(bucket, blob.id);
  kv::Batch batch;
  batch.conditions.push_back(version_is(key, blob.version));
  batch.mutations.push_back({key, blob.record.encode()});
  TRY(const kv::BatchOutcome outcome, context_.store.execute(std::move(batch), deadline()));
  if (outcome.applied) ++counts_.condemned;
  return {};
}

// The record goes with the last chunks, so that none is forgotten.
S3Result<void> S3Collector::remove(const std::string& bucket, const Blob& blob) {
  const Bytes key = blob_record_key(bucket, blob.id);
  std::uint32_t number = 0;
  while (true) {
    kv::Batch batch;
    batch.conditions.push_back(version_is(key, blob.version));
    const std::uint32_t end = std::min(blob.record.chunks, number + kChunksAtOnce);
    for (; number < end; ++number) {
      batch.mutations.push_back({chunk_key(bucket, blob.id, number), std::nullopt});
    }
    const bool is_last = number == blob.record.chunks;
    if (is_last) batch.mutations.push_back({key, std::nullopt});
    TRY(const kv::BatchOutcome outcome, context_.store.execute(std::move(batch), deadline()));
    if (!outcome.applied) return {};  // Another collector was faster.
    if (!is_last) continue;
    ++counts_.collected;
    return {};
  }
}

// --- uploads ---

// Those of a bucket of that name that was deleted.
S3Result<void> S3Collector::collect_uploads(const std::string& bucket) {
  TRY(const auto found, context_.store.get({bucket_record_key(bucket)}, deadline()));
  std::optional<std::int64_t> created_ms;
  if (found[0]) {
    TRY(const BucketRecord record, decode_record<BucketRecord>(found[0]->value));
    created_ms = record.created_ms;
  }
  return for_each_row(upload_records(bucket), [&](const kv::ScannedRow& row) -> S3Result<void> {
    TRY(const UploadRecord upload, decode_record<UploadRecord>(row.value.value));
    if (upload.bucket_created_ms == created_ms) return {};
    return remove_row(row.key, row.value.version);
  });
}

// Those of uploads that are over: the mark goes last.
S3Result<void> S3Collector::collect_parts(const std::string& bucket) {
  std::optional<kv::ScannedRow> mark;  // Of an upload that is over.
  const auto remove_mark = [&]() -> S3Result<void> {
    if (mark) TRY(remove_row(mark->key, mark->value.version));
    mark.reset();
    return {};
  };
  const std::size_t mark_bytes = parts_mark_key(bucket, Bytes(kIdBytes, 'x')).size();
  const auto judge = [&](const kv::ScannedRow& row) -> S3Result<void> {
    if (row.key.size() > mark_bytes) {
      return mark ? remove_row(row.key, row.value.version) : S3Result<void>();
    }
    TRY(remove_mark());
    const BytesView id = BytesView(row.key).substr(mark_bytes - kIdBytes);
    TRY(const auto upload,
        context_.store.get({upload_record_key(bucket, row.value.value, id)}, deadline()));
    if (!upload[0]) mark = row;
    return {};
  };
  TRY(for_each_row(all_part_records(bucket), judge));
  return remove_mark();
}

S3Result<void> S3Collector::collect_completed(const std::string& bucket) {
  return for_each_row(completed_records(bucket), [&](const kv::ScannedRow& row) -> S3Result<void> {
    TRY(const CompletedRecord record, decode_record<CompletedRecord>(row.value.value));
    if (!is_over(record.completed_ms, options_.completed_memory)) return {};
    return remove_row(row.key, row.value.version);
  });
}

// Once nothing is left of what was in a deleted bucket. If there is something, this comes to
// nothing.
S3Result<void> S3Collector::forget_bucket(const std::string& bucket, std::uint64_t version) {
  kv::Batch batch;
  batch.conditions.push_back(version_is(bucket_entry_key(bucket), version));
  for (kv::KeyRange range : {blob_records(bucket), upload_records(bucket),
                             all_part_records(bucket), completed_records(bucket)}) {
    batch.conditions.push_back(kv::nothing_between(std::move(range.from), std::move(range.to)));
  }
  batch.mutations.push_back({bucket_entry_key(bucket), std::nullopt});
  TRY(context_.store.execute(std::move(batch), deadline()));
  return {};
}

}  // namespace keelson::api

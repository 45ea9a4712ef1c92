// Tested by tests/core/api/s3_blobs_test.cc.
#include "core/api/s3_blobs.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/runtime/task_group.h"

namespace keelson::api {

namespace {

// Writes a blob's chunks, one at a time, while the next is being read.
class BlobWriter {
 public:
  BlobWriter(const S3Context& context, const S3Call& call, const BlobOwner& owner)
      : context_(context), call_(call), owner_(owner), id_(context.store.new_identifier()),
        writing_(context.scheduler) {}

  const Bytes& id() const { return id_; }

  // Begins to write a chunk that is not the last, when the one before is there.
  S3Result<void> write(Bytes chunk) {
    TRY(wait());
    kv::Batch batch;
    // Of the first: the bucket; of all others: nobody has collected what is there.
    batch.conditions.push_back(chunks_ == 0 ? bucket_exists(owner_.bucket) : untouched());
    add_chunk(std::move(chunk), BlobRecord::State::unfinished, batch.mutations);
    writing_.spawn("write a chunk", [this, batch = std::move(batch)]() mutable {
      result_ = context_.store.execute_unseen(std::move(batch), call_.deadline());
    });
    return {};
  }

  // What is to be committed with the last chunk.
  S3Result<void> finish(Bytes chunk, StoredBody& body) {
    TRY(wait());
    if (chunks_ > 0) body.conditions.push_back(untouched());
    add_chunk(std::move(chunk), BlobRecord::State::used, body.mutations);
    body.piece = Piece{.blob = id_,
                       .size = body.size,
                       .chunk_bytes = static_cast<std::uint32_t>(context_.options.chunk_bytes)};
    return {};
  }

 private:
  // Until no chunk is being written.
  S3Result<void> wait() {
    (void)writing_.join(Deadline::never());  // The write has a deadline of its own.
    if (!result_) return {};
    const S3Result<kv::BatchOutcome> result = *std::move(result_);
    result_.reset();
    if (!result) return result.error();
    if (result->applied) {
      version_ = result->version;
      return {};
    }
    if (chunks_ == 1) return S3Refusal{s3_error::no_such_bucket};
    return was_collected();
  }

  kv::Condition untouched() const {
    return {.key = blob_record_key(owner_.bucket, id_),
            .kind = kv::Condition::Kind::version_is,
            .version = version_};
  }

  void add_chunk(Bytes chunk, BlobRecord::State state, std::vector<kv::Mutation>& mutations) {
    mutations.push_back({chunk_key(owner_.bucket, id_, chunks_++), std::move(chunk)});
    const BlobRecord record{.touched_ms = context_.clock.wall_ms(),
                            .chunks = chunks_,
                            .state = state,
                            .key = owner_.key,
                            .upload = owner_.upload,
                            .part = owner_.part};
    mutations.push_back({blob_record_key(owner_.bucket, id_), record.encode()});
  }

  const S3Context& context_;
  const S3Call& call_;
  const BlobOwner& owner_;
  const Bytes id_;
  std::uint32_t chunks_ = 0;
  std::uint64_t version_ = 0;  // Of the record.
  std::optional<S3Result<kv::BatchOutcome>> result_;
  TaskGroup writing_;  // Last: its fiber ends before what it uses.
};

}  // namespace

S3Refusal was_collected() {
  return {s3_error::slow_down, "This took so long that what had come was collected.",
          {{"x-keelson-outcome", "not_applied"}}};
}

void StoredBody::move_to(kv::Batch& batch) {
  std::move(conditions.begin(), conditions.end(), std::back_inserter(batch.conditions));
  std::move(mutations.begin(), mutations.end(), std::back_inserter(batch.mutations));
}

S3Result<StoredBody> store_body(const S3Context& context, const S3Call& call,
                                const BlobOwner& owner, S3Source& source) {
  const std::size_t chunk_bytes = context.options.chunk_bytes;
  BlobWriter writer(context, call, owner);
  StoredBody body;
  Bytes chunk;
  while (true) {
    TRY(const Bytes piece, source.next(call.deadline()));
    if (piece.empty()) break;
    body.size += piece.size();
    for (BytesView rest = piece; !rest.empty();) {
      // More has come: what is full is not the last.
      if (chunk.size() == chunk_bytes) TRY(writer.write(std::exchange(chunk, {})));
      const std::size_t count = std::min(rest.size(), chunk_bytes - chunk.size());
      // What does not end with one piece is likely to fill the chunk.
      if (!chunk.empty() && chunk.capacity() < chunk.size() + count) chunk.reserve(chunk_bytes);
      chunk.append(rest.substr(0, count));
      rest.remove_prefix(count);
    }
  }
  if (body.size <= context.options.inline_bytes_max && owner.upload.empty()) {
    body.octets = std::move(chunk);
  } else {
    TRY(writer.finish(std::move(chunk), body));
  }
  return body;
}

BlobSource::BlobSource(const S3Context& context, std::string bucket, std::vector<Piece> pieces,
                       ByteRange range)
    : context_(context), bucket_(std::move(bucket)), pieces_(std::move(pieces)), range_(range) {
  std::uint64_t size = 0;
  for (const Piece& piece : pieces_) size += piece.size;
  CHECK(range_.first + range_.count <= size);
}

Result<Bytes> BlobSource::next(Deadline deadline) {
  if (sent_ == range_.count) return Bytes();
  const std::uint64_t at = range_.first + sent_;
  while (at >= piece_begin_ + pieces_[piece_].size) {
    piece_begin_ += pieces_[piece_].size;
    ++piece_;
    CHECK(piece_ < pieces_.size());
  }
  const std::uint64_t within = at - piece_begin_;
  const std::uint64_t chunk_bytes = pieces_[piece_].chunk_bytes;
  const auto number = static_cast<std::uint32_t>(within / chunk_bytes);
  const auto found =
      context_.store.get({chunk_key(bucket_, pieces_[piece_].blob, number)}, deadline);
  if (!found) return Error{ErrorCode::unavailable, found.error().message};
  if (!(*found)[0]) return Error{ErrorCode::not_found, "a chunk of an object that is no more"};
  const Bytes& chunk = (*found)[0]->value;
  const std::size_t skipped = within % chunk_bytes;
  CHECK(skipped < chunk.size());
  Bytes octets = chunk.substr(skipped, static_cast<std::size_t>(range_.count - sent_));
  sent_ += octets.size();
  return octets;
}

}  // namespace keelson::api

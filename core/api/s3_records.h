// How buckets and objects lie in the store. Everything of one bucket begins with the same octets,
// so that it is in one group unless it was split: mostly a change and its conditions are one entry
// of one log.
//
//   key    = "s3/" ...                              in the spread of "s3" itself:
//          | spread "s3/buckets/" bucket            BucketEntry: the list of all buckets
//            ...                                    in that of the bucket's name:
//          | spread "s3/bucket/" bucket             BucketRecord
//          | spread "s3/object/" bucket "/" object  ObjectRecord; a bucket's name has no "/"
//          | spread "s3/blob/" bucket "/" id        BlobRecord
//          | spread "s3/chunk/" bucket "/" id n     the n-th chunk of a blob, n big-endian
//          | spread "s3/upload/" bucket "/" object NUL id         UploadRecord
//          | spread "s3/completed/" bucket "/" id   CompletedRecord, of an upload
//          | spread "s3/part/" bucket "/" id        the object's key, with every part of the upload
//          | spread "s3/part/" bucket "/" id n      PartRecord; n big-endian
//   spread = 2 octets (core/kv/spread.h)            id = 16 octets
//
// Records are an octet for their version and a message of core/api/s3.proto; an object's is that of
// its ObjectHead, which is all that listings read, that of the rest, and a small body:
//
//   object = version size head size rest body       size: u32, little-endian
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/api/http.h"
#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/kv/key_range.h"

namespace keelson::api {

// --- keys ---

// Of the identifiers of blobs and uploads.
inline constexpr std::size_t kIdBytes = 16;
// Of one that clients have, from what to_hex() makes of it. Nothing if the text is none.
std::optional<Bytes> parse_id(std::string_view hex);

Bytes bucket_entry_key(std::string_view bucket);
kv::KeyRange bucket_entries();
// Of a key among bucket_entries().
std::string bucket_of_entry(BytesView key);

Bytes bucket_record_key(std::string_view bucket);

Bytes object_record_key(std::string_view bucket, std::string_view object);
// Of all objects whose keys begin with the prefix.
kv::KeyRange object_records(std::string_view bucket, std::string_view prefix = {});
// What object_record_key() puts before the object's key.
Bytes object_record_prefix(std::string_view bucket);

Bytes blob_record_key(std::string_view bucket, BytesView id);
kv::KeyRange blob_records(std::string_view bucket);
// Of a key among blob_records().
Bytes blob_of_record(BytesView key);
Bytes chunk_key(std::string_view bucket, BytesView id, std::uint32_t number);
kv::KeyRange chunks_of(std::string_view bucket, BytesView id);

Bytes upload_record_key(std::string_view bucket, std::string_view object, BytesView id);
// Of all uploads to objects whose keys begin with the prefix; in the order of keys, then of ids.
kv::KeyRange upload_records(std::string_view bucket, std::string_view prefix = {});
struct UploadName {
  std::string object;
  Bytes id;
};
// Of a key among upload_records(bucket). Errors: corrupt.
Result<UploadName> upload_of_record(std::string_view bucket, BytesView key);
Bytes completed_record_key(std::string_view bucket, BytesView upload);
kv::KeyRange completed_records(std::string_view bucket);
// Written with every part, so that its version tells whether a part has come or changed.
Bytes parts_mark_key(std::string_view bucket, BytesView upload);
Bytes part_record_key(std::string_view bucket, BytesView upload, std::uint32_t number);
kv::KeyRange part_records(std::string_view bucket, BytesView upload);
// Marks and parts of all uploads, each mark before the parts of its upload.
kv::KeyRange all_part_records(std::string_view bucket);
// Of a key among part_records().
std::uint32_t part_number_of(BytesView key);

// --- records; decoding gives the error corrupt for what is none of this version ---

using Fields = std::vector<HttpHeaders::Field>;

struct BucketRecord {
  std::int64_t created_ms = 0;
  bool public_read = false;
  Fields tags = {};

  Bytes encode() const;
  static Result<BucketRecord> decode(BytesView bytes);
};

struct BucketEntry {
  std::int64_t created_ms = 0;
  bool is_deleted = false;  // What it had is still to be collected.

  Bytes encode() const;
  static Result<BucketEntry> decode(BytesView bytes);
};

struct ObjectHead {
  std::int64_t modified_ms = 0;
  std::uint64_t size = 0;
  std::string etag;  // Without quotation marks.
  std::string checksum_algorithm = {};  // "CRC32"; "" if there is no checksum.
  std::string checksum_type = {};       // "FULL_OBJECT", or "COMPOSITE"; "" likewise.

  // From a record's beginning, which has at least kBytesMax octets of it. Errors: corrupt.
  static constexpr std::size_t kBytesMax = 256;
  static Result<ObjectHead> decode(BytesView beginning);

  std::string quoted_etag() const { return '"' + etag + '"'; }
};

// Octets that lie in a blob, from its first on.
struct Piece {
  Bytes blob;
  std::uint64_t size = 0;
  std::uint32_t chunk_bytes = 0;  // Of each of its chunks but the last.
};

struct ObjectRecord {
  ObjectHead head;
  HttpHeaders headers;    // Content-Type, x-amz-meta-*, …: as they were sent and are sent back.
  Fields tags = {};
  Fields checksums = {};  // At most one: "x-amz-checksum-crc32", base64 and maybe "-3".
  std::vector<Piece> pieces = {};  // The body, one after the other; none if it is in here.
  Bytes upload = {};               // That made it, or empty.
  Bytes body = {};

  Bytes encode() const;
  static Result<ObjectRecord> decode(BytesView bytes);
};

// A blob is written once, chunk by chunk, and used by at most one object or part.
struct BlobRecord {
  enum class State : std::uint32_t {
    unfinished,  // Nobody refers to it, or will, unless it is finished.
    used,        // What was to refer to it did so when it was finished.
    condemned,   // Nobody refers to it, or ever will.
  };
  std::int64_t touched_ms = 0;  // By the clock of whoever wrote last.
  std::uint32_t chunks = 0;     // That may be there.
  State state = State::unfinished;
  std::string key = {};         // Of the object that uses it, or that its upload is to become.
  Bytes upload = {};            // Of which it is a part, or empty.
  std::uint32_t part = 0;

  Bytes encode() const;
  static Result<BlobRecord> decode(BytesView bytes);
};

// An upload that can still be given parts, completed, aborted.
struct UploadRecord {
  std::int64_t created_ms = 0;
  std::int64_t bucket_created_ms = 0;  // An upload of a bucket that was deleted is none.
  HttpHeaders headers;
  Fields tags = {};
  std::string checksum_algorithm = {};  // As in ObjectHead.
  std::string checksum_type = {};

  Bytes encode() const;
  static Result<UploadRecord> decode(BytesView bytes);
};

// An upload that was completed, remembered for those who ask again.
struct CompletedRecord {
  std::int64_t completed_ms = 0;
  std::string key = {};
  std::string etag = {};
  Fields checksums = {};

  Bytes encode() const;
  static Result<CompletedRecord> decode(BytesView bytes);
};

struct PartRecord {
  std::int64_t modified_ms = 0;
  std::uint64_t size = 0;
  Bytes md5;
  Fields checksums = {};
  Piece piece;

  Bytes encode() const;
  static Result<PartRecord> decode(BytesView bytes);
};

// The rules of S3: 3 to 63 of a-z 0-9 . -, letters or digits at the ends and beside dots, no IPv4
// address, no reserved prefix or suffix.
bool is_valid_bucket_name(std::string_view name);

}  // namespace keelson::api

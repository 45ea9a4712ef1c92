// Tested by tests/core/api/s3_records_test.cc.
#include "core/api/s3_records.h"

#include <algorithm>
#include <charconv>
#include <climits>

#include "core/api/s3.pb.h"
#include "core/base/check.h"
#include "core/kv/spread.h"

namespace keelson::api {

namespace {

constexpr char kVersion = 2;

Error not_a_record(const char* what) {
  return {ErrorCode::corrupt, std::string(what) + ": no record of this version"};
}

// --- keys ---

// "s3/part/" bucket "/", in the bucket's spread.
Bytes key_of(std::string_view kind, std::string_view bucket) {
  CHECK(bucket.find('/') == std::string_view::npos);
  Bytes key = kv::spread(bucket);
  key += kind;
  key += bucket;
  key += '/';
  return key;
}

Bytes key_of(std::string_view kind, std::string_view bucket, BytesView id) {
  CHECK(id.size() == kIdBytes);
  return key_of(kind, bucket) + Bytes(id);
}

void append_big_endian(Bytes& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

kv::KeyRange beginning_with(Bytes prefix) {
  Bytes end = kv::end_of(prefix);
  return {std::move(prefix), std::move(end)};
}

// --- messages ---

template <typename Message>
Bytes encode_message(const Message& message) {
  Bytes bytes(1, kVersion);
  const bool written = message.AppendToString(&bytes);
  CHECK(written);
  return bytes;
}

template <typename Message>
bool parse(BytesView bytes, Message& message) {
  return bytes.size() <= INT_MAX &&
         message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

template <typename Message>
Result<Message> decode_message(BytesView bytes, const char* what) {
  Message message;
  if (bytes.empty() || bytes.front() != kVersion || !parse(bytes.substr(1), message)) {
    return not_a_record(what);
  }
  return message;
}

std::uint64_t to_wire(std::int64_t ms) { return static_cast<std::uint64_t>(ms); }
std::int64_t from_wire(std::uint64_t ms) { return static_cast<std::int64_t>(ms); }

// Fields and headers are alike: names and values in order.
template <typename From, typename Repeated>
void write_fields(const From& fields, Repeated& written) {
  for (const auto& [name, value] : fields) {
    wire::Field& field = *written.Add();
    field.set_name(name);
    field.set_value(value);
  }
}

template <typename Repeated>
Fields read_fields(const Repeated& written) {
  Fields fields;
  for (const wire::Field& field : written) fields.push_back({field.name(), field.value()});
  return fields;
}

template <typename Repeated>
HttpHeaders read_headers(const Repeated& written) {
  HttpHeaders headers;
  for (const wire::Field& field : written) headers.add(field.name(), field.value());
  return headers;
}

void write_piece(const Piece& piece, wire::Piece& message) {
  message.set_blob(piece.blob);
  message.set_size(piece.size);
  message.set_chunk_bytes(piece.chunk_bytes);
}

Piece read_piece(const wire::Piece& message) {
  return {message.blob(), message.size(), message.chunk_bytes()};
}

// --- an object's record ---

void append_sized(Bytes& out, const Bytes& message) {
  append_u32(out, static_cast<std::uint32_t>(message.size()));
  out += message;
}

// Takes a sized message off the front. Nothing if there is none, or not all of it.
std::optional<BytesView> take_sized(BytesView& rest) {
  if (rest.size() < 4) return std::nullopt;
  const std::size_t size = read_u32(rest);
  if (rest.size() - 4 < size) return std::nullopt;
  const BytesView message = rest.substr(4, size);
  rest.remove_prefix(4 + size);
  return message;
}

Result<ObjectHead> take_head(BytesView& rest) {
  if (rest.empty() || rest.front() != kVersion) return not_a_record("object");
  rest.remove_prefix(1);
  const auto bytes = take_sized(rest);
  wire::ObjectHead message;
  if (!bytes || !parse(*bytes, message)) return not_a_record("object");
  return ObjectHead{.modified_ms = from_wire(message.modified_ms()),
                    .size = message.size(),
                    .etag = message.etag(),
                    .checksum_algorithm = message.checksum_algorithm(),
                    .checksum_type = message.checksum_type()};
}

}  // namespace

std::optional<Bytes> parse_id(std::string_view hex) {
  if (hex.size() != 2 * kIdBytes) return std::nullopt;
  Bytes id;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    unsigned octet = 0;
    const auto [end, error] = std::from_chars(hex.data() + i, hex.data() + i + 2, octet, 16);
    if (error != std::errc() || end != hex.data() + i + 2) return std::nullopt;
    id.push_back(static_cast<char>(octet));
  }
  return id;
}

Bytes bucket_entry_key(std::string_view bucket) {
  return kv::spread("s3") + "s3/buckets/" + Bytes(bucket);
}

kv::KeyRange bucket_entries() { return beginning_with(bucket_entry_key({})); }

std::string bucket_of_entry(BytesView key) {
  const std::size_t prefix = bucket_entry_key({}).size();
  CHECK(key.size() > prefix);
  return Bytes(key.substr(prefix));
}

Bytes bucket_record_key(std::string_view bucket) {
  return kv::spread(bucket) + "s3/bucket/" + std::string(bucket);
}

Bytes object_record_prefix(std::string_view bucket) { return key_of("s3/object/", bucket); }

Bytes object_record_key(std::string_view bucket, std::string_view object) {
  return object_record_prefix(bucket) + Bytes(object);
}

kv::KeyRange object_records(std::string_view bucket, std::string_view prefix) {
  return beginning_with(object_record_key(bucket, prefix));
}

Bytes blob_record_key(std::string_view bucket, BytesView id) {
  return key_of("s3/blob/", bucket, id);
}

kv::KeyRange blob_records(std::string_view bucket) {
  return beginning_with(key_of("s3/blob/", bucket));
}

Bytes blob_of_record(BytesView key) {
  CHECK(key.size() > kIdBytes);
  return Bytes(key.substr(key.size() - kIdBytes));
}

Bytes chunk_key(std::string_view bucket, BytesView id, std::uint32_t number) {
  Bytes key = key_of("s3/chunk/", bucket, id);
  append_big_endian(key, number);
  return key;
}

kv::KeyRange chunks_of(std::string_view bucket, BytesView id) {
  return beginning_with(key_of("s3/chunk/", bucket, id));
}

Bytes upload_record_key(std::string_view bucket, std::string_view object, BytesView id) {
  CHECK(id.size() == kIdBytes && object.find('\0') == std::string_view::npos);
  return key_of("s3/upload/", bucket) + Bytes(object) + '\0' + Bytes(id);
}

kv::KeyRange upload_records(std::string_view bucket, std::string_view prefix) {
  return beginning_with(key_of("s3/upload/", bucket) + Bytes(prefix));
}

Result<UploadName> upload_of_record(std::string_view bucket, BytesView key) {
  key.remove_prefix(std::min(key.size(), key_of("s3/upload/", bucket).size()));
  if (key.size() < kIdBytes + 1 || key[key.size() - kIdBytes - 1] != '\0') {
    return Error{ErrorCode::corrupt, "the key of an upload's record"};
  }
  return UploadName{Bytes(key.substr(0, key.size() - kIdBytes - 1)),
                    Bytes(key.substr(key.size() - kIdBytes))};
}

Bytes completed_record_key(std::string_view bucket, BytesView upload) {
  return key_of("s3/completed/", bucket, upload);
}

kv::KeyRange completed_records(std::string_view bucket) {
  return beginning_with(key_of("s3/completed/", bucket));
}

Bytes parts_mark_key(std::string_view bucket, BytesView upload) {
  return key_of("s3/part/", bucket, upload);
}

Bytes part_record_key(std::string_view bucket, BytesView upload, std::uint32_t number) {
  Bytes key = parts_mark_key(bucket, upload);
  append_big_endian(key, number);
  return key;
}

kv::KeyRange part_records(std::string_view bucket, BytesView upload) {
  return {part_record_key(bucket, upload, 0), kv::end_of(parts_mark_key(bucket, upload))};
}

kv::KeyRange all_part_records(std::string_view bucket) {
  return beginning_with(key_of("s3/part/", bucket));
}

std::uint32_t part_number_of(BytesView key) {
  CHECK(key.size() > 4);
  std::uint32_t number = 0;
  for (const char octet : key.substr(key.size() - 4)) {
    number = number << 8 | static_cast<unsigned char>(octet);
  }
  return number;
}

Bytes BucketRecord::encode() const {
  wire::Bucket message;
  message.set_created_ms(to_wire(created_ms));
  message.set_public_read(public_read);
  write_fields(tags, *message.mutable_tags());
  return encode_message(message);
}

Result<BucketRecord> BucketRecord::decode(BytesView bytes) {
  TRY(const auto message, decode_message<wire::Bucket>(bytes, "bucket"));
  return BucketRecord{.created_ms = from_wire(message.created_ms()),
                      .public_read = message.public_read(),
                      .tags = read_fields(message.tags())};
}

Bytes BucketEntry::encode() const {
  wire::BucketEntry message;
  message.set_created_ms(to_wire(created_ms));
  message.set_is_deleted(is_deleted);
  return encode_message(message);
}

Result<BucketEntry> BucketEntry::decode(BytesView bytes) {
  TRY(const auto message, decode_message<wire::BucketEntry>(bytes, "bucket's entry"));
  return BucketEntry{.created_ms = from_wire(message.created_ms()),
                     .is_deleted = message.is_deleted()};
}

Result<ObjectHead> ObjectHead::decode(BytesView beginning) { return take_head(beginning); }

Bytes ObjectRecord::encode() const {
  wire::ObjectHead first;
  first.set_modified_ms(to_wire(head.modified_ms));
  first.set_size(head.size);
  first.set_etag(head.etag);
  first.set_checksum_algorithm(head.checksum_algorithm);
  first.set_checksum_type(head.checksum_type);
  wire::Object rest;
  write_fields(headers, *rest.mutable_headers());
  write_fields(tags, *rest.mutable_tags());
  write_fields(checksums, *rest.mutable_checksums());
  for (const Piece& piece : pieces) {
    write_piece(piece, *rest.add_pieces());
  }
  rest.set_upload(upload);
  Bytes bytes(1, kVersion);
  append_sized(bytes, first.SerializeAsString());
  CHECK(bytes.size() <= ObjectHead::kBytesMax);
  append_sized(bytes, rest.SerializeAsString());
  bytes += body;
  return bytes;
}

Result<ObjectRecord> ObjectRecord::decode(BytesView bytes) {
  ObjectRecord record;
  TRY(record.head, take_head(bytes));
  const auto rest = take_sized(bytes);
  wire::Object message;
  if (!rest || !parse(*rest, message)) return not_a_record("object");
  record.headers = read_headers(message.headers());
  record.tags = read_fields(message.tags());
  record.checksums = read_fields(message.checksums());
  for (const wire::Piece& piece : message.pieces()) record.pieces.push_back(read_piece(piece));
  record.upload = std::move(*message.mutable_upload());
  record.body = bytes;
  return record;
}

Bytes BlobRecord::encode() const {
  wire::Blob message;
  message.set_touched_ms(to_wire(touched_ms));
  message.set_chunks(chunks);
  message.set_state(static_cast<std::uint32_t>(state));
  message.set_key(key);
  message.set_upload(upload);
  message.set_part(part);
  return encode_message(message);
}

Result<BlobRecord> BlobRecord::decode(BytesView bytes) {
  TRY(const auto message, decode_message<wire::Blob>(bytes, "blob"));
  if (message.state() > static_cast<std::uint32_t>(State::condemned)) return not_a_record("blob");
  return BlobRecord{.touched_ms = from_wire(message.touched_ms()),
                    .chunks = message.chunks(),
                    .state = static_cast<State>(message.state()),
                    .key = message.key(),
                    .upload = message.upload(),
                    .part = message.part()};
}

Bytes UploadRecord::encode() const {
  wire::Upload message;
  message.set_created_ms(to_wire(created_ms));
  message.set_bucket_created_ms(to_wire(bucket_created_ms));
  write_fields(headers, *message.mutable_headers());
  write_fields(tags, *message.mutable_tags());
  message.set_checksum_algorithm(checksum_algorithm);
  message.set_checksum_type(checksum_type);
  return encode_message(message);
}

Result<UploadRecord> UploadRecord::decode(BytesView bytes) {
  TRY(const auto message, decode_message<wire::Upload>(bytes, "upload"));
  return UploadRecord{.created_ms = from_wire(message.created_ms()),
                      .bucket_created_ms = from_wire(message.bucket_created_ms()),
                      .headers = read_headers(message.headers()),
                      .tags = read_fields(message.tags()),
                      .checksum_algorithm = message.checksum_algorithm(),
                      .checksum_type = message.checksum_type()};
}

Bytes CompletedRecord::encode() const {
  wire::Completed message;
  message.set_completed_ms(to_wire(completed_ms));
  message.set_key(key);
  message.set_etag(etag);
  write_fields(checksums, *message.mutable_checksums());
  return encode_message(message);
}

Result<CompletedRecord> CompletedRecord::decode(BytesView bytes) {
  TRY(const auto message, decode_message<wire::Completed>(bytes, "completed upload"));
  return CompletedRecord{.completed_ms = from_wire(message.completed_ms()),
                         .key = message.key(),
                         .etag = message.etag(),
                         .checksums = read_fields(message.checksums())};
}

Bytes PartRecord::encode() const {
  wire::Part message;
  message.set_modified_ms(to_wire(modified_ms));
  message.set_size(size);
  message.set_md5(md5);
  write_fields(checksums, *message.mutable_checksums());
  write_piece(piece, *message.mutable_piece());
  return encode_message(message);
}

Result<PartRecord> PartRecord::decode(BytesView bytes) {
  TRY(const auto message, decode_message<wire::Part>(bytes, "part"));
  return PartRecord{.modified_ms = from_wire(message.modified_ms()),
                    .size = message.size(),
                    .md5 = message.md5(),
                    .checksums = read_fields(message.checksums()),
                    .piece = read_piece(message.piece())};
}

bool is_valid_bucket_name(std::string_view name) {
  const auto is_alphanumeric = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  };
  if (name.size() < 3 || name.size() > 63) return false;
  if (!is_alphanumeric(name.front()) || !is_alphanumeric(name.back())) return false;
  bool only_digits_and_dots = true;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    if (!is_alphanumeric(c) && c != '.' && c != '-') return false;
    if (c == '.' && (!is_alphanumeric(name[i - 1]) || !is_alphanumeric(name[i + 1]))) return false;
    if (c != '.' && (c < '0' || c > '9')) only_digits_and_dots = false;
  }
  const bool is_address = only_digits_and_dots && std::count(name.begin(), name.end(), '.') == 3;
  return !is_address && !name.starts_with("xn--") && !name.starts_with("sthree-") &&
         !name.ends_with("-s3alias") && !name.ends_with("--ol-s3");
}

}  // namespace keelson::api

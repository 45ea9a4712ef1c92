// Tested by tests/core/api/s3_adapter_test.cc.
#include "core/api/s3_records.h"

#include <algorithm>

#include "core/base/check.h"
#include "core/kv/spread.h"

namespace keelson::api {

namespace {

constexpr char kVersion = 1;
constexpr std::size_t kMd5Bytes = 16;

void append_text(Bytes& out, std::string_view text) {
  append_u32(out, static_cast<std::uint32_t>(text.size()));
  out += text;
}

// Takes fixed pieces off the front; once it has failed it gives nothing but zeros.
class Reader {
 public:
  explicit Reader(BytesView bytes) : rest_(bytes) {}

  bool failed() const { return failed_; }
  BytesView rest() const { return rest_; }

  BytesView take(std::size_t count) {
    failed_ = failed_ || rest_.size() < count;
    if (failed_) return {};
    const BytesView piece = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return piece;
  }
  std::uint32_t u32() {
    const BytesView piece = take(4);
    return failed_ ? 0 : read_u32(piece);
  }
  std::uint64_t u64() {
    const BytesView piece = take(8);
    return failed_ ? 0 : read_u64(piece);
  }
  std::string text() { return std::string(take(u32())); }

 private:
  BytesView rest_;
  bool failed_ = false;
};

}  // namespace

Bytes bucket_record_key(std::string_view bucket) {
  return kv::spread(bucket) + "s3/bucket/" + std::string(bucket);
}

Bytes object_record_key(std::string_view bucket, std::string_view object) {
  CHECK(bucket.find('/') == std::string_view::npos);
  return kv::spread(bucket) + "s3/object/" + std::string(bucket) + "/" + std::string(object);
}

Bytes BucketRecord::encode() const {
  Bytes out(1, kVersion);
  append_u64(out, static_cast<std::uint64_t>(created_ms));
  return out;
}

Result<BucketRecord> BucketRecord::decode(BytesView bytes) {
  Reader reader(bytes);
  const bool known = reader.take(1) == BytesView(&kVersion, 1);
  const BucketRecord record{static_cast<std::int64_t>(reader.u64())};
  if (!known || reader.failed()) return Error{ErrorCode::corrupt, "a bucket's record"};
  return record;
}

Bytes ObjectRecord::encode_with(BytesView its_body) const {
  CHECK(md5.size() == kMd5Bytes);
  std::size_t size = 1 + 8 + kMd5Bytes + 4 + its_body.size();
  for (const auto& [name, value] : headers) size += 8 + name.size() + value.size();
  Bytes out;
  out.reserve(size);
  out += kVersion;
  append_u64(out, static_cast<std::uint64_t>(modified_ms));
  out += md5;
  append_u32(out, static_cast<std::uint32_t>(headers.size()));
  for (const auto& [name, value] : headers) {
    append_text(out, name);
    append_text(out, value);
  }
  out += its_body;
  CHECK(out.size() == size);
  return out;
}

Result<ObjectRecord> ObjectRecord::decode(BytesView bytes) {
  Reader reader(bytes);
  const bool known = reader.take(1) == BytesView(&kVersion, 1);
  ObjectRecord record;
  record.modified_ms = static_cast<std::int64_t>(reader.u64());
  record.md5 = reader.take(kMd5Bytes);
  for (std::uint32_t left = reader.u32(); left > 0 && !reader.failed(); --left) {
    std::string name = reader.text();
    std::string value = reader.text();
    record.headers.add(std::move(name), std::move(value));
  }
  record.body = reader.rest();
  if (!known || reader.failed()) return Error{ErrorCode::corrupt, "an object's record"};
  return record;
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

// Tested by tests/core/api/s3_copies_test.cc.
#include "core/api/s3_copies.h"

#include <utility>

#include "core/api/date.h"
#include "core/api/digest.h"
#include "core/api/s3_multipart.h"
#include "core/api/s3_object_checksum.h"
#include "core/api/s3_objects.h"
#include "core/api/s3_tags.h"
#include "core/api/s3_xml.h"

namespace keelson::api {

namespace {

struct ObjectName {
  std::string bucket;
  std::string key;
};

// "/bucket/key?versionId=null", percent-encoded; the first "/" may be missing.
S3Result<ObjectName> parse_source(std::string_view text) {
  const S3Refusal refusal{s3_error::invalid_argument,
                          "Copy Source must mention the source bucket and key: "
                          "sourcebucket/sourcekey"};
  const std::size_t question = text.rfind("?versionId=");
  if (question != std::string_view::npos) {
    if (text.substr(question) != "?versionId=null") {
      return S3Refusal{s3_error::invalid_argument, "Invalid version id specified"};
    }
    text = text.substr(0, question);
  }
  const auto decoded = percent_decode(text);
  if (!decoded) return refusal;
  std::string_view name = *decoded;
  if (name.starts_with('/')) name.remove_prefix(1);
  const std::size_t slash = name.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == name.size()) return refusal;
  ObjectName source{std::string(name.substr(0, slash)), std::string(name.substr(slash + 1))};
  TRY(check_key(source.key));
  return source;
}

// A range of an object on its way to where it is copied.
class CopiedBody : public S3BodySource {
 public:
  CopiedBody(const S3Context& context, const ObjectName& name, const ObjectRecord& object,
             ByteRange range) {
    if (object.pieces.empty()) {
      octets_ = object.body.substr(range.first, range.count);
    } else {
      blob_.emplace(context, name.bucket, object.pieces, range);
    }
  }

  S3Result<Bytes> next(Deadline deadline) override {
    if (has_ended_) return Bytes();
    auto piece = blob_ ? blob_->next(deadline) : std::exchange(octets_, {});
    if (!piece) return S3Refusal{s3_error::service_unavailable, piece.error().message};
    digests_.put(*piece);
    if (piece->empty()) take_digests();
    return *std::move(piece);
  }

  // Nobody else has seen these octets: it is computed, whatever its type.
  S3Result<void> expect_checksum(const ChecksumChoice& choice) override {
    expect(choice.kind);
    return {};
  }
  void expect(DigestKind kind) {
    kind_ = kind;
    digests_.add(kind);
  }

  Bytes md5() const override { return md5_; }
  Fields checksums() const override { return checksums_; }

 private:
  void take_digests() {
    has_ended_ = true;
    md5_ = digests_.take(DigestKind::md5);
    if (!kind_) return;
    checksums_ = {{std::string(checksum_header(*kind_)), base64_encode(digests_.take(*kind_))}};
  }

  Bytes octets_;
  std::optional<BlobSource> blob_;
  std::optional<DigestKind> kind_;
  Digests digests_{DigestKind::md5};
  bool has_ended_ = false;
  Bytes md5_;
  Fields checksums_;
};

// The object to copy, if the conditions on it hold.
S3Result<FoundObject> find_source(const S3Context& context, const S3Call& call,
                                  const ObjectName& name) {
  TRY(FoundObject found, context.store.find_object(name.bucket, name.key, call.deadline()));
  const ObjectHead& head = found.record.head;
  const int judgement = judge_read_conditions(call.http.headers, head.quoted_etag(),
                                              head.modified_ms, kCopySourceConditions);
  if (judgement != 200) return S3Refusal{s3_error::precondition_failed};
  return found;
}

// "bytes=first-last", both within the object.
S3Result<ByteRange> range_of_source(const HttpHeaders& headers, std::uint64_t size) {
  const std::string* const text = headers.find("x-amz-copy-source-range");
  if (text == nullptr) return ByteRange{0, size};
  const auto range = parse_range(*text, size);
  const std::size_t dash = text->find('-');
  const auto last = dash == std::string::npos
                        ? std::nullopt
                        : parse_count(std::string_view(*text).substr(dash + 1));
  const bool is_suffix = text->starts_with("bytes=-");
  if (!range || range->count == 0 || is_suffix || !last || *last >= size) {
    return S3Refusal{s3_error::invalid_argument,
                     "The x-amz-copy-source-range value must be of the form bytes=first-last, "
                     "within the source object"};
  }
  return *range;
}

void add_result(XmlWriter& xml, std::string_view etag, std::int64_t modified_ms) {
  xml.add("LastModified", iso_date(modified_ms));
  xml.add("ETag", '"' + std::string(etag) + '"');
}

// Whether what is said of the object comes with the request instead of from the source.
S3Result<bool> replaces(const HttpHeaders& headers, std::string_view directive) {
  const std::string_view value = headers.get(directive);
  if (value.empty() || value == "COPY") return false;
  if (value == "REPLACE") return true;
  return S3Refusal{s3_error::invalid_argument, "Unknown " + std::string(directive) + "."};
}

}  // namespace

S3Result<HttpResponse> S3Copies::copy_object(const S3Call& call) {
  const auto& [bucket, key, operation, parameters] = call.request;
  const HttpHeaders& headers = call.http.headers;
  if (!is_valid_bucket_name(bucket)) return S3Refusal{s3_error::invalid_bucket_name};
  TRY(const ObjectName name, parse_source(headers.get("x-amz-copy-source")));
  TRY(const auto algorithm, asked_algorithm(headers));
  TRY(const bool has_new_metadata, replaces(headers, "x-amz-metadata-directive"));
  // There is one storage class, but whoever names it means to write the object anew.
  const bool changes = has_new_metadata || headers.find("x-amz-storage-class") != nullptr;
  if (name.bucket == bucket && name.key == key && !changes) {
    return S3Refusal{s3_error::invalid_request,
                     "This copy request is illegal because it is trying to copy an object to "
                     "itself without changing the object's metadata, storage class, website "
                     "redirect location or encryption attributes."};
  }
  TRY(const WriteCondition condition, write_condition(context_, call));
  TRY(const FoundObject source, find_source(context_, call, name));
  const std::uint64_t size = source.record.head.size;
  if (size > context_.options.object_bytes_max) {
    return S3Refusal{s3_error::invalid_request,
                     "The specified copy source is larger than the maximum allowable size for a "
                     "copy source"};
  }
  ObjectRecord record;
  record.headers = source.record.headers;
  if (has_new_metadata) {
    TRY(record.headers, kept_headers(headers));
  }
  TRY(record.tags, tags_of_copy(headers, source.record.tags));
  CopiedBody octets(context_, name, source.record, {0, size});
  // Of the same kind as the source's, unless another one is asked for; always of all octets.
  const auto checksum =
      algorithm ? algorithm : checksum_of_algorithm(source.record.head.checksum_algorithm);
  if (checksum) octets.expect(*checksum);
  TRY(StoredBody body, store_body(context_, call, {.bucket = bucket, .key = key}, octets));
  record.head = {.modified_ms = context_.clock.wall_ms(),
                 .size = body.size,
                 .etag = to_hex(octets.md5())};
  set_checksums(record, octets.checksums());
  TRY(const bool is_lost, commit_body(context_, call, condition, record, std::move(body)));
  if (is_lost) return was_collected();
  XmlWriter xml("CopyObjectResult", kS3Namespace);
  add_result(xml, record.head.etag, record.head.modified_ms);
  add_checksums(record.checksums, xml);
  return xml_answer(xml);
}

S3Result<HttpResponse> S3Copies::copy_part(const S3Call& call) {
  TRY(part_number_of(call.request));
  TRY(const ObjectName name, parse_source(call.http.headers.get("x-amz-copy-source")));
  TRY(const FoundUpload upload, find_upload(context_, call));
  TRY(const FoundObject source, find_source(context_, call, name));
  TRY(const ByteRange range, range_of_source(call.http.headers, source.record.head.size));
  if (range.count > context_.options.object_bytes_max) {
    return S3Refusal{s3_error::entity_too_large};
  }
  CopiedBody octets(context_, name, source.record, range);
  TRY(const PartRecord part, store_part(context_, call, upload, octets));
  XmlWriter xml("CopyPartResult", kS3Namespace);
  add_result(xml, to_hex(part.md5), part.modified_ms);
  for (const auto& [header, value] : part.checksums) xml.add(checksum_element(header), value);
  return xml_answer(xml);
}

}  // namespace keelson::api

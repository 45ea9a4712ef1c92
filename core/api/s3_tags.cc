// Tested by tests/core/api/s3_tags_test.cc.
#include "core/api/s3_tags.h"

#include <set>
#include <utility>

#include "core/api/s3_buckets.h"
#include "core/api/s3_xml.h"

namespace keelson::api {

namespace {

constexpr std::size_t kTagsOfObjectMax = 10;
constexpr std::size_t kTagsOfBucketMax = 50;
constexpr std::size_t kNameCharactersMax = 128;
constexpr std::size_t kValueCharactersMax = 256;
constexpr int kAttempts = 8;

// Of UTF-8: octets that do not go on with the one before.
std::size_t characters(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

// "Letters, white space, numbers, and + - = . _ : / @": beyond ASCII there are letters enough.
bool is_tag_text(std::string_view text) {
  for (const char c : text) {
    const bool is_alphanumeric =
        (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    const bool is_beyond_ascii = static_cast<unsigned char>(c) >= 0x80;
    if (is_alphanumeric || is_beyond_ascii) continue;
    if (std::string_view(" \t\r\n+-=._:/@").find(c) == std::string_view::npos) return false;
  }
  return true;
}

S3Result<void> check_tags(const Fields& tags, std::size_t most) {
  if (tags.size() > most) {
    return S3Refusal{s3_error::bad_request,
                     (most == kTagsOfObjectMax ? "Object tags cannot be greater than "
                                               : "Bucket tag count cannot be greater than ") +
                         std::to_string(most)};
  }
  std::set<std::string_view> names;
  for (const auto& [name, value] : tags) {
    if (name.empty() || characters(name) > kNameCharactersMax || !is_tag_text(name)) {
      return S3Refusal{s3_error::invalid_tag, "The TagKey you have provided is invalid"};
    }
    if (characters(value) > kValueCharactersMax || !is_tag_text(value)) {
      return S3Refusal{s3_error::invalid_tag, "The TagValue you have provided is invalid"};
    }
    if (name.starts_with("aws:")) {
      return S3Refusal{s3_error::invalid_tag, "Your TagKey cannot be prefixed with aws:"};
    }
    if (!names.insert(name).second) {
      return S3Refusal{s3_error::invalid_tag, "Cannot provide multiple Tags with the same key"};
    }
  }
  return {};
}

S3Result<Fields> parse_tags(const S3Call& call, std::size_t most) {
  const S3Refusal malformed{s3_error::malformed_xml};
  TRY(const XmlElement tagging, parse_body(call, "Tagging"));
  const XmlElement* const set = tagging.find("TagSet");
  if (set == nullptr || tagging.children.size() != 1) return malformed;
  Fields tags;
  for (const XmlElement& tag : set->children) {
    const XmlElement* const name = tag.find("Key");
    const XmlElement* const value = tag.find("Value");
    if (tag.name != "Tag" || name == nullptr || value == nullptr) return malformed;
    tags.push_back({name->text, value->text});
  }
  TRY(check_tags(tags, most));
  return tags;
}

HttpResponse tags_answer(const Fields& tags) {
  XmlWriter xml("Tagging", kS3Namespace);
  xml.begin("TagSet");
  for (const auto& [name, value] : tags) {
    xml.begin("Tag");
    xml.add("Key", name);
    xml.add("Value", value);
    xml.end();
  }
  xml.end();
  return xml_answer(xml);
}

}  // namespace

S3Result<HttpResponse> S3Tags::get_of_bucket(const S3Call& call) {
  TRY(const FoundBucket found, context_.store.find_bucket(call.request.bucket, call.deadline()));
  if (found.record.tags.empty()) return S3Refusal{s3_error::no_such_tag_set};
  return tags_answer(found.record.tags);
}

S3Result<HttpResponse> S3Tags::put_of_bucket(const S3Call& call) {
  TRY(const Fields tags, parse_tags(call, kTagsOfBucketMax));
  TRY(change_bucket(context_, call, [&](BucketRecord& record) { record.tags = tags; }));
  return HttpResponse{.status = 204};
}

S3Result<HttpResponse> S3Tags::remove_of_bucket(const S3Call& call) {
  TRY(change_bucket(context_, call, [](BucketRecord& record) { record.tags.clear(); }));
  return HttpResponse{.status = 204};
}

S3Result<HttpResponse> S3Tags::get_of_object(const S3Call& call) {
  TRY(const FoundObject found,
      context_.store.find_object(call.request.bucket, call.request.key, call.deadline()));
  return tags_answer(found.record.tags);
}

S3Result<HttpResponse> S3Tags::put_of_object(const S3Call& call) {
  TRY(const Fields tags, parse_tags(call, kTagsOfObjectMax));
  TRY(change_object(call, tags));
  return HttpResponse{};
}

S3Result<HttpResponse> S3Tags::remove_of_object(const S3Call& call) {
  TRY(change_object(call, {}));
  return HttpResponse{.status = 204};
}

S3Result<void> S3Tags::change_object(const S3Call& call, const Fields& tags) {
  const auto& [bucket, key, operation, parameters] = call.request;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    TRY(FoundObject found, context_.store.find_object(bucket, key, call.deadline()));
    found.record.tags = tags;
    kv::Batch batch;
    const Bytes row = object_record_key(bucket, key);
    batch.conditions.push_back(bucket_exists(bucket));
    batch.conditions.push_back({row, kv::Condition::Kind::version_is, found.version});
    batch.mutations.push_back({row, found.record.encode()});
    TRY(const kv::BatchOutcome outcome, context_.store.execute(std::move(batch), call.deadline()));
    if (outcome.applied) return {};
  }
  return S3Refusal{s3_error::operation_aborted};
}

S3Result<Fields> tags_of_header(const HttpHeaders& headers) {
  const std::string* const text = headers.find("x-amz-tagging");
  if (text == nullptr) return Fields();
  const auto parameters = parse_query(*text, /*plus_is_space=*/true);
  if (!parameters) {
    return S3Refusal{s3_error::invalid_argument,
                     "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL "
                     "query parameters without tag name duplicates."};
  }
  Fields tags;
  for (const QueryParameter& parameter : *parameters) {
    tags.push_back({parameter.name, parameter.value});
  }
  TRY(check_tags(tags, kTagsOfObjectMax));
  return tags;
}

S3Result<Fields> tags_of_copy(const HttpHeaders& headers, const Fields& of_source) {
  const std::string_view directive = headers.get("x-amz-tagging-directive");
  if (directive == "REPLACE") return tags_of_header(headers);
  if (!directive.empty() && directive != "COPY") {
    return S3Refusal{s3_error::invalid_argument, "Unknown x-amz-tagging-directive."};
  }
  // As with metadata, the source's tags are copied unless they are to be replaced: the API
  // reference has x-amz-tagging "in conjunction with" REPLACE.
  return of_source;
}

}  // namespace keelson::api

// Tested by tests/core/api/s3_deletes_test.cc.
#include "core/api/s3_deletes.h"

#include <set>
#include <utility>
#include <vector>

#include "core/api/s3_checksum.h"
#include "core/api/s3_xml.h"

namespace keelson::api {

namespace {

constexpr std::size_t kKeysMax = 1000;

constexpr S3Error kNoSuchVersion{"NoSuchVersion", 404, "The specified version does not exist."};

struct Asked {
  std::string key;
  std::string version;               // As it was asked for; "" if it was not.
  std::optional<S3Refusal> refusal;  // Why it is not deleted.
};

struct Deletion {
  bool is_quiet = false;
  std::vector<Asked> objects;
};

// So much is at stake that a damaged list is not believed.
S3Result<void> check_has_digest(const HttpHeaders& headers) {
  bool has_digest = headers.find("Content-MD5") != nullptr ||
                    checksum_of_header(headers.get("x-amz-trailer")).has_value();
  for (const auto& field : headers) {
    has_digest = has_digest || checksum_of_header(field.name).has_value();
  }
  if (has_digest) return {};
  return S3Refusal{s3_error::invalid_request,
                   "Missing required header for this request: Content-MD5"};
}

S3Result<Asked> parse_object(const XmlElement& object) {
  Asked asked{std::string(object.get("Key")), std::string(object.get("VersionId")), {}};
  if (asked.key.empty()) return S3Refusal{s3_error::malformed_xml};
  for (const XmlElement& element : object.children) {
    if (element.name == "Key" || element.name == "VersionId") continue;
    // A condition: passed over, it would delete too much.
    return S3Refusal{s3_error::not_implemented, element.name + " is not implemented."};
  }
  if (const auto valid = check_key(asked.key); !valid) asked.refusal = valid.error();
  if (!asked.version.empty() && asked.version != "null") asked.refusal = {kNoSuchVersion};
  return asked;
}

S3Result<Deletion> parse_deletion(const S3Call& call) {
  TRY(const XmlElement root, parse_body(call, "Delete"));
  Deletion deletion;
  for (const XmlElement& element : root.children) {
    if (element.name == "Quiet") {
      deletion.is_quiet = element.text == "true";
    } else if (element.name == "Object") {
      TRY(Asked asked, parse_object(element));
      deletion.objects.push_back(std::move(asked));
    } else {
      return S3Refusal{s3_error::malformed_xml};
    }
  }
  if (deletion.objects.empty() || deletion.objects.size() > kKeysMax) {
    return S3Refusal{s3_error::malformed_xml};
  }
  return deletion;
}

HttpResponse result_of(const Deletion& deletion) {
  XmlWriter xml("DeleteResult", kS3Namespace);
  for (const Asked& asked : deletion.objects) {
    if (!asked.refusal && deletion.is_quiet) continue;
    xml.begin(asked.refusal ? "Error" : "Deleted");
    xml.add("Key", asked.key);
    if (!asked.version.empty()) xml.add("VersionId", asked.version);
    if (asked.refusal) {
      const auto& [error, message, headers] = *asked.refusal;
      xml.add("Code", error.code);
      xml.add("Message", message.empty() ? error.message : message);
    }
    xml.end();
  }
  return xml_answer(xml);
}

}  // namespace

S3Result<HttpResponse> delete_objects(const S3Context& context, const S3Call& call) {
  const std::string& bucket = call.request.bucket;
  if (!is_valid_bucket_name(bucket)) return S3Refusal{s3_error::invalid_bucket_name};
  TRY(check_has_digest(call.http.headers));
  TRY(const Deletion deletion, parse_deletion(call));
  std::set<Bytes> rows;  // A key may have been asked for twice.
  for (const Asked& asked : deletion.objects) {
    if (!asked.refusal) rows.insert(object_record_key(bucket, asked.key));
  }
  if (rows.empty()) {
    TRY(context.store.find_bucket(bucket, call.deadline()));
    return result_of(deletion);
  }
  kv::Batch batch;
  batch.conditions.push_back(bucket_exists(bucket));
  for (const Bytes& row : rows) batch.mutations.push_back({row, std::nullopt});
  TRY(const kv::BatchOutcome outcome, context.store.execute(std::move(batch), call.deadline()));
  if (!outcome.applied) return S3Refusal{s3_error::no_such_bucket};
  return result_of(deletion);
}

}  // namespace keelson::api

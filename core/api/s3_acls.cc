// Tested by tests/core/api/s3_buckets_test.cc.
#include "core/api/s3_acls.h"

#include "core/api/s3_buckets.h"
#include "core/api/s3_xml.h"

namespace keelson::api {

namespace {

constexpr std::string_view kEveryone = "http://acs.amazonaws.com/groups/global/AllUsers";
constexpr std::string_view kSchema = "http://www.w3.org/2001/XMLSchema-instance";

void add_grant(XmlWriter& xml, CannedAcl to_whom) {
  const bool is_owner = to_whom == CannedAcl::private_;
  xml.begin("Grant");
  xml.begin("Grantee");
  xml.add_attribute("xmlns:xsi", kSchema);
  xml.add_attribute("xsi:type", is_owner ? "CanonicalUser" : "Group");
  if (is_owner) {
    xml.add("ID", kOwner);
    xml.add("DisplayName", kOwner);
  } else {
    xml.add("URI", kEveryone);
  }
  xml.end();
  xml.add("Permission", is_owner ? "FULL_CONTROL" : "READ");
  xml.end();
}

HttpResponse acl_answer(CannedAcl acl) {
  XmlWriter xml("AccessControlPolicy", kS3Namespace);
  add_owner(xml);
  xml.begin("AccessControlList");
  add_grant(xml, CannedAcl::private_);
  if (acl == CannedAcl::public_read) add_grant(xml, CannedAcl::public_read);
  xml.end();
  return xml_answer(xml);
}

// Which of the two the grants come to: those to the owner, of full control, and maybe one to
// everyone, of reading.
S3Result<CannedAcl> read_acl(const XmlElement& policy) {
  const S3Refusal unknown{s3_error::not_implemented,
                          "Of ACLs only private and public-read are implemented."};
  const XmlElement* const list = policy.find("AccessControlList");
  if (list == nullptr) return S3Refusal{s3_error::malformed_xml};
  bool owner_has_control = false, everyone_reads = false;
  for (const XmlElement& grant : list->children) {
    const XmlElement* const grantee = grant.find("Grantee");
    if (grant.name != "Grant" || grantee == nullptr) return S3Refusal{s3_error::malformed_xml};
    const std::string_view permission = grant.get("Permission");
    if (grantee->get("ID") == kOwner && permission == "FULL_CONTROL") {
      owner_has_control = true;
    } else if (grantee->get("URI") == kEveryone && permission == "READ") {
      everyone_reads = true;
    } else {
      return unknown;
    }
  }
  if (!owner_has_control) return unknown;
  return everyone_reads ? CannedAcl::public_read : CannedAcl::private_;
}

}  // namespace

S3Result<std::optional<CannedAcl>> canned_acl(const HttpHeaders& headers) {
  const std::string* const name = headers.find("x-amz-acl");
  if (name == nullptr) return std::optional<CannedAcl>();
  if (*name == "private") return std::optional(CannedAcl::private_);
  if (*name == "public-read") return std::optional(CannedAcl::public_read);
  return S3Refusal{s3_error::not_implemented,
                   "Of ACLs only private and public-read are implemented."};
}

S3Result<HttpResponse> S3Acls::get_of_bucket(const S3Call& call) {
  TRY(const FoundBucket found, context_.store.find_bucket(call.request.bucket, call.deadline()));
  return acl_answer(found.record.public_read ? CannedAcl::public_read : CannedAcl::private_);
}

S3Result<HttpResponse> S3Acls::put_of_bucket(const S3Call& call) {
  TRY(const auto canned, canned_acl(call.http.headers));
  if (canned && !call.body.empty()) {
    return S3Refusal{s3_error::invalid_request,
                     "Specifying both a canned ACL and a body is not allowed."};
  }
  if (!canned && call.body.empty()) return S3Refusal{s3_error::missing_security_header};
  CannedAcl acl = canned.value_or(CannedAcl::private_);
  if (!canned) {
    TRY(const XmlElement policy, parse_body(call, "AccessControlPolicy"));
    TRY(acl, read_acl(policy));
  }
  TRY(change_bucket(context_, call, [acl](BucketRecord& record) {
    record.public_read = acl == CannedAcl::public_read;
  }));
  return HttpResponse{};
}

S3Result<HttpResponse> S3Acls::get_of_object(const S3Call& call) {
  TRY(context_.store.find_object(call.request.bucket, call.request.key, call.deadline()));
  return acl_answer(CannedAcl::private_);
}

bool is_public_read(S3Operation operation) {
  switch (operation) {
    case S3Operation::get_object:
    case S3Operation::head_object:
    case S3Operation::head_bucket:
    case S3Operation::list_objects:
    case S3Operation::list_objects_v2:
    case S3Operation::list_object_versions: return true;
    default: return false;
  }
}

}  // namespace keelson::api

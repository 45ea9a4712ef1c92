// Tested by tests/core/api/s3_buckets_test.cc.
#include "core/api/s3_xml.h"

#include <utility>

namespace keelson::api {

void add_owner(XmlWriter& xml, std::string_view element) {
  xml.begin(element);
  xml.add("ID", kOwner);
  xml.add("DisplayName", kOwner);
  xml.end();
}

HttpResponse xml_answer(XmlWriter& xml) {
  return {.headers = {{"Content-Type", "application/xml"}}, .body = xml.finish()};
}

S3Result<XmlElement> parse_body(const S3Call& call, std::string_view root) {
  auto element = parse_xml(call.body);
  if (!element || (*element).name != root) return S3Refusal{s3_error::malformed_xml};
  return *std::move(element);
}

}  // namespace keelson::api

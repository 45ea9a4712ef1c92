// What the XML bodies of S3 have in common.
#pragma once

#include <string_view>

#include "core/api/s3_call.h"
#include "core/api/xml.h"

namespace keelson::api {

inline constexpr std::string_view kS3Namespace = "http://s3.amazonaws.com/doc/2006-03-01/";

// There is one account, and it owns everything.
inline constexpr std::string_view kOwner = "keelson";

// <Owner><ID>…</ID><DisplayName>…</DisplayName></Owner>, or of another name.
void add_owner(XmlWriter& xml, std::string_view element = "Owner");

// 200 with the document. REQUIRES: as XmlWriter::finish().
HttpResponse xml_answer(XmlWriter& xml);

// The request's body, which has an element of that name for its root. Errors: MalformedXML.
S3Result<XmlElement> parse_body(const S3Call& call, std::string_view root);

}  // namespace keelson::api

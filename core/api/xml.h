// XML bodies: writing the errors of S3 and of SQS's query protocol, and reading the little that S3
// requests carry. Wraps pugixml.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"

namespace keelson::api {

std::string s3_error_xml(std::string_view code, std::string_view message, std::string_view resource,
                         std::string_view request_id);

// `type` is "Sender" or "Receiver".
std::string sqs_error_xml(std::string_view type, std::string_view code, std::string_view message,
                          std::string_view request_id);

// The LocationConstraint of a CreateBucketConfiguration, or "" if it has none. Errors:
// invalid_argument (not such a document).
Result<std::string> parse_location_constraint(std::string_view xml);

}  // namespace keelson::api

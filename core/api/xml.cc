// Tested by tests/core/api/s3_adapter_test.cc and tests/core/api/sqs_listener_test.cc.
#include "core/api/xml.h"

#include <pugixml.hpp>

namespace keelson::api {

namespace {

void add_text(pugi::xml_node parent, const char* name, std::string_view text) {
  parent.append_child(name).text().set(std::string(text).c_str());
}

std::string to_text(pugi::xml_document& document) {
  struct Writer : pugi::xml_writer {
    void write(const void* data, std::size_t size) override {
      out.append(static_cast<const char*>(data), size);
    }
    std::string out;
  } writer;
  document.save(writer, "", pugi::format_raw, pugi::encoding_utf8);
  return std::move(writer.out);
}

pugi::xml_document begin_document() {
  pugi::xml_document document;
  pugi::xml_node declaration = document.append_child(pugi::node_declaration);
  declaration.append_attribute("version") = "1.0";
  declaration.append_attribute("encoding") = "UTF-8";
  return document;
}

}  // namespace

std::string s3_error_xml(std::string_view code, std::string_view message, std::string_view resource,
                         std::string_view request_id) {
  pugi::xml_document document = begin_document();
  const pugi::xml_node error = document.append_child("Error");
  add_text(error, "Code", code);
  add_text(error, "Message", message);
  add_text(error, "Resource", resource);
  add_text(error, "RequestId", request_id);
  return to_text(document);
}

std::string sqs_error_xml(std::string_view type, std::string_view code, std::string_view message,
                          std::string_view request_id) {
  pugi::xml_document document = begin_document();
  pugi::xml_node response = document.append_child("ErrorResponse");
  response.append_attribute("xmlns") = "http://queue.amazonaws.com/doc/2012-11-05/";
  pugi::xml_node error = response.append_child("Error");
  add_text(error, "Type", type);
  add_text(error, "Code", code);
  add_text(error, "Message", message);
  error.append_child("Detail");
  add_text(response, "RequestId", request_id);
  return to_text(document);
}

Result<std::string> parse_location_constraint(std::string_view xml) {
  pugi::xml_document document;
  const auto parsed = document.load_buffer(xml.data(), xml.size());
  if (!parsed) return Error{ErrorCode::invalid_argument, parsed.description()};
  const pugi::xml_node root = document.document_element();
  if (std::string_view(root.name()) != "CreateBucketConfiguration") {
    return Error{ErrorCode::invalid_argument, "CreateBucketConfiguration expected"};
  }
  return std::string(root.child_value("LocationConstraint"));
}

}  // namespace keelson::api

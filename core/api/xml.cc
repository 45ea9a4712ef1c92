// Tested by tests/core/api/xml_test.cc.
#include "core/api/xml.h"

#include <charconv>
#include <pugixml.hpp>

#include "core/base/check.h"

namespace keelson::api {

namespace {

constexpr int kDepthMax = 16;

std::string to_text(pugi::xml_document& document) {
  struct Writer : pugi::xml_writer {
    void write(const void* data, std::size_t size) override {
      for (const char c : std::string_view(static_cast<const char*>(data), size)) {
        if (c == '\r') {
          out += "&#13;";  // XML 1.0 §2.11: a reader makes a line's end of it otherwise.
        } else {
          out += c;
        }
      }
    }
    std::string out;
  } writer;
  document.save(writer, "", pugi::format_raw, pugi::encoding_utf8);
  return std::move(writer.out);
}

std::string_view without_prefix(std::string_view name) {
  const std::size_t colon = name.find(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

// Whether there is anything that would end a text before its end, as pugixml's are C strings: NUL,
// or a reference to it, or to no character at all.
bool has_hidden_end(std::string_view text) {
  if (text.find('\0') != text.npos) return true;
  for (std::size_t at = text.find("&#"); at != text.npos; at = text.find("&#", at)) {
    at += 2;
    const bool is_hex = text.substr(at, 1) == "x";
    const std::string_view digits = text.substr(at + (is_hex ? 1 : 0));
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value,
                                              is_hex ? 16 : 10);
    const bool is_surrogate = value >= 0xD800 && value <= 0xDFFF;
    const bool is_character = error == std::errc() && value > 0 && value <= 0x10FFFF &&
                              !is_surrogate;
    if (end != digits.data() && !is_character) return true;
  }
  return false;
}

// False if it is too deep, or a name is nothing but a prefix.
bool read_element(const pugi::xml_node& node, int depth, XmlElement& element) {
  if (depth > kDepthMax) return false;
  element.name = without_prefix(node.name());
  if (element.name.empty()) return false;
  for (const pugi::xml_node& child : node) {
    if (child.type() == pugi::node_pcdata || child.type() == pugi::node_cdata) {
      element.text += child.value();
    } else if (child.type() == pugi::node_element) {
      if (!read_element(child, depth + 1, element.children.emplace_back())) return false;
    }
  }
  return true;
}

}  // namespace

struct XmlWriter::Document {
  pugi::xml_document document;
  std::vector<pugi::xml_node> open;
};

XmlWriter::XmlWriter(std::string_view root, std::string_view xmlns)
    : document_(std::make_unique<Document>()) {
  pugi::xml_node declaration = document_->document.append_child(pugi::node_declaration);
  declaration.append_attribute("version") = "1.0";
  declaration.append_attribute("encoding") = "UTF-8";
  document_->open.push_back(document_->document.append_child(std::string(root).c_str()));
  if (!xmlns.empty()) add_attribute("xmlns", xmlns);
}

XmlWriter::~XmlWriter() = default;

void XmlWriter::begin(std::string_view name) {
  document_->open.push_back(document_->open.back().append_child(std::string(name).c_str()));
}

void XmlWriter::end() {
  document_->open.pop_back();
  CHECK(!document_->open.empty());
}

void XmlWriter::add(std::string_view name, std::string_view text) {
  document_->open.back().append_child(std::string(name).c_str()).text().set(
      std::string(text).c_str());
}

void XmlWriter::add_attribute(std::string_view name, std::string_view value) {
  document_->open.back().append_attribute(std::string(name).c_str()) = std::string(value).c_str();
}

void XmlWriter::set_text(std::string_view text) {
  document_->open.back().text().set(std::string(text).c_str());
}

std::string XmlWriter::finish() {
  CHECK(document_->open.size() == 1);
  return to_text(document_->document);
}

const XmlElement* XmlElement::find(std::string_view child) const {
  for (const XmlElement& element : children) {
    if (element.name == child) return &element;
  }
  return nullptr;
}

std::string_view XmlElement::get(std::string_view child) const {
  const XmlElement* const found = find(child);
  return found == nullptr ? std::string_view() : found->text;
}

Result<XmlElement> parse_xml(std::string_view text) {
  if (has_hidden_end(text)) return Error{ErrorCode::invalid_argument, "no character"};
  pugi::xml_document document;
  // White space may be all that a key or a prefix is.
  const auto parsed = document.load_buffer(text.data(), text.size(),
                                           pugi::parse_default | pugi::parse_ws_pcdata_single);
  if (!parsed) return Error{ErrorCode::invalid_argument, parsed.description()};
  XmlElement root;
  if (!read_element(document.document_element(), 0, root)) {
    return Error{ErrorCode::invalid_argument, "elements without a name or nested too deep"};
  }
  return root;
}

std::string s3_error_xml(std::string_view code, std::string_view message, std::string_view resource,
                         std::string_view request_id) {
  XmlWriter xml("Error");
  xml.add("Code", code);
  xml.add("Message", message);
  xml.add("Resource", resource);
  xml.add("RequestId", request_id);
  return xml.finish();
}

std::string sqs_error_xml(std::string_view type, std::string_view code, std::string_view message,
                          std::string_view request_id) {
  XmlWriter xml("ErrorResponse", "http://queue.amazonaws.com/doc/2012-11-05/");
  xml.begin("Error");
  xml.add("Type", type);
  xml.add("Code", code);
  xml.add("Message", message);
  xml.begin("Detail");
  xml.end();
  xml.end();
  xml.add("RequestId", request_id);
  return xml.finish();
}

}  // namespace keelson::api

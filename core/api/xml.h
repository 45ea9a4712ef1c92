// XML bodies. Wraps pugixml.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace keelson::api {

// Builds a document, element by element.
class XmlWriter {
 public:
  explicit XmlWriter(std::string_view root, std::string_view xmlns = {});
  ~XmlWriter();
  XmlWriter(const XmlWriter&) = delete;
  XmlWriter& operator=(const XmlWriter&) = delete;

  // What follows until end() is inside of it.
  void begin(std::string_view name);
  void end();
  // An element with nothing but text, which is escaped as XML demands.
  void add(std::string_view name, std::string_view text);
  void add_attribute(std::string_view name, std::string_view value);
  // Of the element that is open; it has nothing else inside.
  void set_text(std::string_view text);

  // The whole document. REQUIRES: every begin() has its end().
  std::string finish();

 private:
  struct Document;
  std::unique_ptr<Document> document_;
};

// An element that was read: without attributes, comments, and the prefixes of names.
struct XmlElement {
  std::string name;
  std::string text;
  std::vector<XmlElement> children;

  // The first child of that name, or nullptr.
  const XmlElement* find(std::string_view child) const;
  // The text of the first child of that name, or nothing at all: "".
  std::string_view get(std::string_view child) const;
};

// The root of a document. Entities other than XML's own five are not expanded. Errors:
// invalid_argument (no well-formed document; elements nested deeper than 16).
Result<XmlElement> parse_xml(std::string_view text);

std::string s3_error_xml(std::string_view code, std::string_view message, std::string_view resource,
                         std::string_view request_id);

// `type` is "Sender" or "Receiver".
std::string sqs_error_xml(std::string_view type, std::string_view code, std::string_view message,
                          std::string_view request_id);

}  // namespace keelson::api

// XML bodies. What was read and is written again reads the same.
#include "core/api/xml.h"

#include "core/base/check.h"
#include "tests/fuzz/fuzz.h"

namespace keelson::api {
namespace {

// A text without anything that a reader may drop or join.
bool is_plain(std::string_view text) {
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet <= 0x20 || octet >= 0x7F) return false;
  }
  return true;
}

// pugixml lets pass more than XML's names.
bool is_name(std::string_view name) {
  return name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") ==
         name.npos;
}

// Whether the writer has words for it: an element has either text or children.
bool can_be_written(const XmlElement& element) {
  if (!is_plain(element.text) || !is_name(element.name)) return false;
  if (!element.text.empty() && !element.children.empty()) return false;
  for (const XmlElement& child : element.children) {
    if (!can_be_written(child)) return false;
  }
  return true;
}

void write(const XmlElement& element, XmlWriter& writer) {
  for (const XmlElement& child : element.children) {
    if (child.children.empty()) {
      writer.add(child.name, child.text);
    } else {
      writer.begin(child.name);
      write(child, writer);
      writer.end();
    }
  }
}

bool is_same(const XmlElement& a, const XmlElement& b) {
  if (a.name != b.name || a.text != b.text || a.children.size() != b.children.size()) return false;
  for (std::size_t i = 0; i < a.children.size(); ++i) {
    if (!is_same(a.children[i], b.children[i])) return false;
  }
  return true;
}

}  // namespace
}  // namespace keelson::api

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keelson::api;
  const auto root = parse_xml({reinterpret_cast<const char*>(data), size});
  if (!root || !(*root).text.empty() || !can_be_written(*root)) return 0;
  XmlWriter writer((*root).name);
  write(*root, writer);
  const auto again = parse_xml(writer.finish());
  CHECK(again && is_same(*root, *again));
  return 0;
}

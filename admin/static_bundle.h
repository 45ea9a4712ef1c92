// The console's files, as they were built into the program: found by path, served with validators,
// ranges and, where the name carries a hash of the content, caching for ever (RFC 9110, 9111).
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "core/api/http.h"

namespace keelson::admin {

struct StaticFile {
  Bytes content;
  std::string content_type;
  std::string etag;         // Strong, in its quotation marks.
  bool is_hashed = false;   // The name changes whenever the content does.
};

class StaticBundle {
 public:
  // The files by path ("index.html", "assets/app-Bx3kQ9zT.js"). REQUIRES: index.html is among them.
  explicit StaticBundle(std::map<std::string, Bytes> files);

  const StaticFile& index() const;
  // The file of that path, or nullptr.
  const StaticFile* find(std::string_view path) const;

 private:
  std::map<std::string, StaticFile, std::less<>> files_;
};

// The answer to a GET or HEAD of `file`: 200, 206, 304, 412 or 416. Of several ranges none is
// honoured: the whole is always a right answer to a Range.
api::HttpResponse serve_file(const StaticFile& file, const api::HttpRequest& request);

// The console's page: the same for every path, and never stored.
api::HttpResponse serve_index(const StaticFile& file);

}  // namespace keelson::admin

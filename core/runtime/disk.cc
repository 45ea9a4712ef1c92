// Tested by tests/conformance/disk_properties.cc.
#include "core/runtime/disk.h"

#include <algorithm>
#include <string_view>

namespace keelson {

namespace {

// As long as the usual file systems have them.
constexpr std::size_t kNameBytesMost = 255;

// The file by which a real process owns its data directory.
constexpr std::string_view kReservedName = "LOCK";

}  // namespace

Result<void> check_path(const std::string& path) {
  const auto refuse = [&](const char* why) {
    return Error{ErrorCode::invalid_argument, "path \"" + path + "\" " + why};
  };
  if (path.find('\0') != std::string::npos) return refuse("has a zero byte");
  for (std::size_t start = 0; start <= path.size();) {
    const std::size_t end = std::min(path.find('/', start), path.size());
    const auto name = std::string_view(path).substr(start, end - start);
    if (name.empty()) return refuse("has an empty name");
    if (name == "." || name == "..") return refuse("has \".\" or \"..\" in it");
    if (name.size() > kNameBytesMost) return refuse("has a name of more than 255 bytes");
    if (start == 0 && name == kReservedName) return refuse("is the lock of the data directory");
    start = end + 1;
  }
  return {};
}

}  // namespace keelson

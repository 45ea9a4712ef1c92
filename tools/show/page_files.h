// The sources of the page, as they were built into the program (tools/show/CMakeLists.txt).
#pragma once

#include <array>
#include <string_view>

namespace keelson::show {

extern const std::string_view kPageHtml;
extern const std::string_view kPageCss;
extern const std::array<std::string_view, 3> kPageScripts;  // In their order.

}  // namespace keelson::show

#include "core/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace keelson {

namespace {

// The one mutable global outside fiber.cc: CHECK takes no argument to carry it in, and it is set
// by the outermost harness before any node exists.
struct {
  CheckHandler handler = nullptr;
  void* context = nullptr;
} installed;

}  // namespace

void set_check_handler(CheckHandler handler, void* context) { installed = {handler, context}; }

void check_failed(const char* expression, const char* file, int line) {
  if (installed.handler != nullptr) {
    const CheckHandler handler = installed.handler;
    installed.handler = nullptr;  // A CHECK inside the handler must not come back here.
    handler(installed.context, expression, file, line);
  }
  std::fprintf(stderr, "%s:%d: CHECK failed: %s\n", file, line, expression);
  std::fflush(stderr);
  std::abort();
}

}  // namespace keelson

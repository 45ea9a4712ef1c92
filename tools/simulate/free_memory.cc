#include "tools/simulate/free_memory.h"

#include <cstddef>

// Of gperftools' malloc_extension_c.h; null in a program that is not linked with tcmalloc, as those
// with sanitizers are not.
extern "C" {
[[gnu::weak]] int MallocExtension_GetNumericProperty(const char* property, std::size_t* value);
[[gnu::weak]] void MallocExtension_ReleaseFreeMemory();
}

namespace keelson::simulate {

namespace {

constexpr std::size_t kKeptMost = 24 << 20;

}  // namespace

void give_back_free_memory() {
  if (MallocExtension_GetNumericProperty == nullptr) return;
  std::size_t free = 0;
  const bool is_known =
      MallocExtension_GetNumericProperty("tcmalloc.pageheap_free_bytes", &free) != 0;
  if (is_known && free > kKeptMost) MallocExtension_ReleaseFreeMemory();
}

}  // namespace keelson::simulate

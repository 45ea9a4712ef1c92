#include "tests/net/temporary_directory.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "core/base/check.h"

namespace keelson {

TemporaryDirectory::TemporaryDirectory() : path_(testing::TempDir() + "keelson-XXXXXX") {
  CHECK(mkdtemp(path_.data()) != nullptr);
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace keelson

// `keelson dev`: a whole cluster on loopback in one process, for trying out and for tests.
#pragma once

#include <string>

#include "core/base/result.h"

namespace keelson::server {

struct DevOptions {
  std::size_t nodes = 3;
  std::size_t groups = 1;
  std::string directory = "keelson-dev";
  bool json = false;
};

// Prints the addresses once every node serves, and runs until SIGTERM or SIGINT.
Result<void> dev(const DevOptions& options);

}  // namespace keelson::server

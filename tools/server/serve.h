// `keelson serve`: one production node.
#pragma once

#include "tools/server/serve_options.h"

namespace keelson::server {

// Runs until SIGTERM or SIGINT, then drains. A second signal ends the process at once.
Result<void> serve(const ServeOptions& options);

}  // namespace keelson::server

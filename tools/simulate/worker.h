// The worker side of WorkerPool: reads "SCENARIO SEED [REPRO_PATH]" lines and answers each with an
// outcome, until its input ends.
#pragma once

namespace keelson::simulate {

int run_worker();

}  // namespace keelson::simulate

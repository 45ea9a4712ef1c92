// What a run of keelson-bench says at its end.
#pragma once

#include <string>

#include "tools/load/load.h"

namespace keelson::load {

// A few lines for people.
std::string text_of(const Plan& plan, const Figures& figures);

// One object on one line: protocol, endpoints, clients, connections, rate, value_bytes, keys,
// read_percent, seconds, operations, operations_per_second, latency_us {p50, p90, p99, p99_9, max},
// mib_per_second (of values), put_latency_us and get_latency_us if there were any, statuses {"200":
// count}, unexpected, connections_lost.
std::string json_of(const Plan& plan, const Figures& figures);

}  // namespace keelson::load

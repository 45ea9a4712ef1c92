#include "core/base/result.h"

namespace keelson {

const char* name_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::timed_out: return "timed_out";
    case ErrorCode::unavailable: return "unavailable";
    case ErrorCode::connection_lost: return "connection_lost";
    case ErrorCode::not_leader: return "not_leader";
    case ErrorCode::conflict: return "conflict";
    case ErrorCode::invalid_argument: return "invalid_argument";
    case ErrorCode::not_found: return "not_found";
    case ErrorCode::io_error: return "io_error";
    case ErrorCode::no_space: return "no_space";
    case ErrorCode::unsupported: return "unsupported";
    case ErrorCode::corrupt: return "corrupt";
  }
  return "?";
}

}  // namespace keelson

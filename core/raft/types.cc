#include "core/raft/types.h"

#include "core/base/check.h"

namespace keelson::raft {

const char* name_of(Role role) {
  switch (role) {
    case Role::follower: return "follower";
    case Role::pre_candidate: return "pre-candidate";
    case Role::candidate: return "candidate";
    case Role::leader: return "leader";
  }
  CHECK(false && "not a role");
  return "";
}

}  // namespace keelson::raft

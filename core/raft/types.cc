#include "core/raft/types.h"

#include <algorithm>

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

std::size_t Configuration::voters_count() const {
  return static_cast<std::size_t>(
      std::count_if(members.begin(), members.end(),
                    [](const auto& member) { return member.second.is_voter; }));
}

std::string describe(const Configuration& configuration) {
  std::string text;
  for (const auto& [id, member] : configuration.members) {
    if (!text.empty()) text += ' ';
    text += member.is_voter ? to_string(id) : "[" + to_string(id) + "]";
  }
  return text.empty() ? "nobody" : text;
}

}  // namespace keelson::raft

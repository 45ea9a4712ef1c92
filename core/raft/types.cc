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

std::size_t bytes_of(const std::vector<Entry>& entries) {
  std::size_t bytes = 0;
  for (const Entry& entry : entries) bytes += entry.data.size();
  return bytes;
}

const Member* Configuration::find(NodeId id) const {
  if (const auto found = members.find(id); found != members.end()) return &found->second;
  const auto found = outgoing.find(id);
  return found == outgoing.end() ? nullptr : &found->second;
}

bool Configuration::is_voter(NodeId id) const {
  const auto found = members.find(id);
  return (found != members.end() && found->second.is_voter) || outgoing.contains(id);
}

std::vector<NodeId> Configuration::nodes() const {
  std::vector<NodeId> ids;
  for (const auto& [id, member] : members) ids.push_back(id);
  for (const auto& [id, member] : outgoing) {
    if (!members.contains(id)) ids.push_back(id);
  }
  return ids;
}

namespace {

std::string describe(const std::map<NodeId, Member>& members) {
  std::string text;
  for (const auto& [id, member] : members) {
    if (!text.empty()) text += ' ';
    text += member.is_voter ? to_string(id) : "[" + to_string(id) + "]";
  }
  return text.empty() ? "nobody" : text;
}

}  // namespace

std::string describe(const Configuration& configuration) {
  const std::string members = describe(configuration.members);
  return configuration.is_joint() ? describe(configuration.outgoing) + " -> " + members : members;
}

}  // namespace keelson::raft

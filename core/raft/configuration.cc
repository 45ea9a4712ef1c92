// Membership (§6; one voter at a time, dissertation §4.1): which configuration is in force.
// Tested by tests/core/raft/configuration_test.cc.
#include <algorithm>

#include "core/base/check.h"
#include "core/raft/raft.h"

namespace keelson::raft {

namespace {

// How many voters one has that the other has not. Another data directory is another voter.
std::size_t voters_apart(const Configuration& one, const Configuration& other) {
  return static_cast<std::size_t>(
      std::count_if(one.members.begin(), one.members.end(), [&](const auto& entry) {
        const auto& [id, member] = entry;
        const auto found = other.members.find(id);
        return member.is_voter && (found == other.members.end() || found->second != member);
      }));
}

}  // namespace

const Configuration& Raft::configuration() const {
  return configurations_.empty() ? base_configuration_ : configurations_.back().second;
}

LogIndex Raft::configuration_index() const {
  return configurations_.empty() ? LogIndex(0) : configurations_.back().first;
}

std::optional<LogIndex> Raft::propose_configuration(const Configuration& configuration,
                                                    Instant now) {
  const Configuration& present = this->configuration();
  CHECK(voters_apart(configuration, present) + voters_apart(present, configuration) <= 1);
  CHECK(configuration.is_voter(options_.id));  // Handing the lead over is another matter.
  if (role_ != Role::leader) return std::nullopt;
  // A leader of an earlier term may have begun another change from the same configuration; the two
  // need not share a voter. An entry of this term that is committed shuts that one out.
  if (!has_committed_in_term() || configuration_index() > commit_index_) return std::nullopt;
  append_own(EntryKind::configuration, encode(configuration));
  note_configuration(log_.at(log_.last_index()));
  follow_configuration();
  advance_commit_index(now);  // Of fewer voters, more may agree already.
  after_input();
  return log_.last_index();
}

void Raft::note_configuration(const Entry& entry) {
  if (entry.kind != EntryKind::configuration) return;
  const auto decoded = decode_configuration(entry.data);
  CHECK(decoded.has_value());  // Checked where it was received, and by its checksum on disk.
  CHECK(entry.index > configuration_index());
  configurations_.emplace_back(entry.index, *decoded);
}

// §6: a configuration that was never committed goes with its entry.
void Raft::forget_configurations_from(LogIndex first) {
  while (!configurations_.empty() && configurations_.back().first >= first) {
    SOMETIMES(marks_, "raft: configuration rolled back");
    configurations_.pop_back();
  }
}

// A leader sends to the members of the moment. One that comes back with another data directory has
// acknowledged nothing.
void Raft::follow_configuration() {
  CHECK(role_ == Role::leader);
  const Configuration& now = configuration();
  const Configuration& before = configurations_.size() > 1
                                    ? configurations_[configurations_.size() - 2].second
                                    : base_configuration_;
  for (const auto& [id, member] : before.members) {
    const auto found = now.members.find(id);
    if (found == now.members.end() || found->second.incarnation != member.incarnation) {
      progress_.erase(id);
    }
  }
  for (const auto& [id, member] : now.members) {
    if (id != options_.id && !progress_.contains(id)) add_progress(id);
  }
}

}  // namespace keelson::raft

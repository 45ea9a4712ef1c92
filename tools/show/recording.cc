#include "tools/show/recording.h"

#include "core/base/check.h"

namespace keelson::show {

std::uint32_t Texts::add(std::string_view text) {
  const auto known = numbers_.find(text);
  if (known != numbers_.end()) return known->second;
  const auto number = static_cast<std::uint32_t>(all_.size());
  all_.emplace_back(text);
  numbers_.emplace(text, number);
  return number;
}

std::string_view name_of(MessageKind kind) {
  switch (kind) {
    case MessageKind::heartbeat: return "heartbeat";
    case MessageKind::append: return "AppendEntries";
    case MessageKind::append_reply: return "AppendEntriesReply";
    case MessageKind::pre_vote: return "pre-vote";
    case MessageKind::pre_vote_reply: return "pre-vote reply";
    case MessageKind::vote: return "RequestVote";
    case MessageKind::vote_reply: return "RequestVoteReply";
    case MessageKind::snapshot: return "InstallSnapshot";
    case MessageKind::snapshot_reply: return "InstallSnapshotReply";
    case MessageKind::timeout_now: return "TimeoutNow";
    case MessageKind::call: return "call";
    case MessageKind::call_reply: return "call reply";
    case MessageKind::session: return "session";
    case MessageKind::http: return "HTTP";
    case MessageKind::bytes: return "bytes";
  }
  check_failed("known kind of message", __FILE__, __LINE__);
}

std::string_view name_of(State::Role role) {
  switch (role) {
    case State::Role::gone: return "gone";
    case State::Role::starting: return "starting";
    case State::Role::follower: return "follower";
    case State::Role::pre_candidate: return "pre-candidate";
    case State::Role::candidate: return "candidate";
    case State::Role::leader: return "leader";
  }
  check_failed("known role", __FILE__, __LINE__);
}

std::string_view name_of(EventKind kind) {
  switch (kind) {
    case EventKind::log: return "log";
    case EventKind::note: return "note";
    case EventKind::start: return "start";
    case EventKind::end: return "end";
    case EventKind::pause: return "pause";
    case EventKind::resume: return "resume";
    case EventKind::clock: return "clock";
    case EventKind::network_fault: return "network fault";
    case EventKind::connection_broken: return "connection broken";
    case EventKind::disk_fault: return "disk fault";
    case EventKind::sync: return "sync";
    case EventKind::failed_sync: return "failed sync";
  }
  check_failed("known kind of event", __FILE__, __LINE__);
}

}  // namespace keelson::show

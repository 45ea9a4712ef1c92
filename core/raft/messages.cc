// The codec and the one-line forms of Raft's messages. decode() is where a peer's bytes stop being
// an input: what it lets through, the algorithm may CHECK.
// Tested by tests/core/raft/messages_test.cc.
#include "core/raft/messages.h"

#include <fmt/format.h>

#include <limits>

#include "core/base/check.h"
#include "core/raft/raft.pb.h"

namespace keelson::raft {
namespace {

Error corrupt(const char* what) {
  return Error{ErrorCode::corrupt, std::string("raft message: ") + what};
}

// Index 0 is the place before the first entry: it, and nothing else, has term 0.
bool is_position(LogIndex index, Term term) { return (index.value == 0) == (term.value == 0); }

wire::EntryKind to_wire(EntryKind kind) {
  switch (kind) {
    case EntryKind::command: return wire::COMMAND;
    case EntryKind::no_op: return wire::NO_OP;
    case EntryKind::configuration: return wire::CONFIGURATION;
    case EntryKind::joint_configuration: return wire::JOINT_CONFIGURATION;
  }
  CHECK(false && "not a kind of entry");
  return wire::COMMAND;
}

using WireMembers = google::protobuf::RepeatedPtrField<wire::Configuration::Member>;

void encode_members(const std::map<NodeId, Member>& members, WireMembers& out) {
  for (const auto& [id, member] : members) {
    wire::Configuration::Member& wire_member = *out.Add();
    wire_member.set_node(id.value);
    wire_member.set_incarnation(member.incarnation.value);
    wire_member.set_address(member.address);
    wire_member.set_is_voter(member.is_voter);
    wire_member.set_regains_vote(member.regains_vote);
  }
}

void encode_configuration(const Configuration& configuration, wire::Configuration& out) {
  out.set_index(configuration.index.value);
  encode_members(configuration.members, *out.mutable_members());
  encode_members(configuration.outgoing, *out.mutable_outgoing());
}

Result<std::map<NodeId, Member>> to_members(const WireMembers& body) {
  std::map<NodeId, Member> members;
  NodeId last(0);
  for (const wire::Configuration::Member& member : body) {
    const NodeId id(member.node());
    if (id <= last) return corrupt("configuration's members");
    members.emplace(id, Member{.incarnation = Incarnation(member.incarnation()),
                               .address = member.address(),
                               .is_voter = member.is_voter(),
                               .regains_vote = member.regains_vote()});
    last = id;
  }
  return members;
}

Result<Configuration> to_configuration(const wire::Configuration& body) {
  Configuration configuration{.index = LogIndex(body.index()), .members = {}, .outgoing = {}};
  TRY(configuration.members, to_members(body.members()));
  TRY(configuration.outgoing, to_members(body.outgoing()));
  // A majority of nobody is none; and the word of one data directory does not count for another.
  if (configuration.is_joint() && configuration.voters_count() == 0) return corrupt("no voters");
  for (const auto& [id, voter] : configuration.outgoing) {
    const auto member = configuration.members.find(id);
    const bool stays = member != configuration.members.end();
    if (!voter.is_voter || (stays && member->second.incarnation != voter.incarnation)) {
      return corrupt("configuration's outgoing voters");
    }
  }
  return configuration;
}

void encode_snapshot_id(const SnapshotId& id, wire::SnapshotId& out) {
  out.set_number(id.number);
  out.set_index(id.index.value);
  out.set_term(id.term.value);
}

Result<SnapshotId> decode_snapshot_id(const wire::SnapshotId& body, Term term) {
  const SnapshotId id{
      .number = body.number(), .index = LogIndex(body.index()), .term = Term(body.term())};
  // Nobody has a snapshot of nothing.
  if (id.index.value == 0 || id.term.value == 0 || id.term > term) return corrupt("snapshot id");
  return id;
}

void encode_entries(const AppendEntries& message, wire::AppendEntries& out) {
  LogIndex index = message.prev_log_index;
  Term term = message.prev_log_term;
  for (const Entry& entry : message.entries) {
    CHECK(entry.index == index.next());
    CHECK(entry.term >= term && entry.term <= message.term);
    index = entry.index;
    term = entry.term;
    wire::Entry& wire_entry = *out.add_entries();
    wire_entry.set_term(entry.term.value);
    wire_entry.set_kind(to_wire(entry.kind));
    wire_entry.set_data(entry.data);
  }
}

struct Encoder {
  wire::RaftMessage& out;

  void operator()(const RequestVote& message) const {
    wire::RequestVote& body = *out.mutable_request_vote();
    body.set_term(message.term.value);
    body.set_last_log_index(message.last_log_index.value);
    body.set_last_log_term(message.last_log_term.value);
    body.set_pre_vote(message.pre_vote);
    body.set_leadership_transfer(message.leadership_transfer);
  }
  void operator()(const RequestVoteReply& message) const {
    wire::RequestVoteReply& body = *out.mutable_request_vote_reply();
    body.set_term(message.term.value);
    body.set_vote_granted(message.vote_granted);
    body.set_pre_vote(message.pre_vote);
    body.set_removed_by(message.removed_by.value);
  }
  void operator()(const AppendEntries& message) const {
    wire::AppendEntries& body = *out.mutable_append_entries();
    body.set_term(message.term.value);
    body.set_prev_log_index(message.prev_log_index.value);
    body.set_prev_log_term(message.prev_log_term.value);
    body.set_leader_commit(message.leader_commit.value);
    body.set_round(message.round.value);
    encode_entries(message, body);
  }
  void operator()(const AppendEntriesReply& message) const {
    wire::AppendEntriesReply& body = *out.mutable_append_entries_reply();
    body.set_term(message.term.value);
    body.set_success(message.success);
    body.set_match_index(message.match_index.value);
    body.set_match_term(message.match_term.value);
    body.set_round(message.round.value);
    body.set_needs_snapshot(message.needs_snapshot);
    body.set_unknown_kind(message.unknown_kind);
  }
  void operator()(const InstallSnapshot& message) const {
    wire::InstallSnapshot& body = *out.mutable_install_snapshot();
    body.set_term(message.term.value);
    encode_snapshot_id(message.id, *body.mutable_id());
    encode_configuration(message.configuration, *body.mutable_configuration());
    body.set_chunk(message.chunk.number);
    body.set_is_last(message.chunk.is_last);
    body.set_data(message.chunk.data);
    body.set_round(message.round.value);
  }
  void operator()(const InstallSnapshotReply& message) const {
    wire::InstallSnapshotReply& body = *out.mutable_install_snapshot_reply();
    body.set_term(message.term.value);
    encode_snapshot_id(message.id, *body.mutable_id());
    body.set_next_chunk(message.next_chunk);
    body.set_installed(message.installed);
    body.set_round(message.round.value);
  }
  void operator()(const TimeoutNow& message) const {
    out.mutable_timeout_now()->set_term(message.term.value);
  }
};

Result<Message> decode_request_vote(const wire::RequestVote& body) {
  const RequestVote message{.term = Term(body.term()),
                            .last_log_index = LogIndex(body.last_log_index()),
                            .last_log_term = Term(body.last_log_term()),
                            .pre_vote = body.pre_vote(),
                            .leadership_transfer = body.leadership_transfer()};
  if (!is_position(message.last_log_index, message.last_log_term)) return corrupt("last log");
  // A candidate stands in a term that is new to it.
  if (message.last_log_term >= message.term) return corrupt("candidate's term");
  return Message(message);
}

// Errors: unsupported, corrupt.
Result<EntryKind> decode_kind(const wire::Entry& entry, LogIndex index) {
  switch (entry.kind()) {
    case wire::COMMAND: return EntryKind::command;
    case wire::NO_OP:
      if (!entry.data().empty()) return corrupt("no_op with data");
      return EntryKind::no_op;
    case wire::CONFIGURATION:
    case wire::JOINT_CONFIGURATION: {
      TRY(const Configuration configuration, keelson::raft::decode_configuration(entry.data()));
      const bool is_joint = entry.kind() == wire::JOINT_CONFIGURATION;
      const bool knows_its_index = configuration.index.value != 0;  // Since version 3.
      if (configuration.is_joint() != is_joint) return corrupt("configuration's kind");
      if (knows_its_index && configuration.index != index) return corrupt("configuration's index");
      return is_joint ? EntryKind::joint_configuration : EntryKind::configuration;
    }
    default: return Error{ErrorCode::unsupported, "raft message: an entry of an unknown kind"};
  }
}

Result<Message> decode_append_entries(wire::AppendEntries& body) {
  AppendEntries message{.term = Term(body.term()),
                        .prev_log_index = LogIndex(body.prev_log_index()),
                        .prev_log_term = Term(body.prev_log_term()),
                        .entries = {},
                        .leader_commit = LogIndex(body.leader_commit()),
                        .round = Round(body.round())};
  const auto count = static_cast<std::uint64_t>(body.entries_size());
  if (message.term.value == 0 || message.prev_log_term > message.term) return corrupt("term");
  if (!is_position(message.prev_log_index, message.prev_log_term)) return corrupt("previous entry");
  if (message.prev_log_index.value >= std::numeric_limits<std::uint64_t>::max() - count) {
    return corrupt("index");
  }
  message.entries.reserve(count);
  LogIndex index = message.prev_log_index;
  Term term = message.prev_log_term;
  for (wire::Entry& entry : *body.mutable_entries()) {
    index = index.next();
    const Term previous = term;
    term = Term(entry.term());
    const bool term_may_be = term.value > 0 && term >= previous && term <= message.term;
    if (!term_may_be) return corrupt("entry's term");
    const auto kind = decode_kind(entry, index);
    if (!kind && kind.error().code == ErrorCode::unsupported) {
      message.cut_at_unknown_kind = true;
      break;
    }
    if (!kind) return kind.error();
    message.entries.push_back({.term = term,
                               .index = index,
                               .kind = *kind,
                               .data = std::move(*entry.mutable_data())});
  }
  return Message(std::move(message));
}

Result<Message> decode_install_snapshot(wire::InstallSnapshot& body) {
  InstallSnapshot message{.term = Term(body.term()),
                          .id = {},
                          .configuration = {},
                          .chunk = {.number = body.chunk(),
                                    .is_last = body.is_last(),
                                    .data = std::move(*body.mutable_data())},
                          .round = Round(body.round())};
  TRY(message.id, decode_snapshot_id(body.id(), message.term));
  TRY(message.configuration, to_configuration(body.configuration()));
  return Message(std::move(message));
}

Result<Message> decode_install_snapshot_reply(const wire::InstallSnapshotReply& body) {
  InstallSnapshotReply message{.term = Term(body.term()),
                               .id = {},
                               .next_chunk = body.next_chunk(),
                               .installed = body.installed(),
                               .round = Round(body.round())};
  TRY(message.id, decode_snapshot_id(body.id(), message.term));
  return Message(message);
}

std::string position(LogIndex index, Term term) {
  return fmt::format("{}/{}", index.value, term.value);
}

struct Describer {
  std::string operator()(const RequestVote& message) const {
    return fmt::format("{} t{} last {}{}", message.pre_vote ? "PreVote" : "RequestVote",
                       message.term.value,
                       position(message.last_log_index, message.last_log_term),
                       message.leadership_transfer ? " transfer" : "");
  }
  std::string operator()(const RequestVoteReply& message) const {
    return fmt::format("{} t{} {}{}", message.pre_vote ? "PreVoteReply" : "RequestVoteReply",
                       message.term.value, message.vote_granted ? "granted" : "refused",
                       message.removed_by.value > 0 ? ", not a member" : "");
  }
  std::string operator()(const AppendEntries& message) const {
    return fmt::format("AppendEntries t{} prev {} +{} commit {} round {}", message.term.value,
                       position(message.prev_log_index, message.prev_log_term),
                       message.entries.size(), message.leader_commit.value, message.round.value);
  }
  std::string operator()(const AppendEntriesReply& message) const {
    if (message.success) {
      return fmt::format("AppendEntriesReply t{} match {} round {}{}", message.term.value,
                         message.match_index.value, message.round.value,
                         message.unknown_kind ? ", cannot read what follows" : "");
    }
    return fmt::format("AppendEntriesReply t{} refused, try {} round {}", message.term.value,
                       position(message.match_index, message.match_term), message.round.value);
  }
  std::string operator()(const InstallSnapshot& message) const {
    return fmt::format("InstallSnapshot t{} {} chunk {}{} of {} bytes round {}", message.term.value,
                       position(message.id.index, message.id.term), message.chunk.number,
                       message.chunk.is_last ? " (last)" : "", message.chunk.data.size(),
                       message.round.value);
  }
  std::string operator()(const InstallSnapshotReply& message) const {
    return fmt::format("InstallSnapshotReply t{} {} {} {} round {}", message.term.value,
                       position(message.id.index, message.id.term),
                       message.installed ? "installed, next" : "next", message.next_chunk,
                       message.round.value);
  }
  std::string operator()(const TimeoutNow& message) const {
    return fmt::format("TimeoutNow t{}", message.term.value);
  }
};

}  // namespace

Term term_of(const Message& message) {
  return std::visit([](const auto& body) { return body.term; }, message);
}

bool is_reply(const Message& message) {
  return std::holds_alternative<RequestVoteReply>(message) ||
         std::holds_alternative<AppendEntriesReply>(message) ||
         std::holds_alternative<InstallSnapshotReply>(message);
}

std::string describe(const Message& message) { return std::visit(Describer{}, message); }

void encode(const Message& message, Bytes& out) {
  wire::RaftMessage wire_message;
  std::visit(Encoder{wire_message}, message);
  const bool encoded = wire_message.AppendToString(&out);
  CHECK(encoded);  // Fails only on a missing required field or past 2 GB.
}

Result<Message> decode(BytesView bytes) {
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    return corrupt("too long");
  }
  wire::RaftMessage wire_message;
  if (!wire_message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return corrupt("not a message");
  }
  switch (wire_message.kind_case()) {
    case wire::RaftMessage::kRequestVote: return decode_request_vote(wire_message.request_vote());
    case wire::RaftMessage::kRequestVoteReply: {
      const wire::RequestVoteReply& body = wire_message.request_vote_reply();
      return Message(RequestVoteReply{.term = Term(body.term()),
                                      .vote_granted = body.vote_granted(),
                                      .pre_vote = body.pre_vote(),
                                      .removed_by = LogIndex(body.removed_by())});
    }
    case wire::RaftMessage::kAppendEntries:
      return decode_append_entries(*wire_message.mutable_append_entries());
    case wire::RaftMessage::kAppendEntriesReply: {
      const wire::AppendEntriesReply& body = wire_message.append_entries_reply();
      return Message(AppendEntriesReply{.term = Term(body.term()),
                                        .success = body.success(),
                                        .match_index = LogIndex(body.match_index()),
                                        .match_term = Term(body.match_term()),
                                        .round = Round(body.round()),
                                        .needs_snapshot = body.needs_snapshot(),
                                        .unknown_kind = body.unknown_kind()});
    }
    case wire::RaftMessage::kInstallSnapshot:
      return decode_install_snapshot(*wire_message.mutable_install_snapshot());
    case wire::RaftMessage::kInstallSnapshotReply:
      return decode_install_snapshot_reply(wire_message.install_snapshot_reply());
    case wire::RaftMessage::kTimeoutNow:
      return Message(TimeoutNow{Term(wire_message.timeout_now().term())});
    case wire::RaftMessage::KIND_NOT_SET: break;
  }
  if (bytes.empty()) return corrupt("nothing");
  return Error{ErrorCode::unsupported, "raft message: of an unknown kind"};
}

Bytes encode(const Configuration& configuration) {
  wire::Configuration body;
  encode_configuration(configuration, body);
  Bytes bytes;
  const bool encoded = body.SerializeToString(&bytes);
  CHECK(encoded);
  return bytes;
}

Result<Configuration> decode_configuration(BytesView bytes) {
  wire::Configuration body;
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      !body.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return corrupt("not a configuration");
  }
  return to_configuration(body);
}

}  // namespace keelson::raft

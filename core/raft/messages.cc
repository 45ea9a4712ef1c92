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
    wire_entry.set_kind(entry.kind == EntryKind::no_op ? wire::NO_OP : wire::COMMAND);
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
  }
  void operator()(const RequestVoteReply& message) const {
    wire::RequestVoteReply& body = *out.mutable_request_vote_reply();
    body.set_term(message.term.value);
    body.set_vote_granted(message.vote_granted);
    body.set_pre_vote(message.pre_vote);
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
  }
};

Result<Message> decode_request_vote(const wire::RequestVote& body) {
  const RequestVote message{.term = Term(body.term()),
                            .last_log_index = LogIndex(body.last_log_index()),
                            .last_log_term = Term(body.last_log_term()),
                            .pre_vote = body.pre_vote()};
  if (!is_position(message.last_log_index, message.last_log_term)) return corrupt("last log");
  // A candidate stands in a term that is new to it.
  if (message.last_log_term >= message.term) return corrupt("candidate's term");
  return Message(message);
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
    const bool no_op = entry.kind() == wire::NO_OP;
    if (!no_op && entry.kind() != wire::COMMAND) return corrupt("entry's kind");
    if (no_op && !entry.data().empty()) return corrupt("no_op with data");
    message.entries.push_back({.term = term,
                               .index = index,
                               .kind = no_op ? EntryKind::no_op : EntryKind::command,
                               .data = std::move(*entry.mutable_data())});
  }
  return Message(std::move(message));
}

std::string position(LogIndex index, Term term) {
  return fmt::format("{}/{}", index.value, term.value);
}

struct Describer {
  std::string operator()(const RequestVote& message) const {
    return fmt::format("{} t{} last {}", message.pre_vote ? "PreVote" : "RequestVote",
                       message.term.value,
                       position(message.last_log_index, message.last_log_term));
  }
  std::string operator()(const RequestVoteReply& message) const {
    return fmt::format("{} t{} {}", message.pre_vote ? "PreVoteReply" : "RequestVoteReply",
                       message.term.value, message.vote_granted ? "granted" : "refused");
  }
  std::string operator()(const AppendEntries& message) const {
    return fmt::format("AppendEntries t{} prev {} +{} commit {} round {}", message.term.value,
                       position(message.prev_log_index, message.prev_log_term),
                       message.entries.size(), message.leader_commit.value, message.round.value);
  }
  std::string operator()(const AppendEntriesReply& message) const {
    if (message.success) {
      return fmt::format("AppendEntriesReply t{} match {} round {}", message.term.value,
                         message.match_index.value, message.round.value);
    }
    return fmt::format("AppendEntriesReply t{} refused, try {} round {}", message.term.value,
                       position(message.match_index, message.match_term), message.round.value);
  }
};

}  // namespace

Term term_of(const Message& message) {
  return std::visit([](const auto& body) { return body.term; }, message);
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
                                      .pre_vote = body.pre_vote()});
    }
    case wire::RaftMessage::kAppendEntries:
      return decode_append_entries(*wire_message.mutable_append_entries());
    case wire::RaftMessage::kAppendEntriesReply: {
      const wire::AppendEntriesReply& body = wire_message.append_entries_reply();
      return Message(AppendEntriesReply{.term = Term(body.term()),
                                        .success = body.success(),
                                        .match_index = LogIndex(body.match_index()),
                                        .match_term = Term(body.match_term()),
                                        .round = Round(body.round())});
    }
    case wire::RaftMessage::KIND_NOT_SET: break;
  }
  return corrupt("of no known kind");
}

}  // namespace keelson::raft

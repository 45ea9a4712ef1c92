// Tested by tests/core/raft/frame_test.cc.
#include "core/raft/heartbeats.h"

#include "core/base/check.h"

namespace keelson::raft {

namespace {

constexpr std::uint8_t kAppendTag = 0;
constexpr std::uint8_t kReplyTag = 1;
constexpr std::uint8_t kSuccess = 1;
constexpr std::uint8_t kNeedsSnapshot = 2;
constexpr std::uint8_t kTagMax = kReplyTag + kSuccess + kNeedsSnapshot;

Error corrupt(const char* what) {
  return {ErrorCode::corrupt, std::string("heartbeats: ") + what};
}

void append_varint(Bytes& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

class Reader {
 public:
  explicit Reader(BytesView bytes) : rest_(bytes) {}

  bool at_end() const { return rest_.empty(); }
  bool failed() const { return failed_; }

  std::uint8_t octet() {
    if (rest_.empty()) return fail();
    const auto value = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const std::uint8_t next = octet();
      if (failed_ || (shift == 63 && next > 1)) return fail();
      value |= static_cast<std::uint64_t>(next & 0x7f) << shift;
      if (next < 0x80) return value;
    }
    return fail();
  }

 private:
  std::uint8_t fail() {
    failed_ = true;
    rest_ = {};
    return 0;
  }

  BytesView rest_;
  bool failed_ = false;
};

Result<GroupMessage> read_beat(Reader& reader) {
  const GroupId group(reader.varint());
  const std::uint8_t tag = reader.octet();
  const Term term(reader.varint());
  const LogIndex index(reader.varint());
  const Term index_term(reader.varint());
  const Round round(reader.varint());
  if (tag != kAppendTag) {
    if (reader.failed() || tag > kTagMax) return corrupt("answer");
    const auto flags = static_cast<std::uint8_t>(tag - kReplyTag);
    return GroupMessage{group, AppendEntriesReply{.term = term,
                                                  .success = (flags & kSuccess) != 0,
                                                  .match_index = index,
                                                  .match_term = index_term,
                                                  .round = round,
                                                  .needs_snapshot = (flags & kNeedsSnapshot) != 0}};
  }
  const LogIndex commit(reader.varint());
  // Index 0 is the place before the first entry: it, and nothing else, has term 0.
  const bool is_position = (index.value == 0) == (index_term.value == 0);
  if (reader.failed() || term.value == 0 || index_term > term || !is_position) {
    return corrupt("heartbeat");
  }
  return GroupMessage{group, AppendEntries{.term = term,
                                           .prev_log_index = index,
                                           .prev_log_term = index_term,
                                           .entries = {},
                                           .leader_commit = commit,
                                           .round = round}};
}

}  // namespace

bool is_heartbeat(const Message& message) {
  if (const auto* append = std::get_if<AppendEntries>(&message)) return append->entries.empty();
  const auto* reply = std::get_if<AppendEntriesReply>(&message);
  return reply != nullptr && !reply->unknown_kind;
}

void append_beat(Bytes& out, GroupId group, const Message& message) {
  append_varint(out, group.value);
  const auto put = [&out](std::uint8_t tag, Term term, LogIndex index, Term index_term,
                          Round round) {
    out.push_back(static_cast<char>(tag));
    append_varint(out, term.value);
    append_varint(out, index.value);
    append_varint(out, index_term.value);
    append_varint(out, round.value);
  };
  if (const auto* append = std::get_if<AppendEntries>(&message)) {
    CHECK(append->entries.empty());
    put(kAppendTag, append->term, append->prev_log_index, append->prev_log_term, append->round);
    append_varint(out, append->leader_commit.value);
    return;
  }
  const auto* reply = std::get_if<AppendEntriesReply>(&message);
  CHECK(reply != nullptr);
  const unsigned flags = (reply->success ? kSuccess : 0U) |
                         (reply->needs_snapshot ? kNeedsSnapshot : 0U);
  put(static_cast<std::uint8_t>(kReplyTag + flags), reply->term, reply->match_index,
      reply->match_term, reply->round);
}

Result<std::vector<GroupMessage>> parse_beats(BytesView body) {
  std::vector<GroupMessage> beats;
  Reader reader(body);
  while (!reader.at_end()) {
    TRY(GroupMessage beat, read_beat(reader));
    beats.push_back(std::move(beat));
  }
  return beats;
}

}  // namespace keelson::raft

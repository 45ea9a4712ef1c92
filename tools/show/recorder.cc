// Tested by tests/tools/show/recorder_test.cc.
#include "tools/show/recorder.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/base/check.h"
#include "core/raft/transport.h"
#include "sim/machine.h"

namespace keelson::show {

namespace {

// Of operations.
constexpr std::string_view kPending = "pending";
constexpr std::string_view kProcessEnded = "its process ended";

// The number at the beginning of "#417 ok: 200"; `rest` is what follows it, without the space.
std::uint64_t take_number(std::string_view text, std::string_view& rest) {
  CHECK(text.starts_with('#'));
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + 1, end, number);
  CHECK(parsed.ec == std::errc());
  rest = std::string_view(parsed.ptr, static_cast<std::size_t>(end - parsed.ptr));
  if (rest.starts_with(' ')) rest.remove_prefix(1);
  return number;
}

// The first line of an HTTP message, or nothing if it does not begin like one.
std::string_view http_line(BytesView bytes) {
  const std::string_view text(bytes.data(), bytes.size());
  constexpr std::string_view kBeginnings[] = {"HTTP/1.", "GET ",    "HEAD ",
                                              "PUT ",    "POST ",   "DELETE "};
  const bool is_http = std::any_of(std::begin(kBeginnings), std::end(kBeginnings),
                                   [&](std::string_view one) { return text.starts_with(one); });
  return is_http ? text.substr(0, text.find('\r')) : std::string_view();
}

struct Named {
  MessageKind operator()(const raft::RequestVote& m) const {
    return m.pre_vote ? MessageKind::pre_vote : MessageKind::vote;
  }
  MessageKind operator()(const raft::RequestVoteReply& m) const {
    return m.pre_vote ? MessageKind::pre_vote_reply : MessageKind::vote_reply;
  }
  MessageKind operator()(const raft::AppendEntries& m) const {
    return m.entries.empty() ? MessageKind::heartbeat : MessageKind::append;
  }
  MessageKind operator()(const raft::AppendEntriesReply&) const {
    return MessageKind::append_reply;
  }
  MessageKind operator()(const raft::InstallSnapshot&) const { return MessageKind::snapshot; }
  MessageKind operator()(const raft::InstallSnapshotReply&) const {
    return MessageKind::snapshot_reply;
  }
  MessageKind operator()(const raft::TimeoutNow&) const { return MessageKind::timeout_now; }
};

State::Role role_of(raft::Role role) {
  switch (role) {
    case raft::Role::follower: return State::Role::follower;
    case raft::Role::pre_candidate: return State::Role::pre_candidate;
    case raft::Role::candidate: return State::Role::candidate;
    case raft::Role::leader: return State::Role::leader;
  }
  check_failed("known role", __FILE__, __LINE__);
}

std::int32_t number_of(GroupId group) { return static_cast<std::int32_t>(group.value); }

}  // namespace

Recorder::Recorder() {
  recording_.texts.add("");  // Number 0, for what has none.
}

void Recorder::attach(scenarios::RunOptions& options) {
  options.watcher = this;
  options.detail = sim::Trace::Detail::all;
  options.listener = [this](const sim::TraceEvent& event) { on_event(event); };
}

Recording Recorder::take() {
  for (std::size_t i = 0; i < nodes_; ++i) recording_.machines.at(i + 1).is_node = true;
  leave_out_the_end();
  return std::move(recording_);
}

// The processes that ran to the end were killed with the run, which is no part of its story.
void Recorder::leave_out_the_end() {
  const std::uint32_t killed = recording_.texts.add("killed");
  const auto is_of_the_end = [&](const Event& event) {
    const bool is_verdict = event.kind == EventKind::note;
    const bool is_kill = event.kind == EventKind::end && event.text == killed;
    return event.at == recording_.end && (is_verdict || is_kill);
  };
  std::vector<Event>& events = recording_.events;
  while (!events.empty() && is_of_the_end(events.back())) events.pop_back();
  std::vector<State>& states = recording_.states;
  while (!states.empty() && states.back().at == recording_.end &&
         states.back().role == State::Role::gone) {
    states.pop_back();
  }
  for (Message& message : recording_.messages) {
    if (message.lost == recording_.end) message.lost = kNever;
  }
  const std::uint32_t ended = recording_.texts.add(kProcessEnded);
  const std::uint32_t pending = recording_.texts.add(kPending);
  for (Operation& operation : recording_.operations) {
    if (operation.returned != recording_.end || operation.answer != ended) continue;
    operation.returned = kNever;
    operation.outcome = pending;
    operation.answer = 0;
  }
}

// --- the trace ---

void Recorder::on_event(const sim::TraceEvent& event) {
  recording_.end = event.at.ns;
  if (recording_.machines.size() <= event.machine) recording_.machines.resize(event.machine + 1);
  recording_.machines[event.machine].name = event.machine_name;
  look_at_links();
  switch (event.kind) {
    case sim::Kind::log: add_event(event, EventKind::log); break;
    case sim::Kind::note: add_event(event, EventKind::note); break;
    case sim::Kind::start:
    case sim::Kind::end:
    case sim::Kind::pause:
    case sim::Kind::resume: return on_machine(event);
    case sim::Kind::clock: return add_event(event, EventKind::clock);
    case sim::Kind::net_fault:
      links_may_differ_ = true;
      links_differ_since_ = event.at.ns;
      return add_event(event, EventKind::network_fault);
    case sim::Kind::net_reset: return on_broken(event);
    case sim::Kind::disk_fault: return add_event(event, EventKind::disk_fault);
    case sim::Kind::disk_sync:
      add_event(event, event.detail.starts_with("not ") ? EventKind::failed_sync
                                                        : EventKind::sync);
      break;
    case sim::Kind::invoke: on_invoke(event); break;
    case sim::Kind::respond: on_respond(event); break;
    // A node may be in the middle of its end; what it sends is looked at when it was written.
    case sim::Kind::net_send:
    case sim::Kind::net_connect:
    case sim::Kind::net_deliver:
    case sim::Kind::net_close:
    case sim::Kind::disk_write:
    case sim::Kind::step: return;
  }
  look_at_nodes();
}

void Recorder::add_event(const sim::TraceEvent& event, EventKind kind) {
  const bool speaks = kind == EventKind::log;
  const std::string text = speaks ? fmt::format("{}: {}", event.component, event.detail)
                                  : std::string(event.detail);
  recording_.events.push_back({.at = event.at.ns,
                               .machine = event.machine,
                               .kind = kind,
                               .text = recording_.texts.add(text)});
}

void Recorder::on_machine(const sim::TraceEvent& event) {
  switch (event.kind) {
    case sim::Kind::start: add_event(event, EventKind::start); break;
    case sim::Kind::end: add_event(event, EventKind::end); break;
    case sim::Kind::pause: return add_event(event, EventKind::pause);
    default: return add_event(event, EventKind::resume);
  }
  const bool starts = event.kind == sim::Kind::start;
  running_[event.machine] = starts;
  for (const auto& [whose, state] : states_) {
    if (whose.first != event.machine) continue;
    note_state({.at = event.at.ns,
                .machine = whose.first,
                .group = whose.second,
                .role = starts ? State::Role::starting : State::Role::gone});
  }
  if (starts) return;
  for (auto& [whose, stream] : streams_) {
    if (stream.reader == event.machine) lose(stream);
  }
  forget_calls_of(event.machine);
}

// A client that has lived in the process will never know.
void Recorder::forget_calls_of(std::uint32_t machine) {
  std::erase_if(pending_, [&](const auto& entry) {
    Operation& operation = recording_.operations[entry.second];
    if (operation.client != machine) return false;
    operation.returned = now();
    operation.outcome = recording_.texts.add("unknown");
    operation.answer = recording_.texts.add(kProcessEnded);
    return true;
  });
}

void Recorder::on_invoke(const sim::TraceEvent& event) {
  const std::size_t split = event.detail.rfind(" at ");
  CHECK(split != std::string_view::npos);
  Operation operation{.client = event.machine, .called = event.at.ns};
  operation.what = recording_.texts.add(event.detail.substr(0, split));
  operation.outcome = recording_.texts.add(kPending);
  operation.answer = recording_.texts.add("");
  const sim::Machine* const node = world_->find_machine(event.detail.substr(split + 4));
  if (node != nullptr) operation.node = node->index();
  pending_[event.number] = recording_.operations.size();
  recording_.operations.push_back(operation);
}

void Recorder::on_respond(const sim::TraceEvent& event) {
  std::string_view rest;
  const auto pending = pending_.find(take_number(event.detail, rest));
  CHECK(pending != pending_.end());
  Operation& operation = recording_.operations[pending->second];
  pending_.erase(pending);
  const std::size_t colon = rest.find(": ");
  CHECK(colon != std::string_view::npos);
  operation.returned = event.at.ns;
  operation.outcome = recording_.texts.add(rest.substr(0, colon));
  operation.answer = recording_.texts.add(rest.substr(colon + 2));
}

// "#12 breaks at n3": what is under way to it, and what it has written, will not arrive.
void Recorder::on_broken(const sim::TraceEvent& event) {
  std::string_view rest;
  const std::uint64_t connection = take_number(event.detail, rest);
  auto stream = streams_.lower_bound({connection, 0});
  bool is_between_nodes = false;
  for (; stream != streams_.end() && stream->first.first == connection; ++stream) {
    is_between_nodes = is_node(stream->first.second) && is_node(stream->second.reader);
    lose(stream->second);
  }
  if (is_between_nodes) add_event(event, EventKind::connection_broken);
}

// --- the wire ---

bool Recorder::is_node(std::uint32_t machine) const {
  return cluster_ != nullptr && machine >= 1 && machine <= cluster_->size();
}

void Recorder::on_write(const sim::Machine& from, const sim::Machine& to,
                        std::uint64_t connection, BytesView bytes) {
  Stream& stream = streams_[{connection, from.index()}];
  stream.reader = to.index();
  stream.written += bytes.size();
  if (is_node(from.index()) && is_node(to.index())) {
    (void)stream.frames.take(bytes, [&](const raft::Frame& frame) {
      on_frame(stream, from.index(), to.index(), frame);
    });
    return look_at_nodes();
  }
  const std::string_view line = http_line(bytes);
  const bool is_http = !line.empty();
  add_message(stream,
              {.kind = is_http ? MessageKind::http : MessageKind::bytes,
               .from = from.index(),
               .to = to.index()},
              stream.written, is_http ? line : fmt::format("{} bytes", bytes.size()));
}

void Recorder::on_read(const sim::Machine& reader, const sim::Machine& writer,
                       std::uint64_t connection, BytesView bytes) {
  Stream& stream = streams_[{connection, writer.index()}];
  CHECK(stream.reader == reader.index());
  stream.read += bytes.size();
  while (!stream.under_way.empty() && stream.under_way.front().end <= stream.read) {
    Message& message = recording_.messages[stream.under_way.front().message];
    message.received = now();
    message.lost = kNever;  // What the network has held outlives its connection.
    stream.under_way.pop_front();
  }
}

void Recorder::on_frame(Stream& stream, std::uint32_t from, std::uint32_t to,
                        const raft::Frame& frame) {
  const auto add = [&](MessageKind kind, std::string_view text) {
    add_message(stream, {.kind = kind, .from = from, .to = to}, stream.frames.position(), text);
  };
  const std::string size = fmt::format("{} bytes", frame.body.size());
  switch (frame.kind) {
    case raft::FrameKind::raft:
      if (const auto parsed = raft::parse_raft_body(frame.body)) {
        add_raft(stream, from, to, *parsed);
      }
      return;
    case raft::FrameKind::heartbeats:
      if (const auto parsed = raft::parse_beats(frame.body)) {
        for (const raft::GroupMessage& beat : *parsed) add_raft(stream, from, to, beat);
      }
      return;
    case raft::FrameKind::request: return add(MessageKind::call, "call, " + size);
    case raft::FrameKind::reply: return add(MessageKind::call_reply, "call reply, " + size);
    case raft::FrameKind::hello: return add(MessageKind::session, "hello");
    case raft::FrameKind::proof: return add(MessageKind::session, "proof");
    case raft::FrameKind::ping: return add(MessageKind::session, "ping");
  }
}

void Recorder::add_raft(Stream& stream, std::uint32_t from, std::uint32_t to,
                        const raft::GroupMessage& heard) {
  recording_.groups = std::max(recording_.groups, number_of(heard.group) + 1);
  note_vote(from, to, heard);
  add_message(stream,
              {.kind = std::visit(Named(), heard.message),
               .from = from,
               .to = to,
               .group = number_of(heard.group),
               .term = raft::term_of(heard.message).value},
              stream.frames.position(),
              fmt::format("{} {}", to_string(heard.group), describe(heard.message)));
}

void Recorder::add_message(Stream& stream, Message message, std::uint64_t end,
                           std::string_view text) {
  message.sent = now();
  message.text = recording_.texts.add(text);
  stream.under_way.push_back({.end = end, .message = recording_.messages.size()});
  recording_.messages.push_back(message);
}

void Recorder::note_vote(std::uint32_t from, std::uint32_t to, const raft::GroupMessage& heard) {
  Vote& vote = votes_[{from, number_of(heard.group)}];
  const std::uint64_t term = raft::term_of(heard.message).value;
  if (const auto* reply = std::get_if<raft::RequestVoteReply>(&heard.message)) {
    if (reply->vote_granted && !reply->pre_vote) vote = {.term = term, .to = to};
  } else if (const auto* request = std::get_if<raft::RequestVote>(&heard.message)) {
    if (!request->pre_vote) vote = {.term = term, .to = from};
  }
}

void Recorder::lose(Stream& stream) {
  for (const Stream::UnderWay& each : stream.under_way) {
    Message& message = recording_.messages[each.message];
    if (message.lost == kNever) message.lost = now();
  }
}

// --- nodes and links ---

void Recorder::look_at_nodes() {
  if (cluster_ == nullptr) return;
  for (std::uint32_t machine = 1; machine <= cluster_->size(); ++machine) {
    Node* const node = cluster_->node(machine);
    if (node == nullptr || !running_[machine]) continue;
    for (const GroupId group : node->raft().groups()) look_at_group(machine, node->raft(), group);
  }
}

void Recorder::look_at_group(std::uint32_t machine, const raft::RaftNode& node, GroupId group) {
  const raft::Raft& core = node.core(group);
  const NodeInGroup whose{machine, number_of(group)};
  State state{.at = now(), .machine = machine, .group = number_of(group),
              .role = role_of(core.role()), .term = core.current_term().value};
  state.leader = core.leader() ? core.leader()->value : 0;
  const Vote& vote = votes_[whose];
  state.vote = vote.term == state.term ? vote.to : 0;
  state.commit = core.commit_index().value;
  state.applied = node.last_applied(group).value;
  state.last = core.last_log_index().value;

  // Put into words only when it has changed.
  const raft::Configuration& present = core.configuration();
  const std::pair version(present.index.value, present.index <= core.commit_index());
  const auto known = configurations_.find(whose);
  const auto before = states_.find(whose);
  const bool is_known = known != configurations_.end() && known->second == version &&
                        before != states_.end() && before->second.role > State::Role::starting;
  state.configuration =
      is_known ? before->second.configuration
               : recording_.texts.add(fmt::format("{} (of entry {}{})", describe(present),
                                                  version.first,
                                                  version.second ? "" : ", not committed"));
  configurations_[whose] = version;
  note_state(state);
}

void Recorder::note_state(const State& state) {
  State& latest = states_[{state.machine, state.group}];
  State now_as_before = state;
  now_as_before.at = latest.at;
  const bool is_first = latest.machine == 0;
  if (!is_first && now_as_before == latest) return;
  latest = state;
  recording_.groups = std::max(recording_.groups, state.group + 1);
  recording_.states.push_back(state);
}

// What a fault has done to the links shows when its verb has returned.
void Recorder::look_at_links() {
  if (!links_may_differ_) return;
  links_may_differ_ = false;
  for (const auto& from : world_->machines()) {
    for (const auto& to : world_->machines()) {
      if (from == to) continue;
      const bool is_cut = world_->network().is_cut(*from, *to);
      const std::int64_t clogged_by = world_->network().clogged_by(*from, *to).count();
      const bool is_troubled = is_cut || clogged_by > 0;
      const std::pair link(from->index(), to->index());
      const auto last = troubles_.find(link);
      if (last != troubles_.end()) {
        LinkTrouble& trouble = recording_.links[last->second];
        if (is_troubled && trouble.clogged_by == (is_cut ? 0 : clogged_by)) continue;
        trouble.end = links_differ_since_;
        troubles_.erase(last);
      }
      if (!is_troubled) continue;
      troubles_[link] = recording_.links.size();
      recording_.links.push_back({.from = link.first,
                                  .to = link.second,
                                  .begin = links_differ_since_,
                                  .clogged_by = is_cut ? 0 : clogged_by});
    }
  }
}

}  // namespace keelson::show

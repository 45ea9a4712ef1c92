// Three and five Raft cores on a network that loses, repeats, delays and reorders, on disks that
// are slow and forget what they had not synced. The properties of Figure 3 are checked as the run
// goes; then faults end, and the cluster must make progress.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "core/base/bytes.h"
#include "tests/core/raft/test_node.h"

namespace keelson::raft {
namespace {

using namespace std::chrono_literals;

struct Packet {
  NodeId from, to;
  Message message;
  Instant not_before;  // Some travel for longer than a lease, or an election.
};

struct PendingRead {
  Term term;                // Of the leader that took it.
  LogIndex committed_then;  // The newest index that any node knew to be committed.
  Term newest_leader_then;  // No later term had a leader.
};

class Storm {
 public:
  Storm(std::uint64_t seed, std::uint64_t voters) : random_(seed), timeouts_(seed ^ 0x7165) {
    options_.voters = voters_up_to(voters);
    options_.election_timeout = 100ms;
    options_.heartbeat_interval = 20ms;
    options_.lease = 90ms;
    options_.inflight_appends_max = 1 + random_.below(4);
    options_.append_bytes_max = 1 + random_.below(20);
    loss_percent_ = random_.below(20);
    repeat_percent_ = random_.below(20);
    crash_permille_ = random_.below(15);
    cut_permille_ = random_.below(20);
    delay_percent_ = random_.below(25);
    cut_spares_what_is_under_way_ = random_.chance(50);
    sync_percent_ = 10 + random_.below(90);
    calm_percent_ = 20 + random_.below(70);
    for (const NodeId id : options_.voters) restart(id);
  }

  void run(int steps) {
    for (int i = 0; i < steps; ++i) step();
    heal();
  }

  std::uint64_t digest() const { return digest_; }
  const Marks& marks() const { return marks_; }
  std::size_t elections() const { return leaders_.size(); }
  std::size_t commands() const { return committed_.size(); }
  std::size_t reads_answered() const { return reads_answered_; }
  std::size_t leases_seen() const { return leases_seen_; }

 private:
  // --- What may happen.

  void step() {
    const NodeId id = options_.voters[random_.below(options_.voters.size())];
    const bool up = nodes_.contains(id);
    if (random_.below(1000) < crash_permille_) {
      if (up) crash(id);
      if (!up || random_.chance(50)) restart(id);
    } else if (random_.below(1000) < cut_permille_) {
      cut();
    } else if (!up) {
      if (random_.chance(5)) restart(id);
    } else if (random_.chance(calm_percent_) && !network_.empty()) {
      deliver(random_.chance(60) ? 0 : random_.below(network_.size()));
    } else if (random_.chance(30)) {
      call(random_.chance(70) ? some_leader(id) : id);
    } else if (random_.chance(40)) {
      pass(Duration(1 + static_cast<std::int64_t>(random_.below(12'000'000))));
    } else if (!nodes_.at(id).writes.empty() && random_.chance(sync_percent_)) {
      sync(id);
    } else {
      tick(id);
    }
  }

  // The leader alone, some set of nodes, or nobody is cut off from the rest.
  void cut() {
    const std::uint64_t kind = random_.below(10);
    cut_off_ = 0;
    if (kind < 4) cut_off_ = 1u << some_leader(NodeId(0)).value;
    if (kind >= 4 && kind < 7) cut_off_ = random_.below(2u << options_.voters.size());
    // Its timers are late while it still hears and answers: check-quorum does not protect it.
    late_ = random_.chance(50) ? some_leader(NodeId(0)) : NodeId(0);
  }
  bool is_cut(NodeId from, NodeId to) const {
    return ((cut_off_ >> from.value) ^ (cut_off_ >> to.value)) & 1;
  }

  // One that thinks that it leads, rightly or not, or else this one.
  NodeId some_leader(NodeId otherwise) {
    std::vector<NodeId> leading;
    for (const auto& [id, node] : nodes_) {
      if (node.raft.role() == Role::leader) leading.push_back(id);
    }
    return leading.empty() ? otherwise : leading[random_.below(leading.size())];
  }

  void call(NodeId id) {
    TestNode& node = nodes_.at(id);
    if (random_.chance(50)) {
      node.raft.propose("p" + std::to_string(proposals_++), now_);
    } else if (const auto token = node.raft.read_index(now_)) {
      // Calls may share a token; the earliest demand is then implied by the latest.
      pending_reads_[{id, *token}] = {node.raft.current_term(), newest_commit_, newest_leader_};
    }
    // Not always taken at once: inputs gather, as they do in the loop.
    if (random_.chance(70)) take(id);
  }

  void deliver(std::size_t at) {
    const auto place = network_.begin() + static_cast<std::ptrdiff_t>(at);
    const Packet packet = *place;
    if (now_ < packet.not_before) {
      network_.erase(place);
      network_.push_back(packet);
      return;
    }
    if (!random_.chance(repeat_percent_)) network_.erase(place);
    if (!cut_spares_what_is_under_way_ && is_cut(packet.from, packet.to)) return;
    if (random_.chance(loss_percent_) || !nodes_.contains(packet.to)) return;
    nodes_.at(packet.to).raft.step(packet.from, packet.message, now_);
    if (random_.chance(80)) take(packet.to);
  }

  void sync(NodeId id) {
    TestNode& node = nodes_.at(id);
    send(id, node.complete_write(now_));
    take(id);
  }

  void tick(NodeId id) {
    if (id == late_) return;
    nodes_.at(id).raft.tick(now_);
    take(id);
  }

  void pass(Duration span) {
    now_ = now_ + span;
    check_leases();
  }

  void crash(NodeId id) {
    TestNode& node = nodes_.at(id);
    // Power fails between two writes, or in the middle of none.
    for (std::size_t kept = random_.below(node.writes.size() + 1); kept > 0; --kept) {
      node.complete_write(now_);
    }
    disks_[id] = node.disk;
    nodes_.erase(id);
    std::erase_if(pending_reads_, [id](const auto& read) { return read.first.first == id; });
  }

  void restart(NodeId id) {
    options_.id = id;
    nodes_.try_emplace(id, options_, disks_[id], timeouts_, marks_, now_);
    applied_[id] = 0;
  }

  // --- Carrying out what a core asks for, and looking at it.

  void take(NodeId id) {
    TestNode& node = nodes_.at(id);
    while (node.raft.has_ready()) {
      std::vector<Outgoing> messages = node.take();
      check_appended(node);
      check_applied(id, node);
      check_reads(id, node);
      check_leader(id, node);
      send(id, std::move(messages));
    }
    newest_commit_ = std::max(newest_commit_, node.raft.commit_index());
  }

  void send(NodeId from, std::vector<Outgoing> messages) {
    for (Outgoing& outgoing : messages) {
      Bytes bytes;
      encode(outgoing.message, bytes);
      digest_ = hash64(bytes, digest_ + from.value * 31 + outgoing.to.value);
      if (is_cut(from, outgoing.to)) continue;
      Instant not_before;
      if (random_.chance(delay_percent_)) {
        not_before = now_ + Duration(static_cast<std::int64_t>(random_.below(300'000'000)));
      }
      network_.push_back({from, outgoing.to, *decode(bytes), not_before});
    }
    if (network_.size() > 400) network_.erase(network_.begin(), network_.begin() + 100);
  }

  // --- Figure 3.

  // Log Matching: "if two logs contain an entry with the same index and term, then the logs are
  // identical in all entries up through the given index". By induction: that entry always has the
  // same content and the same predecessor.
  void check_appended(const TestNode& node) {
    for (const Entry& entry : node.written_entries) {
      const std::size_t place = entry.index.value - 1;
      const Term previous = place == 0 ? Term(0) : node.memory_log[place - 1].term;
      const auto [known, is_new] =
          entries_.try_emplace({entry.index, entry.term}, std::pair(entry, previous));
      CHECK(is_new || (known->second.first == entry && known->second.second == previous));
    }
  }

  // State Machine Safety: "if a server has applied a log entry at a given index to its state
  // machine, no other server will ever apply a different log entry for the same index".
  void check_applied(NodeId id, const TestNode& node) {
    for (std::size_t& next = applied_[id]; next < node.applied.size(); ++next) {
      const Entry& entry = node.applied[next];
      CHECK(entry.index.value == next + 1);
      if (next < committed_.size()) {
        CHECK(committed_[next] == entry);
      } else {
        committed_.push_back(entry);
        CHECK(durable_copies(entry) >= options_.voters.size() / 2 + 1);
      }
    }
  }

  std::size_t durable_copies(const Entry& entry) const {
    std::size_t copies = 0;
    for (const NodeId id : options_.voters) {
      const auto up = nodes_.find(id);
      const TestDisk& disk = up == nodes_.end() ? disks_.at(id) : up->second.disk;
      const std::size_t place = entry.index.value - 1;
      if (place < disk.log.size() && disk.log[place] == entry) ++copies;
    }
    return copies;
  }

  void check_leader(NodeId id, const TestNode& node) {
    if (node.raft.role() != Role::leader) return;
    const Term term = node.raft.current_term();
    const auto [known, is_new] = leaders_.try_emplace(term, id);
    // Election Safety: "at most one leader can be elected in a given term".
    CHECK(known->second == id);
    if (!is_new) return;
    // Leader Completeness: "if a log entry is committed in a given term, then that entry will be
    // present in the logs of the leaders for all higher-numbered terms".
    if (term > newest_leader_) {
      CHECK(node.memory_log.size() >= committed_.size());
      CHECK(std::equal(committed_.begin(), committed_.end(), node.memory_log.begin()));
    }
    newest_leader_ = std::max(newest_leader_, term);
    check_leases();
  }

  // The probe's claim: when the read was asked for, no later term had a leader. And
  // linearizability: what was known to be committed then is covered.
  void check_reads(NodeId id, TestNode& node) {
    for (const ReadResult& read : node.reads) {
      const auto pending = pending_reads_.find({id, read.token});
      CHECK(pending != pending_reads_.end());  // Answered once, and only if asked.
      if (read.read_index) {
        CHECK(pending->second.newest_leader_then <= pending->second.term);
        CHECK(*read.read_index >= pending->second.committed_then);
        ++reads_answered_;
      }
      pending_reads_.erase(pending);
    }
    node.reads.clear();
  }

  // A lease says that no later term has a leader, and that all that is committed is known.
  void check_leases() {
    for (const auto& [id, node] : nodes_) {
      const auto index = node.raft.lease_read_index(now_);
      if (!index) continue;
      ++leases_seen_;
      CHECK(node.raft.current_term() >= newest_leader_);
      CHECK(*index >= newest_commit_);
    }
  }

  // --- The end of all faults.

  void heal() {
    loss_percent_ = repeat_percent_ = delay_percent_ = cut_off_ = 0;
    late_ = NodeId(0);
    for (const NodeId id : options_.voters) {
      if (!nodes_.contains(id)) restart(id);
    }
    const Instant limit = now_ + 30 * options_.election_timeout;
    bool proposed = false;
    while (!proposed || !converged()) {
      CHECK(now_ < limit);
      if (!proposed) proposed = propose_to_leader();
      calm_millisecond();
    }
  }

  bool propose_to_leader() {
    for (auto& [id, node] : nodes_) {
      const bool leads = node.raft.role() == Role::leader &&
                         node.raft.current_term() == newest_leader_;
      if (!leads) continue;
      final_ = node.raft.propose("final", now_);
      final_term_ = node.raft.current_term();
      return true;
    }
    return false;
  }

  bool converged() {
    for (const auto& [id, node] : nodes_) {
      // A new leader may have taken the place of the one that was asked.
      if (node.raft.current_term() > final_term_) return !propose_to_leader() && false;
      if (node.applied.size() < final_->value) return false;
    }
    return true;
  }

  void calm_millisecond() {
    pass(1ms);
    for (const NodeId id : options_.voters) tick(id);
    for (std::size_t count = network_.size(); count > 0; --count) {
      const Packet packet = network_.front();
      network_.erase(network_.begin());
      nodes_.at(packet.to).raft.step(packet.from, packet.message, now_);
      take(packet.to);
    }
    for (const NodeId id : options_.voters) {
      while (!nodes_.at(id).writes.empty()) sync(id);
    }
  }

  SplitMix random_, timeouts_;
  Marks marks_;
  GroupOptions options_;
  std::uint64_t loss_percent_, repeat_percent_, crash_permille_, cut_permille_, delay_percent_,
      sync_percent_, calm_percent_;
  bool cut_spares_what_is_under_way_;
  NodeId late_;
  std::uint64_t cut_off_ = 0;  // Bit set of one side of a partition, by id.

  Instant now_{1};
  std::map<NodeId, TestNode> nodes_;  // Those that are up.
  std::map<NodeId, TestDisk> disks_;  // As the others left them.
  std::vector<Packet> network_;
  std::uint64_t proposals_ = 0;
  std::optional<LogIndex> final_;
  Term final_term_;

  // What an observer with full sight knows.
  std::map<std::pair<LogIndex, Term>, std::pair<Entry, Term>> entries_;
  std::map<Term, NodeId> leaders_;
  Term newest_leader_;
  LogIndex newest_commit_;
  std::vector<Entry> committed_;
  std::map<NodeId, std::size_t> applied_;
  std::map<std::pair<NodeId, ReadToken>, PendingRead> pending_reads_;
  std::size_t reads_answered_ = 0;
  std::size_t leases_seen_ = 0;
  std::uint64_t digest_ = 0;
};

constexpr std::uint64_t kSeeds = 400;
constexpr int kSteps = 5000;

TEST(ClusterFuzzTest, FiguresThreesPropertiesHoldInEveryStormAndProgressFollows) {
  std::map<std::string_view, std::uint64_t> reached;
  std::size_t elections = 0, commands = 0, reads = 0, leases = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    Storm storm(seed, seed % 2 == 0 ? 3 : 5);
    storm.run(kSteps);
    for (const auto& [path, count] : storm.marks().counts()) reached[path] += count;
    elections += storm.elections();
    commands += storm.commands();
    reads += storm.reads_answered();
    leases += storm.leases_seen();
  }
  // The storms were storms.
  EXPECT_GT(elections, 3 * kSeeds);
  EXPECT_GT(commands, 10 * kSeeds);
  EXPECT_GT(reads, kSeeds);
  EXPECT_GT(leases, kSeeds);
  for (const char* path :
       {"raft: conflicting suffix truncated", "raft: vote refused, log behind",
        "raft: pre-vote refused, leader alive", "raft: leader stepped down without quorum",
        "raft: read waited for an entry of this term", "raft: read round shared",
        "raft: read lost with leadership", "raft: append rejected, backed up",
        "raft: older term message answered"}) {
    EXPECT_GT(reached[path], 0u) << path;
  }
}

TEST(ClusterFuzzTest, TheSameSeedGivesTheSameMessages) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Storm first(seed, 3), second(seed, 3);
    first.run(kSteps);
    second.run(kSteps);
    EXPECT_EQ(first.digest(), second.digest());
  }
}

}  // namespace
}  // namespace keelson::raft

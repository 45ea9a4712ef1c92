// Three and five Raft cores on a network that loses, repeats, delays and reorders, on disks that
// are slow and forget what they had not synced, while members come and go and leaders hand over.
// The properties of Figure 3 are checked as the run goes, and that whatever was decided had the
// quorum of the configuration that the log then said; then faults end, and the cluster must make
// progress.
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
  // All nodes are founders, or three of five.
  Storm(std::uint64_t seed, std::uint64_t nodes) : random_(seed), timeouts_(seed ^ 0x7165) {
    all_ = voters_up_to(nodes);
    founders_ = voters_up_to(random_.chance(50) ? 3 : nodes);
    membership_percent_ = random_.chance(70) ? random_.below(15) : 0;
    transfer_percent_ = random_.chance(70) ? random_.below(10) : 0;
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
    for (const NodeId id : all_) restart(id);
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
  std::size_t elections_judged() const { return elections_judged_; }
  std::size_t commits_judged() const { return commits_judged_; }
  std::size_t joint_commits_judged() const { return joint_commits_judged_; }

 private:
  // --- What may happen.

  void step() {
    const NodeId id = some_node();
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

  NodeId some_node() { return all_[random_.below(all_.size())]; }

  // The leader alone, some set of nodes, or nobody is cut off from the rest.
  void cut() {
    const std::uint64_t kind = random_.below(10);
    cut_off_ = 0;
    if (kind < 4) cut_off_ = 1u << some_leader(NodeId(0)).value;
    if (kind >= 4 && kind < 7) cut_off_ = random_.below(2u << all_.size());
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
    if (random_.chance(membership_percent_)) return change_members(id);
    if (random_.chance(transfer_percent_)) {
      const NodeId target = some_node();
      node.raft.transfer_leadership(
          random_.chance(30) ? std::nullopt : std::optional(target), now_);
    } else if (random_.chance(50)) {
      node.raft.propose("p" + std::to_string(proposals_++), now_);
    } else if (const auto token = node.raft.read_index(now_)) {
      // Calls may share a token; the earliest demand is then implied by the latest.
      pending_reads_[{id, *token}] = {node.raft.current_term(), newest_commit_, newest_leader_};
    }
    // Not always taken at once: inputs gather, as they do in the loop.
    if (random_.chance(70)) take(id);
  }

  // One node more, less, or of another kind; or any two such changes at once.
  void change_members(NodeId id) {
    TestNode& node = nodes_.at(id);
    take(id);  // What was committed before was so by the configuration of before.
    auto members = node.raft.configuration().members;
    for (std::uint64_t changes = 1 + random_.below(2); changes > 0; --changes) {
      const NodeId who = some_node();
      if (members.contains(who) && random_.chance(40)) {
        members.erase(who);
      } else {
        members[who].is_voter = random_.chance(70);
      }
    }
    const auto is_voter = [](const auto& member) { return member.second.is_voter; };
    if (!std::any_of(members.begin(), members.end(), is_voter)) return;
    (void)node.raft.propose_configuration(members, now_);
    take(id);
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
    std::vector<Outgoing> promises = node.complete_write(now_);
    note_vote(id, node.disk.hard_state);
    send(id, std::move(promises));
    take(id);
  }

  void note_vote(NodeId voter, const HardState& state) {
    if (state.voted_for) votes_[{state.current_term, *state.voted_for}].insert(voter);
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
      note_vote(id, node.disk.hard_state);
    }
    disks_[id] = node.disk;
    nodes_.erase(id);
    std::erase_if(pending_reads_, [id](const auto& read) { return read.first.first == id; });
  }

  void restart(NodeId id) {
    options_.id = id;
    const bool is_founder = std::find(founders_.begin(), founders_.end(), id) != founders_.end();
    options_.voters = is_founder ? founders_ : std::vector<NodeId>();
    nodes_.try_emplace(id, options_, disks_[id], timeouts_, marks_, now_);
    applied_[id] = 0;
    judged_[id] = LogIndex(0);
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
      check_commitment(id, node);
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
      }
    }
  }

  std::set<NodeId> durable_holders(const Entry& entry) const {
    std::set<NodeId> holders;
    for (const NodeId id : all_) {
      const auto up = nodes_.find(id);
      const auto down = disks_.find(id);
      if (up == nodes_.end() && down == disks_.end()) continue;
      const TestDisk& disk = up == nodes_.end() ? down->second : up->second.disk;
      const std::size_t place = entry.index.value - 1;
      if (place < disk.log.size() && disk.log[place] == entry) holders.insert(id);
    }
    return holders;
  }

  // --- Quorums, recomputed from what the log says.

  // §6: the latest configuration among these entries, the founders' if there is none.
  Configuration configuration_by(const std::vector<Entry>& log, std::size_t entries) const {
    for (std::size_t i = entries; i > 0; --i) {
      if (is_configuration(log[i - 1].kind)) return *decode_configuration(log[i - 1].data);
    }
    return configuration_of(founders_);
  }

  static bool is_majority(const std::map<NodeId, Member>& members, const std::set<NodeId>& nodes) {
    std::size_t voters = 0, agreeing = 0;
    for (const auto& [id, member] : members) {
      voters += member.is_voter ? 1 : 0;
      agreeing += member.is_voter && nodes.contains(id) ? 1 : 0;
    }
    return 2 * agreeing > voters;
  }
  static bool have_quorum(const Configuration& configuration, const std::set<NodeId>& nodes) {
    return is_majority(configuration.members, nodes) &&
           (configuration.outgoing.empty() || is_majority(configuration.outgoing, nodes));
  }

  // Who leads has the votes of the configuration that it stood with.
  void check_election(NodeId id, const TestNode& node) {
    const Term term = node.raft.current_term();
    std::size_t before = 0;
    while (before < node.memory_log.size() && node.memory_log[before].term < term) ++before;
    std::set<NodeId> voters = votes_[{term, id}];
    voters.insert(id);  // Alone, it need not wait for its disk.
    CHECK(have_quorum(configuration_by(node.memory_log, before), voters));
    ++elections_judged_;
  }

  // What a leader calls committed is durable on a quorum of the configuration in its log.
  void check_commitment(NodeId id, const TestNode& node) {
    const LogIndex committed = node.raft.commit_index();
    if (node.raft.role() != Role::leader || committed <= judged_[id]) return;
    judged_[id] = committed;
    const Entry& entry = node.memory_log.at(committed.value - 1);
    if (entry.term != node.raft.current_term()) return;  // It was so before it led.
    const Configuration in_force = configuration_by(node.memory_log, node.memory_log.size());
    CHECK(have_quorum(in_force, durable_holders(entry)));
    ++commits_judged_;
    if (in_force.is_joint()) ++joint_commits_judged_;
  }

  void check_leader(NodeId id, const TestNode& node) {
    if (node.raft.role() != Role::leader) return;
    const Term term = node.raft.current_term();
    const auto [known, is_new] = leaders_.try_emplace(term, id);
    // Election Safety: "at most one leader can be elected in a given term".
    CHECK(known->second == id);
    if (!is_new) return;
    check_election(id, node);
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

  // A lease says that no later term has a leader, and that all that is committed is known. Two are
  // never valid at one instant.
  void check_leases() {
    std::size_t valid = 0;
    for (const auto& [id, node] : nodes_) {
      const auto index = node.raft.lease_read_index(now_);
      if (!index) continue;
      ++leases_seen_;
      CHECK(++valid == 1);
      CHECK(node.raft.current_term() >= newest_leader_);
      CHECK(*index >= newest_commit_);
    }
  }

  // --- The end of all faults.

  void heal() {
    loss_percent_ = repeat_percent_ = delay_percent_ = cut_off_ = 0;
    late_ = NodeId(0);
    for (const NodeId id : all_) {
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
      final_leader_ = id;
      return final_.has_value();  // Not while it hands over.
    }
    return false;
  }

  // All members have what was proposed at the end, and no change of members is half done.
  bool converged() {
    const Raft& leader = nodes_.at(final_leader_).raft;
    // Another may have taken the place of the one that was asked.
    if (newest_leader_ > final_term_ || leader.role() != Role::leader || !final_) {
      (void)propose_to_leader();
      return false;
    }
    if (leader.configuration().is_joint()) return false;
    for (const auto& [id, member] : leader.configuration().members) {
      if (nodes_.at(id).applied.size() < final_->value) return false;
    }
    return true;
  }

  void calm_millisecond() {
    pass(1ms);
    for (const NodeId id : all_) tick(id);
    for (std::size_t count = network_.size(); count > 0; --count) {
      const Packet packet = network_.front();
      network_.erase(network_.begin());
      nodes_.at(packet.to).raft.step(packet.from, packet.message, now_);
      take(packet.to);
    }
    for (const NodeId id : all_) {
      while (!nodes_.at(id).writes.empty()) sync(id);
    }
  }

  SplitMix random_, timeouts_;
  Marks marks_;
  GroupOptions options_;
  std::vector<NodeId> all_, founders_;
  std::uint64_t membership_percent_, transfer_percent_;
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
  NodeId final_leader_;

  // What an observer with full sight knows.
  std::map<std::pair<LogIndex, Term>, std::pair<Entry, Term>> entries_;
  std::map<Term, NodeId> leaders_;
  Term newest_leader_;
  LogIndex newest_commit_;
  std::vector<Entry> committed_;
  std::map<NodeId, std::size_t> applied_;
  std::map<std::pair<Term, NodeId>, std::set<NodeId>> votes_;  // Durable, by term and candidate.
  std::map<NodeId, LogIndex> judged_;
  std::map<std::pair<NodeId, ReadToken>, PendingRead> pending_reads_;
  std::size_t reads_answered_ = 0;
  std::size_t leases_seen_ = 0;
  std::size_t elections_judged_ = 0, commits_judged_ = 0, joint_commits_judged_ = 0;
  std::uint64_t digest_ = 0;
};

constexpr std::uint64_t kSeeds = 400;
constexpr int kSteps = 5000;

TEST(ClusterFuzzTest, FiguresThreesPropertiesHoldInEveryStormAndProgressFollows) {
  std::map<std::string_view, std::uint64_t> reached;
  std::size_t elections = 0, commands = 0, reads = 0, leases = 0, quorums = 0, joint = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    Storm storm(seed, seed % 2 == 0 ? 3 : 5);
    storm.run(kSteps);
    for (const auto& [path, count] : storm.marks().counts()) reached[path] += count;
    elections += storm.elections();
    commands += storm.commands();
    reads += storm.reads_answered();
    leases += storm.leases_seen();
    quorums += storm.elections_judged() + storm.commits_judged();
    joint += storm.joint_commits_judged();
  }
  // The storms were storms.
  EXPECT_GT(elections, 3 * kSeeds);
  EXPECT_GT(commands, 10 * kSeeds);
  EXPECT_GT(reads, kSeeds);
  EXPECT_GT(leases, kSeeds);
  EXPECT_GT(quorums, 10 * kSeeds);
  EXPECT_GT(joint, kSeeds / 20);
  for (const char* path :
       {"raft: conflicting suffix truncated", "raft: vote refused, log behind",
        "raft: pre-vote refused, leader alive", "raft: leader stepped down without quorum",
        "raft: read waited for an entry of this term", "raft: read round shared",
        "raft: read lost with leadership", "raft: append rejected, backed up",
        "raft: older term message answered", "raft: configuration rolled back",
        "raft: joint configuration left", "raft: leader outside the configuration hands over",
        "raft: told that it was removed", "raft: transfer's target caught up",
        "raft: leadership transfer abandoned", "raft: stale TimeoutNow ignored",
        "raft: stands for election at the leader's request"}) {
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

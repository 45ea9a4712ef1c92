// One Raft core on a disk of its own, as a value: it can be copied, compared and crashed.
//
// Time is no degree of freedom here. Each node has a clock of its own, which stands still while it
// leads, unless its heartbeat is due; any other node is always just short of its election timeout,
// when its patience with a leader is over: the worst that clocks can do, and what no promise of
// Raft without leases may depend on.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/event_log.h"
#include "core/raft/raft.h"
#include "core/runtime/random.h"
#include "scenarios/explore/facts.h"

namespace keelson::scenarios {

// What an explored node is made of, and outlives it.
struct NodeMaterial {
  raft::Options options;           // Of all nodes; without the id.
  raft::Configuration founders;
  bool disks_are_slow = false;     // A write is durable only when it is completed.
  Random* random = nullptr;
  Marks* marks = nullptr;
};

class ExploredNode {
 public:
  ExploredNode(const NodeMaterial& material, NodeId id);

  // What the input before has brought, once.
  struct Effects {
    std::vector<raft::Outgoing> sent;
    std::vector<raft::Entry> applied;
    std::vector<raft::ReadResult> reads;
    raft::LogIndex commit_before;
    bool is_restart = false;
  };

  // --- inputs. Each is followed by effects().

  void step(NodeId from, const raft::Message& message);
  // Its timer, whichever that is, has run out. REQUIRES: has_timer().
  void timeout();
  bool has_timer() const;
  void propose(const Bytes& command);
  void propose_members(const std::map<NodeId, raft::Member>& members);
  std::optional<raft::ReadToken> probe();
  // The oldest write becomes durable. REQUIRES: has_write().
  void complete_write();
  bool has_write() const { return !writes_.empty(); }
  // Memory, and what was not durable, is lost.
  void crash_and_restart();

  Effects effects();
  // The state machine has it. REQUIRES: in the order of Effects::applied.
  void note_applied(const raft::Entry& entry);

  const raft::Raft& core() const { return *core_; }
  bool leads() const { return core_->role() == raft::Role::leader; }
  // Has this node's part in a hash of the state. REQUIRES: effects() were taken.
  std::uint64_t hash() const;
  // The latest in its log.
  raft::Configuration configuration() const;
  const Observed& observed() const { return observed_; }
  // "n1: leader of term 2, log 1 1 2, committed 2".
  std::string describe() const;

 private:
  struct Write {
    raft::WriteId id;
    std::optional<raft::HardState> hard_state;
    std::vector<raft::Entry> entries;
    std::vector<raft::Outgoing> after_sync;
  };

  void start();
  void after_input();
  void finish_write();
  void pass_time();
  void observe();

  const NodeMaterial* material_;
  NodeId id_;
  Instant now_{1};
  std::vector<raft::Entry> log_;  // As handed out, durable or not.
  raft::HardState hard_state_;    // Durable,
  std::vector<raft::Entry> durable_log_;
  std::vector<Write> writes_;     // and under way.
  Observed observed_;
  Effects effects_;
  std::optional<raft::Raft> core_;  // Set.
};

}  // namespace keelson::scenarios

// Founding: how the nodes of a new cluster agree on which data directories it begins with.
//
// A node with a new data directory cannot know whether the cluster is new or whether it has itself
// lost a disk; if it voted, it might contradict what it promised before. So it asks. The node with
// the lowest id convenes: when all peers have answered, twice with the same directories, that none
// of them belongs to a cluster yet, these directories are the founders. It makes that durable
// before it votes, and the others take it from it. A node which hears that its cluster was founded
// with another directory under its name is no member: it waits until a leader admits it as a
// learner (core/raft/raft_node.h).
//
// Why twice: between the first answer of the last peer and the second of the first, no directory
// was replaced and nobody was in a cluster. Whatever was founded before would have been heard of.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/kv/coordinator.h"
#include "core/raft/types.h"
#include "core/runtime/env.h"

namespace keelson {

using Founders = std::map<NodeId, Incarnation>;

class Founding {
 public:
  // `founders` is empty while this node knows of no cluster. `env`, `peers` outlive this object.
  Founding(Env& env, kv::PeerCaller& peers, NodeId self, Incarnation incarnation,
           Founders founders);

  // Suspends until the founders are known; asks `others` again and again, and tells the log every
  // few seconds for whom it waits. A node that `may_convene` founds the cluster if nobody has.
  // Nothing when the node is asked to stop meanwhile. REQUIRES: the caller makes the result durable
  // before it lets the node act on it.
  std::optional<Founders> agree(const std::vector<NodeId>& others, bool may_convene);

  // The result is durable: others may take it from here.
  void set_founders(Founders founders) { founders_ = std::move(founders); }
  const Founders& founders() const { return founders_; }

  // What a peer's Founding asks of this one, and the answer: incarnation:u64 count:u32 (node:u64
  // incarnation:u64)*.
  Bytes answer() const;

 private:
  struct Answer {
    Incarnation incarnation;
    Founders founders;
  };

  // What asking everybody once has given.
  struct Round {
    Founders present;  // Who answered, with the directory it speaks for, and is in no cluster.
    Founders known;    // Of the cluster that one of them is in. Empty: nobody is in one.
  };

  std::optional<Answer> ask(NodeId peer);
  Round ask_all(const std::vector<NodeId>& others);
  Founders accept(Founders known);
  std::string waiting_for(const std::vector<NodeId>& others, const Round& round,
                          bool may_convene) const;

  Env& env_;
  kv::PeerCaller& peers_;
  const NodeId self_;
  const Incarnation incarnation_;
  Founders founders_;
};

}  // namespace keelson

// Recorder: looks on while a scenario runs and makes a Recording of it. It hears the trace and the
// wire, and looks at nodes and links in between; nothing it does is seen by the run, whose digest
// stays the same.
//
//   Recorder recorder;
//   scenarios::RunOptions options;
//   recorder.attach(options);
//   run_scenario(scenario, choices, options);
//   Recording recording = recorder.take();
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "core/raft/heartbeats.h"
#include "scenarios/cluster.h"
#include "scenarios/peer_stream.h"
#include "scenarios/run.h"
#include "scenarios/watcher.h"
#include "tools/show/recording.h"

namespace keelson::show {

class Recorder : public scenarios::Watcher {
 public:
  Recorder();

  // The run's options refer to this object from now on.
  void attach(scenarios::RunOptions& options);

  // What was recorded. What the outcome says (seed, digest, violation) is the caller's to fill in.
  Recording take();

  void on_world(sim::World& world) override { world_ = &world; }
  void on_cluster(const scenarios::Cluster& cluster) override {
    cluster_ = &cluster;
    nodes_ = cluster.size();
  }
  void on_cluster_gone() override { cluster_ = nullptr; }
  void on_write(const sim::Machine& from, const sim::Machine& to, std::uint64_t connection,
                BytesView bytes) override;
  void on_read(const sim::Machine& reader, const sim::Machine& writer, std::uint64_t connection,
               BytesView bytes) override;

 private:
  // One direction of a connection: what was written and not read yet.
  struct Stream {
    scenarios::PeerStream frames;
    std::uint32_t reader = 0;
    std::uint64_t written = 0;
    std::uint64_t read = 0;
    struct UnderWay {
      std::uint64_t end;  // The position behind its last octet.
      std::size_t message;
    };
    std::deque<UnderWay> under_way;
  };
  struct Vote {
    std::uint64_t term = 0;
    std::uint64_t to = 0;
  };
  using NodeInGroup = std::pair<std::uint32_t, std::int32_t>;

  void leave_out_the_end();
  void on_event(const sim::TraceEvent& event);
  void on_machine(const sim::TraceEvent& event);
  void on_invoke(const sim::TraceEvent& event);
  void on_respond(const sim::TraceEvent& event);
  void forget_calls_of(std::uint32_t machine);
  void on_broken(const sim::TraceEvent& event);
  void add_event(const sim::TraceEvent& event, EventKind kind);

  bool is_node(std::uint32_t machine) const;
  void on_frame(Stream& stream, std::uint32_t from, std::uint32_t to, const raft::Frame& frame);
  void add_raft(Stream& stream, std::uint32_t from, std::uint32_t to,
                const raft::GroupMessage& heard);
  void add_message(Stream& stream, Message message, std::uint64_t end, std::string_view text);
  void note_vote(std::uint32_t from, std::uint32_t to, const raft::GroupMessage& heard);
  void lose(Stream& stream);

  void look_at_nodes();
  void look_at_group(std::uint32_t machine, const raft::RaftNode& node, GroupId group);
  void note_state(const State& state);
  void look_at_links();

  std::int64_t now() const { return world_->now().ns; }

  sim::World* world_ = nullptr;
  const scenarios::Cluster* cluster_ = nullptr;
  std::size_t nodes_ = 0;
  Recording recording_;
  // By connection and the writer's index.
  std::map<std::pair<std::uint64_t, std::uint32_t>, Stream> streams_;
  std::map<NodeInGroup, Vote> votes_;
  std::map<NodeInGroup, State> states_;            // The latest.
  std::map<NodeInGroup, std::pair<std::uint64_t, bool>> configurations_;  // Index, committed.
  std::map<std::uint32_t, bool> running_;
  std::map<std::uint64_t, std::size_t> pending_;   // Operations by the number of their event.
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::size_t> troubles_;  // That last.
  bool links_may_differ_ = false;
  std::int64_t links_differ_since_ = 0;
};

}  // namespace keelson::show

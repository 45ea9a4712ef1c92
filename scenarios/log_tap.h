// LogTap: watches the write-ahead log on one node's disk and tells the oracles what has become
// durable, when it has.
//
// It keeps its own image of what the node writes below "wal/" (for as long as the disk holds the
// same bytes, both share their memory) and, each time a sync of a segment
// has succeeded, reads on in it: batches by their checksums (core/storage/wal_format.h), the
// records in them by a reader of its own. What a loss of power has left is read again from the
// disk, so a batch that was never synced and has survived counts from then on; one that only a page
// cache holds, after the process was killed, does not count before the node has synced it.
//
// An oracle of its own, "durability": what was told as durable is never cut off or written over
// with something else, and a loss of power leaves it. (A disk that is harmed may have lost it.)
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "core/raft/types.h"
#include "scenarios/raft_checks.h"
#include "sim/sim_disk.h"

namespace keelson::scenarios {

class LogTap : public sim::DiskTap {
 public:
  // Set with SimDisk::set_tap of the machine. The arguments outlive the tap.
  LogTap(sim::Machine& machine, NodeId node, RaftChecks& raft, Report& report);

  void on_write(const sim::Machine& machine, const std::string& path, std::uint64_t offset,
                BytesView bytes) override;
  void on_truncate(const sim::Machine& machine, const std::string& path,
                   std::uint64_t size) override;
  void on_synced(const sim::Machine& machine, const std::string& path) override;
  void on_power_loss(const sim::Machine& machine) override;

  // The node is about to start again. REQUIRES: called before each restart.
  void on_restart();
  // The disk was replaced by an empty one.
  void on_wiped();

  // For the proof that it still looks: without seals, and without what a segment says again.
  std::uint64_t batches() const { return batches_; }
  std::uint64_t records() const { return records_; }
  // Where the last batch that says anything begins: rot from there on may look like a tear.
  struct Place {
    std::string path;  // Empty: nowhere.
    std::uint64_t offset = 0;
  };
  Place last_batch() const;
  // Of any file of the log, seals included.
  std::uint64_t syncs() const { return syncs_; }

 private:
  struct Segment {
    sim::FileBytes image;       // What was written, without zeros at the end.
    std::uint64_t read_to = 0;  // Everything before was durable and has been told.
    std::uint64_t said_to = 0;  // The same without seals behind the last batch: 0 if none is there.
    std::uint64_t salt = 0;
    std::uint64_t shared_to = 0;  // What is before was compared with the disk, to share it.
  };

  void read_on(std::uint32_t number, Segment& segment);
  void share_memory(std::uint32_t number, Segment& segment);
  void demand_survival();
  void complain(std::uint32_t number, const Segment& segment, std::string_view what);
  bool tell(BytesView payload);
  bool tell_entries(GroupId group, BytesView& payload);

  sim::Machine& machine_;
  const NodeId node_;
  RaftChecks& raft_;
  Report& report_;
  std::map<std::uint32_t, Segment> segments_;
  bool power_was_lost_ = false;
  std::uint64_t batches_ = 0;
  std::uint64_t records_ = 0;
  std::uint64_t syncs_ = 0;
  std::uint32_t last_segment_ = 0;  // Of the last batch; 0 before there is one.
  std::uint64_t last_offset_ = 0;
};

}  // namespace keelson::scenarios

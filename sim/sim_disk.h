// SimDisk: the disk of one simulated machine. It outlives the machine's incarnations and keeps
// apart what a node sees (the page cache), and what a loss of power leaves (what was synced, and by
// draw some of the rest).
//
// A file's bytes are stored once, as the node sees them, together with what it takes to undo every
// change since the last sync (sim/disk_image.h). A loss of power undoes all of these and then does
// some again, whole or torn at sectors of 512 bytes. Names live in directories that keep their
// durable entries, their visible entries and the changes between the two.
//
// What is undetermined is drawn from the streams "disk/n1/...". Faults are counted in the world's
// FaultLedger when injected and when they had an effect.
//
// What one replica can find out, and what it cannot. Errors, torn writes, rot, lost sectors and
// misdirected writes show to a node that checks what it reads. A lost sync does not: after the loss
// of power the disk is one that a crash might rightly have left earlier, and the node has broken
// its word. It therefore counts, like a wiped disk, against the number of replicas that may be lost
// at once: a scenario keeps within that by harms(), and by knowing whom it has wiped.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/runtime/disk.h"
#include "sim/choices.h"
#include "sim/disk_image.h"
#include "sim/event_queue.h"
#include "sim/true_time.h"

namespace keelson::sim {

class Machine;
class World;

enum class DiskOperation : std::uint8_t { read, write, sync, change_names };

// The shares for some of the files, so that log, state and identity can be hit one by one.
struct DiskRule {
  // "wal/" is what is below the directory and itself, "IDENTITY" what begins so, "" is all.
  std::string path_prefix;
  LossShares at_power_loss{};
  std::uint32_t read_error_per_million = 0;
  std::uint32_t write_error_per_million = 0;
  std::uint32_t sync_error_per_million = 0;
  std::uint32_t misdirect_write_per_million = 0;
  std::uint32_t lose_sync_per_million = 0;
};

// What the disk does to every operation. The default is a healthy one that loses nothing that it
// need not lose. The shares are out of a million draws.
struct DiskConditions {
  // Latencies. Reads, writes and changes of names are served by memory, and take no time unless
  // told to: then they do not even suspend.
  Duration read_latency{};
  Duration write_latency{};
  Duration sync_latency = std::chrono::microseconds(500);
  // This share of the operations that take time takes longer: mostly by about tail_unit, seldom by
  // up to tail_most.
  std::uint32_t tail_per_million = 0;
  Duration tail_unit = std::chrono::milliseconds(1);
  Duration tail_most = std::chrono::seconds(2);

  // What becomes of what was not synced when power is lost.
  LossShares at_power_loss;

  // io_error. A failed sync drops what it should have saved: reads show it, nothing saves it.
  std::uint32_t read_error_per_million = 0;
  std::uint32_t write_error_per_million = 0;
  std::uint32_t sync_error_per_million = 0;
  // The write is said to have succeeded, but its bytes replace others: at another sector of the
  // same file, or of one in the same directory. Where they belong the old bytes stay, or zeros.
  std::uint32_t misdirect_write_per_million = 0;
  // The sync is said to have succeeded, but what it should have saved goes with the power.
  std::uint32_t lose_sync_per_million = 0;

  // For a path, the first rule that fits is in force in place of the shares above.
  std::vector<DiskRule> rules{};
};

bool has_prefix(std::string_view path, std::string_view prefix);
// The first rule that fits, or null.
const DiskRule* rule_for(const DiskConditions& conditions, const std::string& path);

// Watches a machine's disk, at the true moment, as the node sees it: a misdirected write is told as
// the write it should have been, and a lost sync as a sync.
class DiskTap {
 public:
  virtual ~DiskTap() = default;

  virtual void on_write(const Machine& machine, const std::string& path, std::uint64_t offset,
                        BytesView bytes) = 0;
  virtual void on_truncate(const Machine& machine, const std::string& path,
                           std::uint64_t size) = 0;
  // A sync of the file has succeeded: what was written before it began is durable now.
  virtual void on_synced(const Machine& machine, const std::string& path) = 0;
  virtual void on_power_loss(const Machine& machine) = 0;
};

class SimDisk : private EventTarget {
 public:
  // The arguments outlive this object, and events of `world` are not run after it.
  SimDisk(World& world, Machine& machine);
  ~SimDisk() override;
  SimDisk(const SimDisk&) = delete;
  SimDisk& operator=(const SimDisk&) = delete;

  // --- for the world ---

  // The disk as the next incarnation of the machine sees it; it parks fibers of the machine's
  // scheduler of now. It and its files may outlive the incarnation, and are harmless then.
  std::unique_ptr<Disk> attach();
  // Memory is gone, and with it what was not synced, as far as the conditions say.
  void power_loss();
  // The process is gone, the page cache stays: everything that was written is there, and syncs
  // under way end by themselves.
  void process_gone();
  // An empty disk in the place of this one.
  void wipe();
  // A disk in the place of this one that holds this, durably. REQUIRES: every path is one that
  // check_path accepts, and no file is in the way of a directory.
  void fill(const DiskContent& content);

  // --- conditions and faults ---

  void set_conditions(const DiskConditions& conditions);
  const DiskConditions& conditions() const { return conditions_; }

  // Every operation takes `extra` longer; 0 ends it.
  void slow_down(Duration extra);
  // No operation completes until unstick().
  void stick();
  void unstick();
  // The next `count` operations of the kind on such paths fail with io_error. Prefixes are those of
  // DiskRule. REQUIRES: not change_names.
  void fail_next(DiskOperation operation, std::uint32_t count = 1, std::string path_prefix = "");
  // The next `count` writes of such files land elsewhere. One that finds no place to land is right.
  void misdirect_next_write(std::string path_prefix = "", std::uint32_t count = 1);
  // The next `count` syncs of such files that have something to save do not, and say that they did.
  void lose_next_sync(std::string path_prefix = "", std::uint32_t count = 1);
  // The disk holds `bytes` at most; what is above already stays. Nothing: without limit.
  void set_capacity(std::optional<std::uint64_t> bytes);
  // Takes space away so that there are `bytes` left, at most.
  void leave_free(std::uint64_t bytes);
  // Ends slowness, stickiness, armed faults, the capacity limit, all shares and rules. Harm stays.
  void heal();

  // --- harm to what is at rest: durable and not changed since ---

  // By draw, somewhere in such a file: flips up to 8 bits that follow each other closely, or takes
  // what is at rest of one sector. Nothing if there is no place for it.
  // REQUIRES: flipped_bits, zeroed_sector or unreadable_sector.
  std::optional<DiskHarm> harm(HarmKind kind, const std::string& path_prefix = "");
  // One block of the file also lies in the place of another of its blocks, as if its write had gone
  // astray and been repeated. Blocks begin at multiples of their size. Nothing if no two differ.
  std::optional<DiskHarm> misplace_block(const std::string& path, std::size_t block_bytes);
  // As harm(), at a place of one's choice: flips the lowest bit of each byte, or takes these bytes.
  // REQUIRES: as harm().
  std::optional<DiskHarm> harm_at(HarmKind kind, const std::string& path, std::uint64_t offset,
                                  std::uint64_t length);
  // What was done to the files that there are or may be again, and was not durably overwritten
  // since: a loss of power included, if it broke the word of a sync. In the order of paths.
  std::vector<DiskHarm> harms() const;
  bool is_harmed() const { return !harms().empty(); }

  // --- for oracles and tests ---

  // Null ends the watching.
  void set_tap(DiskTap* tap) { tap_ = tap; }
  // What a loss of power would leave of the file for sure. Nothing if its name is not durable.
  std::optional<Bytes> read_durable(const std::string& path) const;
  // What the node would read now.
  std::optional<Bytes> read_visible(const std::string& path) const;
  // The same; null if there is no such file. Valid until the disk changes.
  const FileBytes* visible_file(const std::string& path) const;
  // All that the node could read now.
  DiskContent visible_content() const;
  std::uint64_t used_bytes() const { return *used_bytes_; }

 private:
  friend class AttachedDisk;
  friend class AttachedFile;

  // What a fiber that waits for an operation keeps on its stack.
  struct Pending;
  // An operation that takes time. It ends by itself, whether or not a fiber still waits for it.
  struct Operation {
    std::uint32_t generation = 0;
    bool is_under_way = false;
    bool will_fail = false;
    bool will_be_lost = false;  // A sync that saves nothing.
    bool is_due = false;  // Its time has come, but the disk is stuck.
    Pending* waiter = nullptr;
    // What it makes durable when it ends: one of these two, if it is a sync.
    std::shared_ptr<FileImage> file;
    std::shared_ptr<DirectoryImage> directory;
    std::uint64_t covered_until = 0;  // The number of changes before the sync began.
    std::string path;
  };

  // What may happen to an operation on a file.
  enum class FileFault : std::uint8_t {
    read_error,
    write_error,
    sync_error,
    misdirected_write,
    lost_sync,
  };
  struct Armed {
    FileFault fault;
    std::string path_prefix;
    std::uint32_t count;
  };
  struct FoundFile {
    std::string path;
    FileImage* image;
  };

  void on_event(std::uint64_t argument) override;
  // Suspends for what an operation takes, and lets it fail by fault. Errors: timed_out, io_error.
  Result<void> take_time(DiskOperation kind, const std::string& path, Deadline deadline);
  Result<void> sync_file(std::shared_ptr<FileImage> file, const std::string& path,
                         Deadline deadline);
  Result<void> sync_directory(std::shared_ptr<DirectoryImage> directory, const std::string& path,
                              Deadline deadline);
  Result<void> carry_out(Operation operation, Duration span, Deadline deadline);
  std::size_t begin(Operation operation, Duration span);
  void schedule_end(std::size_t slot, Duration span);
  void end(std::size_t slot);
  void free_slot(std::size_t slot);
  Duration latency(DiskOperation kind);
  bool fails(DiskOperation kind, const std::string& path);
  void arm(FileFault fault, std::string path_prefix, std::uint32_t count);
  // Whether the fault is armed for, or drawn for, an operation on this path.
  bool strikes(FileFault fault, const std::string& path) {
    return may_strike_ && strikes_now(fault, path);
  }
  bool strikes_now(FileFault fault, const std::string& path);
  std::uint32_t share_of(FileFault fault, const std::string& path) const;
  ChoiceStream& choices_for(FileFault fault);
  void look_for_strikes();
  // Puts the bytes elsewhere. False if there is no such place.
  bool misdirect(FileImage& file, const std::string& path, BytesView bytes, std::uint64_t offset);
  // A read meets what was done to its bytes. Errors: io_error.
  Result<void> meet_harms(FileImage& file, const std::string& path, ByteRange range);
  // Whose names are durable, with a path that begins so, in the order of paths.
  std::vector<FoundFile> files_below(const std::string& path_prefix) const;
  std::optional<DiskHarm> do_harm(HarmKind kind, const FoundFile& file, ByteRange range,
                                  const Bytes& replacement);
  // How many of `wanted` further bytes there is space for.
  std::uint64_t space_for(std::uint64_t wanted) const;
  std::uint64_t free_bytes() const;
  Error no_space(const std::string& path);
  std::shared_ptr<DirectoryImage> find_directory(std::string_view path) const;
  void note_fault(std::string_view text);

  World& world_;
  Machine& machine_;
  DiskTap* tap_ = nullptr;
  DiskConditions conditions_;

  // Faults that are on.
  Duration slowness_{};
  bool is_stuck_ = false;
  std::vector<Armed> armed_;
  bool may_strike_ = false;  // Something is armed, or some share is not 0.
  std::optional<std::uint64_t> capacity_;

  std::shared_ptr<std::uint64_t> used_bytes_;  // Of all files that anything still refers to.
  std::shared_ptr<DirectoryImage> root_;

  std::vector<Operation> operations_;
  std::vector<std::size_t> free_slots_;

  ChoiceStream& sync_choices_;
  ChoiceStream& access_choices_;
  ChoiceStream& power_loss_choices_;
  ChoiceStream& error_choices_;
  // Looked up when first drawn from.
  ChoiceStream* misdirect_choices_ = nullptr;
  ChoiceStream* lost_sync_choices_ = nullptr;
  ChoiceStream* rot_choices_ = nullptr;
};

}  // namespace keelson::sim

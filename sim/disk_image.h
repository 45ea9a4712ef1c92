// What a simulated disk holds: files and directories, each as the node sees it and as a loss of
// power would leave it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "sim/choices.h"
#include "sim/disk_harm.h"
#include "sim/durable_remains.h"
#include "sim/file_bytes.h"

namespace keelson::sim {

inline constexpr std::uint64_t kSectorBytes = 512;

// All that a disk holds, as a value. Directories on the way to a file need not be named.
struct DiskContent {
  std::map<std::string, Bytes> files;
  std::set<std::string> directories;

  bool operator==(const DiskContent&) const = default;
};

// What a loss of power does to what was not synced; shares out of a million. The default keeps all.
struct LossShares {
  // For each file with this share, every unsynced change is lost; otherwise each is lost or torn on
  // its own, so that later ones may survive earlier ones.
  std::uint32_t lose_all_per_million = 0;
  std::uint32_t lose_write_per_million = 0;
  std::uint32_t tear_write_per_million = 0;
  // For each created, renamed or removed name, whether it is as if that had not happened.
  std::uint32_t lose_entry_per_million = 0;
};

// What a loss of power did.
struct Losses {
  std::uint64_t lost_changes = 0;
  std::uint64_t torn_writes = 0;
  std::uint64_t lost_entries = 0;
  std::uint64_t broken_syncs = 0;  // Harms of HarmKind::lost_sync that came to light.
};

// The shares for the file or name at this path.
using LossesOf = std::function<const LossShares&(const std::string& path)>;

// One file: its bytes, and how to undo every change since it was last synced.
class FileImage {
 public:
  // Counts its size in `used_bytes`.
  explicit FileImage(std::shared_ptr<std::uint64_t> used_bytes);
  ~FileImage();
  FileImage(const FileImage&) = delete;
  FileImage& operator=(const FileImage&) = delete;

  const FileBytes& visible() const { return content_; }
  // What is certain to survive a loss of power now.
  Bytes durable() const;

  void write(BytesView bytes, std::uint64_t offset);
  void truncate(std::uint64_t size);

  // How many changes were made so far: what a sync that begins now will save.
  std::uint64_t change_count() const { return first_change_ + changes_.size(); }
  bool has_unsynced() const { return !changes_.empty(); }
  // A sync has succeeded: the changes before `until` are durable, except those that were dropped.
  void make_durable(std::uint64_t until);
  // A sync has failed: the changes before `until` stay visible, but nothing saves them any more.
  void drop(std::uint64_t until);
  // Draws what becomes of every unsynced change, and leaves that, durable.
  void lose_power(const LossShares& shares, ChoiceStream& choices, Losses& losses);

  // --- harm ---

  // Which visible bytes are durable as they are, as no unsynced change has touched them.
  std::vector<ByteRange> at_rest() const;
  // Replaces bytes at rest by others, behind everybody's back. REQUIRES: at_rest() has them.
  void replace_at_rest(BytesView bytes, std::uint64_t offset);
  // Notes what was done to these bytes, by what was done to the file so far.
  void note_harm(HarmKind kind, ByteRange range);
  // A sync that saved nothing was said to have succeeded: drop(until), and a harm. False, and
  // nothing is done, if there was nothing to save.
  bool lose_sync(std::uint64_t until);
  // What was done to this file and was not durably overwritten since.
  const FileHarms& harms() const { return harms_; }
  // The harms that a read of this range meets, as no later write hides them. Valid until the next
  // change. Not lost syncs: until power is lost, reads show what was written.
  std::vector<FileHarm*> harms_met(ByteRange range);

 private:
  struct Change {
    std::uint64_t offset = 0;
    std::uint64_t written = 0;    // How many bytes were written at the offset.
    std::uint64_t size_before = 0;
    std::uint64_t size_after = 0;
    bool is_dropped = false;
    bool is_whole_file = false;  // Stands for remains_, which undo it. Only the first can be one.
    // What it replaced, from there on, without what it left as it was.
    std::uint64_t saved_at = 0;
    Bytes saved = {};
    // The file before it cut something off; otherwise null.
    std::shared_ptr<const FileBytes> before_cut = {};

    // What it replaced or cut off.
    ByteRange range() const;
  };
  void note(Change change);
  // Undoes every change, leaves what is durable in `content`, and returns what it takes to do each
  // again: what it wrote; nothing if it was dropped.
  std::vector<Bytes> undo_all(FileBytes& content) const;
  static void redo(FileBytes& content, const Change& change, BytesView written);
  // Does again only the sectors that are not in the set: bit i stands for the ith part of it.
  void redo_torn(FileBytes& content, const Change& change, BytesView written,
                 std::uint64_t lost_parts, std::uint64_t number);
  void lose_harms(const FileBytes& content, Losses& losses);
  void forget_changes(std::uint64_t until);
  void part_for_good(std::uint64_t until);
  void replace_content(FileBytes content);
  void write_back_oldest();

  const std::shared_ptr<std::uint64_t> used_bytes_;
  FileBytes content_;
  std::uint64_t first_change_ = 0;
  std::vector<Change> changes_;  // Since the last sync, in order.
  bool has_dropped_ = false;     // Some change is_dropped.
  std::optional<DurableRemains> remains_;
  FileHarms harms_;
};

class DirectoryImage;

// What a name stands for: one of the two.
struct Entry {
  std::shared_ptr<FileImage> file;
  std::shared_ptr<DirectoryImage> directory;

  bool operator==(const Entry&) const = default;
};

class DirectoryImage {
 public:
  using Entries = std::map<std::string, Entry, std::less<>>;
  // Names that change together; no entry means that the name goes.
  using Change = std::vector<std::pair<std::string, std::optional<Entry>>>;

  const Entries& visible() const { return visible_; }
  const Entries& durable() const { return durable_; }
  // Null if there is no such name.
  const Entry* find(const std::string& name) const;

  void apply(Change change);
  std::uint64_t change_count() const { return first_change_ + changes_.size(); }
  void make_durable(std::uint64_t until);
  // Draws what becomes of every unsynced change, here and below. `path` is this directory's, with a
  // "/" after it unless it is the root.
  void lose_power(const LossesOf& losses_of, const std::string& path, ChoiceStream& choices,
                  Losses& losses);

 private:
  static void apply_to(Entries& entries, const Change& change);

  Entries visible_;
  Entries durable_;
  std::uint64_t first_change_ = 0;
  std::vector<Change> changes_;
};

}  // namespace keelson::sim

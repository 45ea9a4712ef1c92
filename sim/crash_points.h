// Exhaustive crash points: a script's operations on its disk are recorded once, and then power is
// lost at every one of them. For each such point every image that the disk may then hold is built,
// and a checker is run on a machine whose disk holds exactly that. Knows nothing of Raft.
//
//   const auto script = [](Env& env, sim::CrashJournal& journal) {
//     ... writes through env.disk ...
//     journal.note("acknowledged 1");
//   };
//   const auto check = [](Env& env, const sim::CrashPoint& point) -> std::string {
//     ... recovers from env.disk, compares with point.notes, may write on ...
//     return "";  // Or what is wrong.
//   };
//   const sim::CrashReport report = sim::check_crash_points(script, check);
//   EXPECT_TRUE(report.failures.empty()) << report.text();
//
// Points. An operation is a write, truncate, sync, created name, rename, remove or sync of a
// directory that succeeded. Of n operations there are 2n + 1 points: before the first, while each
// is under way, and after each.
//
// Images. What is pending at a point is every change that is not covered by a sync which has ended:
// writes and truncations of a file, changes of names of a directory; a rename between directories
// is two of these, as each directory is made durable by itself. A change is kept or lost whatever
// becomes of the others, and kept changes take effect in their order: that is what writing sectors
// back in any order amounts to, as overlapping changes meet in the page cache. A write over several
// sectors of 512 bytes may besides be torn. With p changes pending a point has
//   * if p <= all_subsets_up_to (8): all 2^p subsets;
//   * else at most 3p - 1: all kept, all lost, each single one lost, each single one kept, and each
//     prefix kept;
//   * besides, for each of the latest torn_writes_most (16) pending writes of several sectors, torn
//     at each of at most torn_boundaries_most (8) boundaries, evenly chosen, its head kept or its
//     tail, with all others kept, all others lost, and only the earlier kept: at most 6 x 8 x 16.
// Equal images of a point are checked once. The same script always gives the same images in the
// same order.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/disk_image.h"

namespace keelson {
struct Env;
}

namespace keelson::sim {

// The script's side of a recording.
class CrashJournal {
 public:
  virtual ~CrashJournal() = default;

  // Remembers, between the operations before and those after, what the script has promised, asked
  // for or begun. A crash point knows the notes that were made before its next operation.
  virtual void note(std::string text) = 0;
  // How many operations have begun so far; they are numbered from 1.
  virtual std::uint64_t operations() const = 0;
};

// Where power was lost. Valid during the call that it is given to.
struct CrashPoint {
  std::uint64_t number = 0;  // From 0.
  // Operations 1 to `ended` had all ended, and 1 to `begun` had begun: equal, or one apart unless
  // several fibers use the disk at once.
  std::uint64_t ended = 0;
  std::uint64_t begun = 0;
  std::span<const std::string> notes;
  std::string_view where;  // "while 4 was under way: sync log".
  std::string_view image;  // "all kept but 2: write log at 0, 12 bytes".
};

struct CrashOptions {
  std::uint64_t all_subsets_up_to = 8;  // At most 20.
  std::uint64_t torn_writes_most = 16;
  std::uint64_t torn_boundaries_most = 8;
  // What the disk holds, durably, when the script begins.
  DiskContent initial;
  // Checking ends after so many failures.
  std::uint64_t failures_most = 10;
};

// A script's operations, in order.
class CrashRecording;
struct CrashRecordingDeleter {
  void operator()(CrashRecording* recording) const;
};
using CrashRecordingPtr = std::unique_ptr<CrashRecording, CrashRecordingDeleter>;

// Runs on a machine of its own with a healthy disk; it may start fibers and ends by returning.
using CrashScript = std::function<void(Env& env, CrashJournal& journal)>;
// REQUIRES: the script returns within a day of its own time, and its disk operations fail with
// nothing but not_found, invalid_argument and timed_out.
CrashRecordingPtr record_crash_points(const CrashScript& script, const CrashOptions& options = {});

struct CrashCounts {
  std::uint64_t operations = 0;
  std::uint64_t points = 0;
  std::uint64_t images = 0;
  std::uint64_t most_pending = 0;
  // Points at which more than all_subsets_up_to changes were pending.
  std::uint64_t bounded_points = 0;
};

// Returns whether to go on.
using CrashVisitor = std::function<bool(const CrashPoint& point, const DiskContent& image)>;
// Visits every image of every point. For callers with a world of their own: SimDisk::fill().
CrashCounts for_each_crash_image(const CrashRecording& recording, const CrashOptions& options,
                                 const CrashVisitor& visit);

// Runs on a machine of its own whose disk holds the image, durably; it may start fibers and write
// on. Empty when all is right, else one sentence that says what is wrong. Ending the process and
// taking longer than a day of its own time are wrong, too.
using CrashCheck = std::function<std::string(Env& env, const CrashPoint& point)>;

struct CrashFailure {
  std::uint64_t point = 0;
  std::string where;
  std::string image;
  std::string what;
  std::vector<std::string> notes;
};

struct CrashReport {
  CrashCounts counts;
  std::vector<CrashFailure> failures;

  // For people: the counts, and each failure in some lines.
  std::string text() const;
};

CrashReport check_crash_points(const CrashScript& script, const CrashCheck& check,
                               const CrashOptions& options = {});

}  // namespace keelson::sim

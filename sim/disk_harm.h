// Harm: bytes of a file that are not what its writer was told they are. Each file keeps the list of
// what was done to it and has not been durably overwritten since.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::sim {

enum class HarmKind : std::uint8_t {
  flipped_bits,       // Bits flipped at rest.
  zeroed_sector,      // A sector, or what of it was at rest, reads as zeros.
  unreadable_sector,  // The same, but reads of it fail with io_error.
  misdirected_write,  // Somebody else's bytes were written here.
  lost_write,         // What was to be written here was written elsewhere.
  lost_sync,          // Said to be synced, and lost with the power.
};

// As the ledger calls the fault that does it: "disk.rot".
std::string_view fault_of(HarmKind kind);
// "flipped bits".
std::string_view name_of(HarmKind kind);

// A harm as others see it.
struct DiskHarm {
  std::string path;
  HarmKind kind = HarmKind::flipped_bits;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;

  bool operator==(const DiskHarm&) const = default;
};

struct ByteRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;

  std::uint64_t size() const { return end - begin; }
  bool overlaps(ByteRange other) const { return begin < other.end && other.begin < end; }
  bool operator==(const ByteRange&) const = default;
};

// Takes `taken` out of each range.
void subtract(std::vector<ByteRange>& ranges, ByteRange taken);

struct FileHarm {
  HarmKind kind = HarmKind::flipped_bits;
  ByteRange range;
  std::uint64_t since = 0;    // The file's changes before this number do not undo it.
  bool is_promised = false;   // A sync that covers it was said to have succeeded.
  bool was_noticed = false;   // It has had its effect.
};

// The harms of one file. Changes are numbered by FileImage::change_count().
class FileHarms {
 public:
  bool empty() const { return all_.empty(); }
  std::vector<FileHarm>& all() { return all_; }
  const std::vector<FileHarm>& all() const { return all_; }

  void add(FileHarm harm) { all_.push_back(harm); }
  // A change of this number has durably replaced these bytes.
  void overwritten(ByteRange range, std::uint64_t change);
  // Everything before `until` was said to be synced.
  void promised(std::uint64_t until);
  // Power was lost: a lost write that nobody was promised is a harm no more.
  void forget_unpromised();

 private:
  std::vector<FileHarm> all_;
};

}  // namespace keelson::sim

// What SQLite knows of a -wal file (https://www.sqlite.org/walformat.html): how much of it counts,
// and whether that can be believed. For whoever remembers more of it than SQLite does.
#pragma once

#include <cstdint>

#include "core/base/result.h"
#include "core/storage/sqlite_files.h"

namespace keelson {

// The frames up to the last commit. A file that begins anew has another salt.
struct WalExtent {
  std::uint64_t salt = 0;
  std::uint64_t frames = 0;

  bool operator==(const WalExtent&) const = default;
};

// As of now: what was recovered, and what was committed since. No frames before a connection has
// looked. Never suspends.
WalExtent wal_extent(SqliteFiles& files);

// Whether the file begins with a header that fits its checksum: SQLite takes a file without one for
// empty. Suspends.
Result<bool> has_wal_header(SqliteFiles& files);

}  // namespace keelson

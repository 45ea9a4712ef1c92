// SqliteVfs: through which one connection of SQLite sees the outside: its two files
// (core/storage/sqlite_files.h), no clock, no sleep, no other file, and chance from us.
//
// The methods run on the calling fiber and suspend where the Disk does. SQLite is C: a fiber that
// is killed in there must not unwind through its frames. So the method catches FiberKilled and
// answers SQLITE_IOERR; SQLite returns, and whoever called it (core/storage/sqlite_database.cc)
// goes on unwinding. If something was being written, the files are given up for good: every later
// call fails without touching the Disk. A read that fails leaves nothing behind.
//
// SQLite has one generator of chance in a process, seeded from its default VFS. Simulated nodes
// must not share it: the VFS of the connection in use is the default one, and the generator is
// reset, whenever SQLite is entered, be it by a call or by a return from the Disk.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "core/base/result.h"
#include "core/storage/sqlite_files.h"

namespace keelson {

class SqliteVfs {
 public:
  // `files` outlives this object.
  explicit SqliteVfs(SqliteFiles& files);
  // REQUIRES: no connection uses it.
  ~SqliteVfs();
  SqliteVfs(const SqliteVfs&) = delete;
  SqliteVfs& operator=(const SqliteVfs&) = delete;

  // A call of SQLite begins: SQLite's default VFS is this one now, and what went wrong is nothing.
  void enter();

  // What SQLite gets for a sync of the -wal file, if it is set, in the place of that.
  void set_sync_wal(std::function<Result<void>()> sync_wal);

  // Since enter(): the first error of a file, and whether the fiber was killed.
  const std::optional<Error>& error() const;
  bool fiber_was_killed() const;

  // How SQLite is set up for the process; nothing happens when it is already.
  static void configure_sqlite();

  struct Parts;  // For the .cc file.

 private:
  std::unique_ptr<Parts> parts_;
};

}  // namespace keelson

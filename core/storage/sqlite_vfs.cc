// Tested by tests/core/storage/sqlite_vfs_test.cc.
#include "core/storage/sqlite_vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <string_view>
#include <utility>

#include "core/base/check.h"
#include "core/runtime/fiber.h"

namespace keelson {

struct SqliteVfs::Parts {
  explicit Parts(SqliteFiles& the_files) : files(the_files) {}

  sqlite3_vfs vfs{};
  SqliteFiles& files;
  std::optional<Error> error;
  bool fiber_was_killed = false;
  std::function<Result<void>()> sync_wal;

  // After a suspension, too, another connection may have been in SQLite.
  void become_default() {
    if (sqlite3_vfs_find(nullptr) != &vfs) CHECK(sqlite3_vfs_register(&vfs, 1) == SQLITE_OK);
    sqlite3_randomness(0, nullptr);
  }
};

namespace {

enum class Kind { database, wal };

// What SQLite knows as an open file.
struct OpenFile {
  sqlite3_file base;
  SqliteVfs::Parts* parts;
  Kind kind;
  // Which of the locks of the shared memory this connection holds, a bit each.
  unsigned locks_shared;
  unsigned locks_exclusive;
};

}  // namespace

// The methods, in the shape SQLite calls them. They let no exception out.
struct SqliteVfsMethods {
  using Parts = SqliteVfs::Parts;

  static OpenFile& of(sqlite3_file* file) { return *reinterpret_cast<OpenFile*>(file); }
  static SqliteFiles& files_of(sqlite3_file* file) { return of(file).parts->files; }
  static bool is_database(sqlite3_file* file) { return of(file).kind == Kind::database; }

  static int fail(Parts& parts, Error error) {
    const bool is_full = error.code == ErrorCode::no_space;
    if (!parts.error) parts.error = std::move(error);
    return is_full ? SQLITE_FULL : SQLITE_IOERR;
  }

  // Runs what may suspend, and stops an unwinding fiber here: nothing that SQLite may still want to
  // do on its way out suspends it again.
  template <typename Operation>
  static int run(sqlite3_file* file, const Operation& operation, bool only_reads = false) {
    Parts& parts = *of(file).parts;
    if (parts.fiber_was_killed) return SQLITE_IOERR;
    try {
      auto done = operation(parts.files);
      parts.become_default();
      if (done) return SQLITE_OK;
      return fail(parts, std::move(done).error());
    } catch (const FiberKilled&) {
      parts.fiber_was_killed = true;
      if (!only_reads) parts.files.abandon();
    }
    return SQLITE_IOERR;
  }

  // --- a file ---

  static int close(sqlite3_file* file) {
    release_locks(file);
    file->pMethods = nullptr;
    return SQLITE_OK;
  }

  static int read(sqlite3_file* file, void* into, int amount, sqlite3_int64 offset) {
    const std::span<char> span(static_cast<char*>(into), static_cast<std::size_t>(amount));
    const auto at = static_cast<std::uint64_t>(offset);
    std::size_t count = span.size();
    const int outcome = run(file, [&](SqliteFiles& files) -> Result<void> {
      if (!is_database(file)) {
        TRY(count, files.read_wal(span, at));
      } else if (span.size() == SqliteFiles::kPageSize) {
        TRY(files.read_page(span, at));
      } else {
        TRY(count, files.read_header(span, at));
      }
      return {};
    }, true);
    if (outcome != SQLITE_OK || count == span.size()) return outcome;
    std::fill(span.begin() + static_cast<std::ptrdiff_t>(count), span.end(), '\0');
    return SQLITE_IOERR_SHORT_READ;
  }

  static int write(sqlite3_file* file, const void* from, int amount, sqlite3_int64 offset) {
    const BytesView bytes(static_cast<const char*>(from), static_cast<std::size_t>(amount));
    const auto at = static_cast<std::uint64_t>(offset);
    return run(file, [&](SqliteFiles& files) {
      return is_database(file) ? files.write_page(bytes, at) : files.write_wal(bytes, at);
    });
  }

  static int truncate(sqlite3_file* file, sqlite3_int64 size) {
    const auto to = static_cast<std::uint64_t>(size);
    return run(file, [&](SqliteFiles& files) {
      return is_database(file) ? files.truncate_database(to) : files.truncate_wal(to);
    });
  }

  static int sync(sqlite3_file* file, int) {
    return run(file, [&](SqliteFiles& files) {
      if (is_database(file)) return files.sync_database();
      const auto& sync_wal = of(file).parts->sync_wal;
      return sync_wal ? sync_wal() : files.sync_wal();
    });
  }

  static int file_size(sqlite3_file* file, sqlite3_int64* size) {
    *size = 0;
    return run(file, [&](SqliteFiles& files) -> Result<void> {
      TRY(const std::uint64_t found,
          is_database(file) ? files.database_size() : files.wal_size());
      *size = static_cast<sqlite3_int64>(found);
      return {};
    }, true);
  }

  // Locks between processes: there is no other one, the Disk sees to that.
  static int lock(sqlite3_file*, int) { return SQLITE_OK; }
  static int unlock(sqlite3_file*, int) { return SQLITE_OK; }
  static int check_reserved_lock(sqlite3_file*, int* is_locked) {
    *is_locked = 0;
    return SQLITE_OK;
  }

  static int file_control(sqlite3_file*, int operation, void* argument) {
    if (operation != SQLITE_FCNTL_PERSIST_WAL) return SQLITE_NOTFOUND;
    *static_cast<int*>(argument) = 1;  // The -wal file is never removed.
    return SQLITE_OK;
  }
  static int sector_size(sqlite3_file*) { return SqliteFiles::kPageSize; }
  static int device_characteristics(sqlite3_file*) { return 0; }

  // --- the index of the -wal file, in memory that the connections share ---

  static int shm_map(sqlite3_file* file, int index, int size, int extend, void volatile** region) {
    auto& regions = files_of(file).shared_memory().regions;
    const auto wanted = static_cast<std::size_t>(index);
    *region = nullptr;
    while (extend != 0 && regions.size() <= wanted) {
      regions.push_back(std::make_unique<char[]>(static_cast<std::size_t>(size)));
    }
    if (wanted < regions.size()) *region = regions[wanted].get();
    return SQLITE_OK;
  }

  static int shm_lock(sqlite3_file* file, int first, int count, int flags) {
    OpenFile& self = of(file);
    auto& readers = files_of(file).shared_memory().readers;
    CHECK(first >= 0 && first + count <= SqliteFiles::SharedMemory::kLocks);
    const unsigned mask = ((1u << count) - 1) << first;
    if ((flags & SQLITE_SHM_UNLOCK) != 0) {
      for (int i = first; i < first + count; ++i) {
        if ((self.locks_exclusive & 1u << i) != 0) readers[static_cast<std::size_t>(i)] = 0;
        if ((self.locks_shared & 1u << i) != 0) --readers[static_cast<std::size_t>(i)];
      }
      self.locks_exclusive &= ~mask;
      self.locks_shared &= ~mask;
      return SQLITE_OK;
    }
    const bool is_shared = (flags & SQLITE_SHM_SHARED) != 0;
    CHECK(!is_shared || count == 1);
    if (is_shared && (self.locks_shared & mask) != 0) return SQLITE_OK;
    CHECK(((self.locks_exclusive | self.locks_shared) & mask) == 0);
    for (int i = first; i < first + count; ++i) {
      const int now = readers[static_cast<std::size_t>(i)];
      if (is_shared ? now < 0 : now != 0) return SQLITE_BUSY;
    }
    for (int i = first; i < first + count; ++i) {
      int& now = readers[static_cast<std::size_t>(i)];
      now = is_shared ? now + 1 : -1;
    }
    (is_shared ? self.locks_shared : self.locks_exclusive) |= mask;
    return SQLITE_OK;
  }

  static void release_locks(sqlite3_file* file) {
    if (is_database(file)) {
      (void)shm_lock(file, 0, SqliteFiles::SharedMemory::kLocks, SQLITE_SHM_UNLOCK);
    }
  }

  static void shm_barrier(sqlite3_file*) {}
  static int shm_unmap(sqlite3_file* file, int) {
    release_locks(file);
    return SQLITE_OK;
  }

  // --- the VFS ---

  static Parts& parts_of(sqlite3_vfs* vfs) { return *static_cast<Parts*>(vfs->pAppData); }

  static int open(sqlite3_vfs* vfs, const char*, sqlite3_file* file, int flags, int* out_flags);

  static int remove(sqlite3_vfs*, const char*, int) { return SQLITE_IOERR_DELETE; }

  // Besides the database there is a -wal file or nothing, never a journal.
  static int access(sqlite3_vfs* vfs, const char* name, int, int* is_there) {
    *is_there = std::string_view(name).ends_with("-wal") && parts_of(vfs).files.has_wal();
    return SQLITE_OK;
  }
  static int full_pathname(sqlite3_vfs*, const char* name, int size, char* out) {
    const std::size_t length = std::strlen(name);
    if (length >= static_cast<std::size_t>(size)) return SQLITE_CANTOPEN;
    std::memcpy(out, name, length + 1);
    return SQLITE_OK;
  }
  static int randomness(sqlite3_vfs* vfs, int count, char* out) {
    parts_of(vfs).files.draw({out, static_cast<std::size_t>(count)});
    return count;
  }
  static int sleep(sqlite3_vfs*, int microseconds) { return microseconds; }
  // Noon of 2000-01-01: nothing that SQLite does for us asks for the time.
  static int current_time(sqlite3_vfs*, sqlite3_int64* milliseconds) {
    *milliseconds = sqlite3_int64{2'451'545} * 86'400'000;
    return SQLITE_OK;
  }
  static int last_error(sqlite3_vfs*, int, char*) { return 0; }
};

namespace {

using Methods = SqliteVfsMethods;

constexpr sqlite3_io_methods kFileMethods = {
    .iVersion = 2,
    .xClose = Methods::close,
    .xRead = Methods::read,
    .xWrite = Methods::write,
    .xTruncate = Methods::truncate,
    .xSync = Methods::sync,
    .xFileSize = Methods::file_size,
    .xLock = Methods::lock,
    .xUnlock = Methods::unlock,
    .xCheckReservedLock = Methods::check_reserved_lock,
    .xFileControl = Methods::file_control,
    .xSectorSize = Methods::sector_size,
    .xDeviceCharacteristics = Methods::device_characteristics,
    .xShmMap = Methods::shm_map,
    .xShmLock = Methods::shm_lock,
    .xShmBarrier = Methods::shm_barrier,
    .xShmUnmap = Methods::shm_unmap,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

}  // namespace

// No I/O: the files are open already.
int SqliteVfsMethods::open(sqlite3_vfs* vfs, const char*, sqlite3_file* file, int flags,
                           int* out_flags) {
  file->pMethods = nullptr;
  Parts& parts = parts_of(vfs);
  const bool is_wal = (flags & SQLITE_OPEN_WAL) != 0;
  if (!is_wal && (flags & SQLITE_OPEN_MAIN_DB) == 0) return SQLITE_CANTOPEN;
  if (is_wal && !parts.files.has_wal()) return SQLITE_CANTOPEN;
  new (file) OpenFile{.base = {.pMethods = &kFileMethods},
                      .parts = &parts,
                      .kind = is_wal ? Kind::wal : Kind::database,
                      .locks_shared = 0,
                      .locks_exclusive = 0};
  if (out_flags != nullptr) *out_flags = flags;
  return SQLITE_OK;
}

void SqliteVfs::configure_sqlite() {
  // These fail once SQLite is initialised, which is after the first of them succeeded: only this
  // function makes use of SQLite first. One thread needs no mutexes, and a fiber that is suspended
  // within SQLite would keep them. Journals of statements stay in memory: there are no other files.
  (void)sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
  (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  (void)sqlite3_config(SQLITE_CONFIG_STMTJRNL_SPILL, -1);
  CHECK(sqlite3_initialize() == SQLITE_OK);
}

SqliteVfs::SqliteVfs(SqliteFiles& files) : parts_(std::make_unique<Parts>(files)) {
  configure_sqlite();
  sqlite3_vfs& vfs = parts_->vfs;
  vfs.iVersion = 2;
  vfs.szOsFile = sizeof(OpenFile);
  vfs.mxPathname = 512;
  vfs.zName = "keelson";
  vfs.pAppData = parts_.get();
  vfs.xOpen = Methods::open;
  vfs.xDelete = Methods::remove;
  vfs.xAccess = Methods::access;
  vfs.xFullPathname = Methods::full_pathname;
  vfs.xRandomness = Methods::randomness;
  vfs.xSleep = Methods::sleep;
  vfs.xGetLastError = Methods::last_error;
  vfs.xCurrentTimeInt64 = Methods::current_time;
}

SqliteVfs::~SqliteVfs() { CHECK(sqlite3_vfs_unregister(&parts_->vfs) == SQLITE_OK); }

void SqliteVfs::set_sync_wal(std::function<Result<void>()> sync_wal) {
  parts_->sync_wal = std::move(sync_wal);
}

void SqliteVfs::enter() {
  parts_->error.reset();
  parts_->fiber_was_killed = false;
  parts_->become_default();
}

const std::optional<Error>& SqliteVfs::error() const { return parts_->error; }
bool SqliteVfs::fiber_was_killed() const { return parts_->fiber_was_killed; }

}  // namespace keelson

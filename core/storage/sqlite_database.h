// A connection to a SQLite database on our Disk, and its prepared statements. Thin: SQL in, Result
// out. Every call may suspend unless it says otherwise, for SQLite reads and writes files; a
// connection is used by one fiber at a time, which the callers see to (CHECKed).
//
// Errors of all calls: corrupt (the message names file and offset where a checksum failed, or the
// table that the schema lacks), no_space (the transaction is to be rolled back, and then the
// connection is as before), io_error. The fiber may be killed inside any call: it unwinds from
// there. If it was writing, all connections to these files are of no use any more; REQUIRES: it
// does not leave a transaction open.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/storage/sqlite_files.h"
#include "core/storage/sqlite_vfs.h"

struct sqlite3;
struct sqlite3_stmt;

namespace keelson {

class SqliteStatement;

class SqliteDatabase {
 public:
  struct Options {
    std::size_t cache_bytes = 2 << 20;
    // What checkpoint() calls, if it is set, where it would sync the -wal file alone, before it
    // copies anything: it must do that. May suspend; must not use this connection.
    std::function<Result<void>()> sync_wal = {};
  };

  // Makes an empty database at `path`, for a -wal file, with what `schema` (SQL) says, durable as
  // far as the file goes; its name is not. `unique`: RandomSource::identifier().
  static Result<void> make(Disk& disk, const std::string& path, const char* schema,
                           BytesView unique, Deadline deadline);

  // A connection to files that exist. `files` outlives it.
  static Result<std::unique_ptr<SqliteDatabase>> open(SqliteFiles& files, Options options);

  // Does no I/O and does not suspend: what was not committed is gone. REQUIRES: its statements are
  // gone, and no fiber is inside a call.
  ~SqliteDatabase();
  SqliteDatabase(const SqliteDatabase&) = delete;
  SqliteDatabase& operator=(const SqliteDatabase&) = delete;

  // One or more statements that give no rows.
  Result<void> execute(const char* sql);
  // One statement, for many uses.
  Result<SqliteStatement> prepare(const char* sql);
  // After an error inside a transaction: undoes it. Nothing happens if SQLite has done that itself.
  // If this fails, the next transaction will, too.
  void roll_back();
  bool is_in_transaction() const;

  struct Checkpoint {
    std::uint64_t frames = 0;  // In the -wal file, when it began.
    std::uint64_t copied = 0;  // Of these.
  };
  // Copies what the -wal file has to the database file, and syncs both, beside whatever other
  // connections do; as far as their reading lets it. Once all is copied, and nobody reads what is
  // in the -wal file, the next transaction begins that file anew, which takes a sync of it.
  Result<Checkpoint> checkpoint();

 private:
  friend class SqliteStatement;
  class Call;

  explicit SqliteDatabase(SqliteFiles& files) : files_(files), vfs_(files) {}
  Result<void> open_connection(const Options& options);
  Error error_of(int code, const char* what);

  SqliteFiles& files_;
  SqliteVfs vfs_;
  sqlite3* connection_ = nullptr;
  bool is_in_call_ = false;
};

// Used in turns of: bind all, step until there are no rows or as far as wanted, reset.
class SqliteStatement {
 public:
  SqliteStatement() = default;
  ~SqliteStatement();
  SqliteStatement(SqliteStatement&& other) noexcept;
  SqliteStatement& operator=(SqliteStatement&& other) noexcept {
    std::swap(database_, other.database_);
    std::swap(statement_, other.statement_);
    return *this;
  }

  // The nth parameter, from 1. Neither suspends. Bytes stay where they are until reset().
  SqliteStatement& bind(int parameter, std::uint64_t value);
  SqliteStatement& bind(int parameter, BytesView value);

  // True: there is a row, whose columns, from 0, are valid until the next call.
  Result<bool> step();
  std::uint64_t integer(int column) const;
  BytesView bytes(int column) const;
  bool is_null(int column) const;
  // Does not suspend.
  void reset();

  // All of a statement that gives no rows; resets it.
  Result<void> run();

 private:
  friend class SqliteDatabase;
  SqliteStatement(SqliteDatabase& database, sqlite3_stmt* statement)
      : database_(&database), statement_(statement) {}

  SqliteDatabase* database_ = nullptr;
  sqlite3_stmt* statement_ = nullptr;
};

}  // namespace keelson

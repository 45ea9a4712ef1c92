// Tested by tests/core/storage/sqlite_vfs_test.cc.
#include "core/storage/sqlite_database.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <climits>
#include <string_view>
#include <utility>

#include "core/base/check.h"
#include "core/runtime/fiber.h"

namespace keelson {

namespace {

// What every connection is told. Commits sync nothing and checkpoints are ours; without spilling,
// a transaction touches the -wal file only when it commits.
constexpr char kSettings[] =
    "PRAGMA synchronous=NORMAL;"
    "PRAGMA wal_autocheckpoint=0;"
    "PRAGMA temp_store=MEMORY;"
    "PRAGMA cache_spill=OFF;"
    "PRAGMA secure_delete=OFF;"
    "PRAGMA mmap_size=0;";

}  // namespace

// Around every call of SQLite that may touch a file.
class SqliteDatabase::Call {
 public:
  explicit Call(SqliteDatabase& database) : database_(database) {
    CHECK(!database_.is_in_call_);  // Another fiber is suspended in there.
    database_.is_in_call_ = true;
    database_.vfs_.enter();
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() { database_.is_in_call_ = false; }

  bool fiber_was_killed() const { return database_.vfs_.fiber_was_killed(); }

  // SQLite has returned. A killed fiber goes on unwinding.
  int ended(int code) const {
    if (fiber_was_killed()) Fiber::go_on_unwinding();
    return code;
  }

 private:
  SqliteDatabase& database_;
};

// --- connections ---

Result<void> SqliteDatabase::make(Disk& disk, const std::string& path, const char* schema,
                                  BytesView unique, Deadline deadline) {
  TRY(const auto files,
      SqliteFiles::open(disk, path, SqliteFiles::Purpose::make, unique, deadline));
  files->set_deadline(deadline);
  SqliteDatabase database(*files);
  TRY(database.open_connection({}));
  int reserved = SqliteFiles::kPageReserved;
  CHECK(sqlite3_file_control(database.connection_, "main", SQLITE_FCNTL_RESERVE_BYTES,
                             &reserved) == SQLITE_OK);
  // Nobody sees the file before it is complete, so it needs no journal.
  TRY(database.execute("PRAGMA page_size=4096; PRAGMA auto_vacuum=NONE;"
                       "PRAGMA journal_mode=OFF;"));
  TRY(database.execute(schema));
  TRY(database.execute("PRAGMA journal_mode=WAL;"));
  return files->sync_database();
}

Result<std::unique_ptr<SqliteDatabase>> SqliteDatabase::open(SqliteFiles& files, Options options) {
  std::unique_ptr<SqliteDatabase> database(new SqliteDatabase(files));
  database->vfs_.set_sync_wal(std::move(options.sync_wal));
  TRY(database->open_connection(options));
  return database;
}

Result<void> SqliteDatabase::open_connection(const Options& options) {
  {
    const Call call(*this);
    // The VFS is the default one of this moment: no name of it is needed.
    const int code = call.ended(sqlite3_open_v2(
        files_.path().c_str(), &connection_,
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr));
    if (code != SQLITE_OK) return error_of(code, "open");
  }
  CHECK(sqlite3_db_config(connection_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr) == SQLITE_OK);
  TRY(execute(kSettings));
  return execute(fmt::format("PRAGMA cache_size=-{};", options.cache_bytes / 1024).c_str());
}

SqliteDatabase::~SqliteDatabase() {
  CHECK(!is_in_call_);
  vfs_.enter();
  CHECK(sqlite3_close(connection_) == SQLITE_OK);  // Fails when statements are left.
}

Error SqliteDatabase::error_of(int code, const char* what) {
  const int primary = code & 0xff;
  if (vfs_.error() && primary != SQLITE_CORRUPT && primary != SQLITE_NOTADB) return *vfs_.error();
  const char* const text = connection_ == nullptr ? "" : sqlite3_errmsg(connection_);
  const std::string message = fmt::format("{}: {}: {}", files_.path(), what, text);
  switch (primary) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return {ErrorCode::corrupt, message};
    case SQLITE_FULL: return {ErrorCode::no_space, message};
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR: return {ErrorCode::io_error, message};
    default: break;
  }
  // The schema was whole when the file got its name: the disk has lost a write of page 1 and kept
  // an older one, whose checksum is as good.
  if (std::string_view(text).starts_with("no such table: ")) return {ErrorCode::corrupt, message};
  check_failed(message.c_str(), __FILE__, __LINE__);  // Our SQL is wrong, or memory is gone.
}

Result<void> SqliteDatabase::execute(const char* sql) {
  const Call call(*this);
  const int code = call.ended(sqlite3_exec(connection_, sql, nullptr, nullptr, nullptr));
  if (code != SQLITE_OK) return error_of(code, sql);
  return {};
}

Result<SqliteStatement> SqliteDatabase::prepare(const char* sql) {
  const Call call(*this);
  sqlite3_stmt* statement = nullptr;
  const int code = call.ended(sqlite3_prepare_v3(connection_, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                                 &statement, nullptr));
  if (code != SQLITE_OK) return error_of(code, sql);
  CHECK(statement != nullptr);
  return SqliteStatement(*this, statement);
}

bool SqliteDatabase::is_in_transaction() const { return sqlite3_get_autocommit(connection_) == 0; }

void SqliteDatabase::roll_back() {
  files_.forget_gathered();
  if (!is_in_transaction()) return;
  const Call call(*this);
  (void)call.ended(sqlite3_exec(connection_, "ROLLBACK", nullptr, nullptr, nullptr));
  CHECK(!is_in_transaction());
}

Result<SqliteDatabase::Checkpoint> SqliteDatabase::checkpoint() {
  const Call call(*this);
  int in_wal = 0;
  int copied = 0;
  const int code = call.ended(sqlite3_wal_checkpoint_v2(
      connection_, "main", SQLITE_CHECKPOINT_PASSIVE, &in_wal, &copied));
  CHECK(code != SQLITE_BUSY);  // Callers let one end before they begin another.
  if (code != SQLITE_OK) return error_of(code, "checkpoint");
  CHECK(in_wal >= copied && copied >= 0);
  return Checkpoint{.frames = static_cast<std::uint64_t>(in_wal),
                    .copied = static_cast<std::uint64_t>(copied)};
}

// --- statements ---

SqliteStatement::~SqliteStatement() { (void)sqlite3_finalize(statement_); }

SqliteStatement::SqliteStatement(SqliteStatement&& other) noexcept
    : database_(other.database_), statement_(std::exchange(other.statement_, nullptr)) {}

SqliteStatement& SqliteStatement::bind(int parameter, std::uint64_t value) {
  CHECK(sqlite3_bind_int64(statement_, parameter, static_cast<sqlite3_int64>(value)) == SQLITE_OK);
  return *this;
}

SqliteStatement& SqliteStatement::bind(int parameter, BytesView value) {
  CHECK(value.size() <= INT_MAX);
  // An empty view may have no address, which SQLite would take for NULL.
  const char* const data = value.empty() ? "" : value.data();
  CHECK(sqlite3_bind_blob(statement_, parameter, data, static_cast<int>(value.size()),
                          SQLITE_STATIC) == SQLITE_OK);
  return *this;
}

Result<bool> SqliteStatement::step() {
  const SqliteDatabase::Call call(*database_);
  int code = sqlite3_step(statement_);
  if (call.fiber_was_killed()) code = sqlite3_reset(statement_);  // For whoever uses it next.
  code = call.ended(code);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  Error error = database_->error_of(code, sqlite3_sql(statement_));
  sqlite3_reset(statement_);
  return error;
}

std::uint64_t SqliteStatement::integer(int column) const {
  return static_cast<std::uint64_t>(sqlite3_column_int64(statement_, column));
}

BytesView SqliteStatement::bytes(int column) const {
  const void* const data = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  if (size == 0) return {};
  CHECK(data != nullptr);
  return {static_cast<const char*>(data), static_cast<std::size_t>(size)};
}

bool SqliteStatement::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

void SqliteStatement::reset() { sqlite3_reset(statement_); }

Result<void> SqliteStatement::run() {
  const auto row = step();
  if (!row) return row.error();
  CHECK(!*row);
  reset();
  return {};
}

}  // namespace keelson

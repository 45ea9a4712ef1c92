// The SQL of the state's database (core/kv/state_store.h says what the tables are for). For the .cc
// files of the state store alone. Numbers of 64 bits without a sign are stored as SQLite's signed
// ones, bit by bit; none is compared by SQL.
#pragma once

namespace keelson::kv::sql {

// kv has row ids: without them a value of a kilobyte would not fit into a page of the index and
// would take a page of its own. A group's row carries what is replicated of it, and `store`, where
// its content is.
inline constexpr char kSchema[] = R"(
CREATE TABLE groups(
  id INTEGER PRIMARY KEY, store INTEGER NOT NULL,
  label_index INTEGER NOT NULL, label_term INTEGER NOT NULL, configuration BLOB NOT NULL,
  digest INTEGER NOT NULL, tokens INTEGER NOT NULL);
CREATE TABLE kv(
  store INTEGER NOT NULL, key BLOB NOT NULL, version INTEGER NOT NULL, value BLOB NOT NULL,
  UNIQUE(store, key));
CREATE TABLE tokens(
  store INTEGER NOT NULL, slot INTEGER NOT NULL, number INTEGER NOT NULL, token BLOB NOT NULL,
  outcome BLOB NOT NULL, PRIMARY KEY(store, slot)) WITHOUT ROWID;
CREATE TABLE staging(
  id INTEGER PRIMARY KEY, snapshot INTEGER NOT NULL,
  label_index INTEGER NOT NULL, label_term INTEGER NOT NULL, store INTEGER NOT NULL,
  next_chunk INTEGER NOT NULL, progress BLOB NOT NULL, rest BLOB NOT NULL);
CREATE TABLE garbage(store INTEGER PRIMARY KEY);
)";

inline constexpr char kLoadGroups[] =
    "SELECT id, store, label_index, label_term, configuration, digest, tokens FROM groups "
    "ORDER BY id";
inline constexpr char kLoadGroup[] =
    "SELECT id, store, label_index, label_term, configuration, digest, tokens FROM groups "
    "WHERE id=?1";
inline constexpr char kSaveGroup[] =
    "INSERT OR REPLACE INTO groups VALUES(?1,?2,?3,?4,?5,?6,?7)";

inline constexpr char kFindVersion[] = "SELECT version FROM kv WHERE store=?1 AND key=?2";
inline constexpr char kFindValue[] = "SELECT version, value FROM kv WHERE store=?1 AND key=?2";
inline constexpr char kScan[] =
    "SELECT key, version, value FROM kv WHERE store=?1 AND key>=?2 AND key<?3 ORDER BY key "
    "LIMIT ?4";
inline constexpr char kScanToEnd[] =
    "SELECT key, version, value FROM kv WHERE store=?1 AND key>=?2 ORDER BY key LIMIT ?3";
inline constexpr char kPut[] =
    "INSERT INTO kv VALUES(?1,?2,?3,?4) "
    "ON CONFLICT(store, key) DO UPDATE SET version=?3, value=?4";
inline constexpr char kRemove[] = "DELETE FROM kv WHERE store=?1 AND key=?2";
inline constexpr char kWalkContent[] =
    "SELECT key, version, value FROM kv WHERE store=?1 ORDER BY key";

inline constexpr char kPutToken[] = "INSERT OR REPLACE INTO tokens VALUES(?1,?2,?3,?4,?5)";
inline constexpr char kFindToken[] =
    "SELECT token, outcome FROM tokens WHERE store=?1 AND slot=?2";
// Oldest first: once from the slot of the next token on, once up to there.
inline constexpr char kWalkTokens[] =
    "SELECT number, token, outcome FROM tokens WHERE store=?1 AND slot>=?2 AND slot<?3 "
    "ORDER BY slot";

inline constexpr char kLoadStaging[] =
    "SELECT snapshot, label_index, label_term, store, next_chunk, progress, rest FROM staging "
    "WHERE id=?1";
inline constexpr char kSaveStaging[] =
    "INSERT OR REPLACE INTO staging VALUES(?1,?2,?3,?4,?5,?6,?7,?8)";
inline constexpr char kDropStaging[] = "DELETE FROM staging WHERE id=?1";

inline constexpr char kLoadGarbage[] = "SELECT store FROM garbage ORDER BY store";
inline constexpr char kAddGarbage[] = "INSERT INTO garbage VALUES(?1)";
inline constexpr char kDropGarbage[] = "DELETE FROM garbage WHERE store=?1";
inline constexpr char kHighestStore[] =
    "SELECT max(store) FROM (SELECT store FROM groups UNION ALL SELECT store FROM staging "
    "UNION ALL SELECT store FROM garbage)";
inline constexpr char kNthKey[] =
    "SELECT key FROM kv WHERE store=?1 ORDER BY key LIMIT 1 OFFSET ?2";
inline constexpr char kSweepBefore[] = "DELETE FROM kv WHERE store=?1 AND key<?2";
inline constexpr char kSweepKeys[] = "DELETE FROM kv WHERE store=?1";
inline constexpr char kSweepTokens[] = "DELETE FROM tokens WHERE store=?1";

}  // namespace keelson::kv::sql

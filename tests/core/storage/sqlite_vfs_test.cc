// SQLite over our Disk: what is durable when, how damage shows, and what a fiber leaves that dies
// in there.
#include "core/storage/sqlite_vfs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/storage/sqlite_database.h"
#include "tests/core/storage/one_machine.h"

namespace keelson {
namespace {

using namespace std::chrono_literals;
using sim::DiskOperation;
using sim::HarmKind;

constexpr char kPath[] = "state.db";
constexpr char kWalPath[] = "state.db-wal";
constexpr std::uint64_t kPageSize = SqliteFiles::kPageSize;

// A database of numbered texts, as a program on a machine has it open.
class Texts {
 public:
  static Result<std::unique_ptr<Texts>> open(Env& env) {
    const Deadline never = Deadline::never();
    TRY(const auto names, env.disk.list("", never));
    if (std::find(names.begin(), names.end(), kPath) == names.end()) {
      TRY(SqliteDatabase::make(env.disk, kPath,
                               "CREATE TABLE t(id INTEGER PRIMARY KEY, text BLOB)",
                               env.random.identifier(), never));
      TRY(const auto wal, env.disk.open(kWalPath, OpenMode::create, never));
      TRY(env.disk.sync_directory("", never));
    }
    auto texts = std::make_unique<Texts>();
    TRY(texts->files, SqliteFiles::open(env.disk, kPath, SqliteFiles::Purpose::use,
                                        env.random.identifier(), never));
    texts->files->set_pages_together(5 * kPageSize);
    TRY(texts->database, SqliteDatabase::open(*texts->files, {.cache_bytes = 64 * 1024}));
    TRY(texts->put_, texts->database->prepare("INSERT OR REPLACE INTO t VALUES(?1,?2)"));
    TRY(texts->get_, texts->database->prepare("SELECT text FROM t WHERE id=?1"));
    return texts;
  }

  Result<void> put(std::uint64_t id, BytesView text) {
    auto done = put_.bind(1, id).bind(2, text).run();
    if (!done) database->roll_back();
    return done;
  }
  Result<std::optional<Bytes>> get(std::uint64_t id) {
    get_.bind(1, id);
    TRY(const bool is_row, get_.step());
    std::optional<Bytes> text;
    if (is_row) text = Bytes(get_.bytes(0));
    get_.reset();
    return text;
  }

  std::unique_ptr<SqliteFiles> files;
  std::unique_ptr<SqliteDatabase> database;

 private:
  SqliteStatement put_, get_;
};

std::unique_ptr<Texts> opened(Env& env) {
  auto texts = Texts::open(env);
  EXPECT_TRUE(texts.has_value()) << (texts ? "" : texts.error().message);
  CHECK(texts.has_value());
  return *std::move(texts);
}

// A value that fills several pages and tells which it is.
Bytes long_text(std::uint64_t number) {
  Bytes text;
  while (text.size() < 10'000) text += std::to_string(number) + " ";
  return text;
}

class SqliteVfsTest : public testing::Test {
 protected:
  // Twenty long texts in the database file, and none of them in the -wal file, which is begun anew.
  void make_checkpointed() {
    machine_.run([&](Env& env) {
      const auto texts = opened(env);
      for (std::uint64_t id = 0; id < 20; ++id) EXPECT_TRUE(texts->put(id, long_text(id)));
      const auto done = texts->database->checkpoint();
      ASSERT_TRUE(done.has_value());
      EXPECT_EQ(done->copied, done->frames);
      EXPECT_TRUE(texts->put(1000, "the only one in the -wal file"));
    });
  }

  OneMachine machine_;
};

TEST_F(SqliteVfsTest, WhatWasCommittedIsThereWhenTheProcessComesBack) {
  machine_.run([&](Env& env) { EXPECT_TRUE(opened(env)->put(1, "one")); });
  machine_.run([&](Env& env) { EXPECT_EQ(*opened(env)->get(1), "one"); });
}

TEST_F(SqliteVfsTest, ALossOfPowerTakesCommitsThatWereNotSyncedAndNoOthers) {
  machine_.lose_all_unsynced();
  machine_.begin([&](Env& env) {
    const auto texts = opened(env);
    EXPECT_TRUE(texts->put(1, "one"));
    EXPECT_TRUE(texts->files->sync_wal());
    EXPECT_TRUE(texts->put(2, "two"));
    (void)env.stop_requested.wait(Deadline::never());
  }, 1s);
  machine_.lose_power();
  machine_.run([&](Env& env) {
    const auto texts = opened(env);
    EXPECT_EQ(*texts->get(1), "one");
    EXPECT_EQ(*texts->get(2), std::nullopt);
  });
}

TEST_F(SqliteVfsTest, ACommitSyncsNothing) {
  machine_.run([&](Env& env) {
    const auto texts = opened(env);
    EXPECT_TRUE(texts->put(1, "one"));  // Syncs the header of the -wal file.
    const sim::TrueTime before = machine_.world.now();
    for (std::uint64_t id = 2; id < 50; ++id) EXPECT_TRUE(texts->put(id, long_text(id)));
    EXPECT_EQ(machine_.world.now(), before);
  });
}

TEST_F(SqliteVfsTest, AReaderSeesOneMomentWhileOthersWriteAndCheckpoint) {
  machine_.run([&](Env& env) {
    const auto texts = opened(env);
    for (std::uint64_t id = 0; id < 50; ++id) EXPECT_TRUE(texts->put(id, long_text(id)));
    auto reader = SqliteDatabase::open(*texts->files, {.cache_bytes = 64 * 1024});
    ASSERT_TRUE(reader.has_value());
    ASSERT_TRUE((*reader)->execute("BEGIN"));
    auto rows = (*reader)->prepare("SELECT id, text FROM t ORDER BY id");
    ASSERT_TRUE(rows.has_value());
    for (std::uint64_t id = 0; id < 50; ++id) {
      ASSERT_TRUE(*rows->step());
      EXPECT_EQ(rows->integer(0), id);
      EXPECT_EQ(rows->bytes(1), long_text(id));
      EXPECT_TRUE(texts->put(49 - id, "overwritten"));
      if (id % 10 != 0) continue;
      const auto checkpoint = texts->database->checkpoint();
      ASSERT_TRUE(checkpoint.has_value());
      EXPECT_LT(checkpoint->copied, checkpoint->frames);
    }
    EXPECT_FALSE(*rows->step());
    EXPECT_EQ(*texts->get(0), "overwritten");
  });
}

// Then some of what it has copied is not in the file yet; whoever begins to read sees it.
TEST_F(SqliteVfsTest, WhatACheckpointHasCopiedIsReadEvenIfItDidNotComeToTheEnd) {
  for (std::uint64_t texts_put = 1; texts_put < 12; ++texts_put) {
    OneMachine machine;
    machine.run([&](Env& env) {
      const auto texts = opened(env);
      for (std::uint64_t id = 0; id < texts_put; ++id) EXPECT_TRUE(texts->put(id, long_text(id)));
      auto reader = SqliteDatabase::open(*texts->files, {.cache_bytes = 64 * 1024});
      ASSERT_TRUE(reader.has_value());
      {
        auto row = (*reader)->prepare("SELECT count(*) FROM t");
        ASSERT_TRUE(row.has_value());
        ASSERT_TRUE((*reader)->execute("BEGIN"));
        ASSERT_TRUE(*row->step());
        row->reset();
        EXPECT_TRUE(texts->put(1000, "what the reader does not see"));
        const auto checkpoint = texts->database->checkpoint();
        ASSERT_TRUE(checkpoint.has_value());
        EXPECT_GT(checkpoint->copied, 0u);
        EXPECT_LT(checkpoint->copied, checkpoint->frames);
      }
      auto other = SqliteDatabase::open(*texts->files, {.cache_bytes = 64 * 1024});
      ASSERT_TRUE(other.has_value());
      auto rows = (*other)->prepare("SELECT text FROM t WHERE id<1000 ORDER BY id");
      ASSERT_TRUE(rows.has_value());
      for (std::uint64_t id = 0; id < texts_put; ++id) {
        ASSERT_TRUE(*rows->step());
        EXPECT_EQ(rows->bytes(0), long_text(id));
      }
      rows->reset();
    });
    machine.run([&](Env& env) {
      const auto texts = opened(env);
      for (std::uint64_t id = 0; id < texts_put; ++id) EXPECT_EQ(*texts->get(id), long_text(id));
    });
  }
}

// --- damage ---

TEST_F(SqliteVfsTest, AFlippedBitOfAPageIsFoundByWhoeverReadsIt) {
  make_checkpointed();
  const std::uint64_t size = machine_.disk().read_visible(kPath)->size();
  ASSERT_GT(size, 20 * kPageSize);
  ASSERT_TRUE(machine_.disk().harm_at(HarmKind::flipped_bits, kPath, 9 * kPageSize + 4090, 1));
  machine_.run([&](Env& env) {
    const auto texts = opened(env);
    std::size_t damaged = 0;
    for (std::uint64_t id = 0; id < 20; ++id) {
      const auto text = texts->get(id);
      if (text) {
        EXPECT_EQ(*text, long_text(id));
        continue;
      }
      ++damaged;
      EXPECT_EQ(text.error().code, ErrorCode::corrupt);
      EXPECT_EQ(text.error().message, "state.db: page 10 at offset 36864 fails its checksum");
    }
    EXPECT_GT(damaged, 0u);
    EXPECT_LT(damaged, 5u);
  });
}

TEST_F(SqliteVfsTest, APageOfAnotherPlaceIsFound) {
  make_checkpointed();
  machine_.run([&](Env& env) {
    auto file = *env.disk.open(kPath, OpenMode::existing, Deadline::never());
    Bytes page(kPageSize, '\0');
    ASSERT_EQ(*file->pread(page, 9 * kPageSize, Deadline::never()), kPageSize);
    ASSERT_TRUE(file->pwrite(page, 12 * kPageSize, Deadline::never()));
  });
  machine_.run([&](Env& env) {
    const auto texts = opened(env);
    std::size_t damaged = 0;
    for (std::uint64_t id = 0; id < 20; ++id) {
      const auto text = texts->get(id);
      if (text) continue;
      ++damaged;
      EXPECT_EQ(text.error().message, "state.db: page 13 at offset 49152 fails its checksum");
    }
    EXPECT_EQ(damaged, 1u);
  });
}

TEST_F(SqliteVfsTest, AFileThatIsTooShortIsFound) {
  make_checkpointed();
  machine_.run([&](Env& env) {
    auto file = *env.disk.open(kPath, OpenMode::existing, Deadline::never());
    ASSERT_TRUE(file->truncate(12 * kPageSize + 100, Deadline::never()));
  });
  machine_.run([&](Env& env) {
    const auto texts = opened(env);
    std::size_t damaged = 0;
    for (std::uint64_t id = 0; id < 20; ++id) {
      const auto text = texts->get(id);
      if (text) continue;
      ++damaged;
      EXPECT_EQ(text.error().code, ErrorCode::corrupt);
    }
    EXPECT_GT(damaged, 5u);
  });
}

// All pages of the database file are garbage, as if torn by a checkpoint, but for one.
TEST_F(SqliteVfsTest, PagesThatTheWalFileWillReplaceMayBeTorn) {
  machine_.run([&](Env& env) {
    const auto texts = opened(env);
    // A second transaction that touches page 1 and all others.
    EXPECT_TRUE(texts->database->execute("CREATE TABLE other(a)"));
    for (std::uint64_t id = 0; id < 20; ++id) EXPECT_TRUE(texts->put(id, long_text(id)));
  });
  machine_.run([&](Env& env) {
    auto file = *env.disk.open(kPath, OpenMode::existing, Deadline::never());
    ASSERT_TRUE(file->pwrite(Bytes(kPageSize, 'x'), 0, Deadline::never()));
  });
  machine_.run([&](Env& env) {
    const auto texts = opened(env);
    for (std::uint64_t id = 0; id < 20; ++id) EXPECT_EQ(*texts->get(id), long_text(id));
    EXPECT_TRUE(texts->database->checkpoint());  // Makes them whole.
  });
  machine_.run([&](Env& env) {
    const auto texts = opened(env);
    EXPECT_EQ(*texts->get(3), long_text(3));
  });
}

// The disk has kept an older page 1, whose checksum is as good as that of the one it lost.
TEST_F(SqliteVfsTest, ASchemaThatLacksATableIsDamage) {
  machine_.run([&](Env& env) {
    const auto texts = opened(env);
    const auto statement = texts->database->prepare("SELECT 1 FROM a_table_that_was_made");
    ASSERT_FALSE(statement);
    EXPECT_EQ(statement.error().code, ErrorCode::corrupt);
    EXPECT_NE(statement.error().message.find("no such table"), std::string::npos);
  });
}

TEST_F(SqliteVfsTest, AFrameThatRotsWhileTheDatabaseIsOpenIsFound) {
  machine_.run([&](Env& env) {
    const auto texts = opened(env);
    for (std::uint64_t id = 0; id < 20; ++id) EXPECT_TRUE(texts->put(id, long_text(id)));
    EXPECT_TRUE(texts->files->sync_wal());
    ASSERT_TRUE(machine_.disk().harm_at(HarmKind::flipped_bits, kWalPath, 32 + 30 * 4120 + 24, 1));
    const auto checkpoint = texts->database->checkpoint();
    ASSERT_FALSE(checkpoint.has_value());
    EXPECT_EQ(checkpoint.error().code, ErrorCode::corrupt);
    EXPECT_EQ(checkpoint.error().message,
              "state.db-wal: frame 31 at offset 123632 fails its checksum");
  });
}

// --- errors ---

TEST_F(SqliteVfsTest, AFullDiskUndoesTheTransactionAndNothingElse) {
  machine_.run([&](Env& env) {
    const auto texts = opened(env);
    EXPECT_TRUE(texts->put(1, "one"));
    machine_.disk().leave_free(20'000);
    const auto refused = texts->put(2, Bytes(100'000, 'x'));
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, ErrorCode::no_space);
    EXPECT_EQ(*texts->get(1), "one");
    EXPECT_EQ(*texts->get(2), std::nullopt);
    machine_.disk().set_capacity(std::nullopt);
    EXPECT_TRUE(texts->put(2, "two"));
    EXPECT_EQ(*texts->get(2), "two");
    EXPECT_TRUE(texts->database->checkpoint());
  });
  machine_.run([&](Env& env) { EXPECT_EQ(*opened(env)->get(2), "two"); });
}

TEST_F(SqliteVfsTest, AfterAFailedSyncNothingIsPromisedAnyMore) {
  machine_.run([&](Env& env) {
    const auto texts = opened(env);
    EXPECT_TRUE(texts->put(1, "one"));
    machine_.disk().fail_next(DiskOperation::sync);
    EXPECT_EQ(texts->files->sync_wal().error().code, ErrorCode::io_error);
    EXPECT_EQ(texts->files->sync_wal().error().code, ErrorCode::io_error);
    EXPECT_EQ(texts->put(2, "two").error().code, ErrorCode::io_error);
    EXPECT_EQ(texts->database->checkpoint().error().code, ErrorCode::io_error);
  });
}

TEST_F(SqliteVfsTest, AFailedWriteOrReadIsAnErrorOfTheDisk) {
  make_checkpointed();
  machine_.run([&](Env& env) {
    const auto texts = opened(env);
    machine_.disk().fail_next(DiskOperation::write);
    EXPECT_EQ(texts->put(1, "again").error().code, ErrorCode::io_error);
    machine_.disk().fail_next(DiskOperation::read);
    EXPECT_EQ(texts->get(7).error().code, ErrorCode::io_error);
    EXPECT_EQ(*texts->get(7), long_text(7));
  });
}

// --- death ---

// Wherever in a commit or a checkpoint power is lost, the committed and synced is there, and the
// rest is whole. The sanitizers see that nothing is leaked.
TEST(SqliteVfsDeathOfAFiberTest, AFiberMayDieAnywhere) {
  std::map<std::uint64_t, int> found;  // How many transactions survived -> how often.
  for (Duration at{}; at < 12ms; at += 397us) {
    OneMachine machine(static_cast<std::uint64_t>(at.count()));
    machine.set_losses({.lose_all_per_million = 300'000,
                        .lose_write_per_million = 300'000,
                        .tear_write_per_million = 300'000});
    machine.run([&](Env& env) { (void)opened(env); });
    auto conditions = machine.disk().conditions();
    conditions.write_latency = 20us;
    conditions.read_latency = 10us;
    machine.disk().set_conditions(conditions);
    std::uint64_t durable = 0;
    std::uint64_t committed = 0;
    machine.begin([&](Env& env) {
      const auto texts = opened(env);
      auto other = SqliteDatabase::open(*texts->files, {});
      CHECK(other.has_value());
      env.scheduler.spawn("checkpoints", [&] {
        while (true) {
          const std::uint64_t now = committed;
          if (!texts->files->sync_wal()) return;
          durable = now;
          if (!(*other)->checkpoint()) return;
        }
      });
      for (std::uint64_t id = 0;; ++id) {
        if (!texts->put(id, long_text(id)) || !texts->put(1000, std::to_string(id))) return;
        committed = id;
      }
    }, at);
    machine.lose_power();
    machine.disk().heal();
    machine.run([&](Env& env) {
      const auto texts = opened(env);
      const auto last = texts->get(1000);
      ASSERT_TRUE(last.has_value()) << last.error().message;
      const std::uint64_t survived = *last ? std::stoull(**last) : 0;
      EXPECT_GE(survived, durable);
      ++found[survived];
      for (std::uint64_t id = 0; *last && id <= survived; ++id) {
        EXPECT_EQ(*texts->get(id), long_text(id));
      }
    });
  }
  EXPECT_GT(found.size(), 5u);  // It died at many different places.
}

TEST_F(SqliteVfsTest, TheDeathOfAFiberThatReadsLeavesTheConnectionToOthers) {
  machine_.run([&](Env& env) {
    const auto texts = opened(env);
    for (std::uint64_t id = 0; id < 50; ++id) EXPECT_TRUE(texts->put(id, long_text(id)));
    EXPECT_TRUE(texts->database->checkpoint());
    auto other = *SqliteDatabase::open(*texts->files, {});
    auto conditions = machine_.disk().conditions();
    conditions.read_latency = 1ms;
    machine_.disk().set_conditions(conditions);
    auto sum = *other->prepare("SELECT count(*), sum(length(text)) FROM t");
    Fiber& fiber = env.scheduler.spawn("reader", [&] { (void)sum.step(); });
    env.scheduler.sleep_for(100us);
    ASSERT_FALSE(fiber.ended());
    env.scheduler.kill(fiber);
    EXPECT_FALSE(texts->files->is_abandoned());
    const auto row = sum.step();
    ASSERT_TRUE(row) << row.error().message;
    EXPECT_EQ(sum.integer(0), 50u);
    sum.reset();
    EXPECT_TRUE(texts->put(51, "more"));
  });
}

TEST_F(SqliteVfsTest, AfterTheDeathOfAFiberInACallNoOtherConnectionTouchesTheDisk) {
  machine_.run([&](Env& env) {
    const auto texts = opened(env);
    auto other = *SqliteDatabase::open(*texts->files, {});
    ASSERT_TRUE(other->execute("SELECT count(*) FROM t"));
    EXPECT_TRUE(texts->put(1, "one"));
    Fiber& fiber = env.scheduler.spawn("checkpoint", [&] { (void)other->checkpoint(); });
    env.scheduler.sleep_for(100us);
    ASSERT_FALSE(fiber.ended());
    env.scheduler.kill(fiber);
    EXPECT_TRUE(texts->files->is_abandoned());
    EXPECT_EQ(texts->put(2, "two").error().code, ErrorCode::io_error);
    EXPECT_EQ(other->checkpoint().error().code, ErrorCode::io_error);
  });
  machine_.run([&](Env& env) { EXPECT_EQ(*opened(env)->get(1), "one"); });
}

// --- determinism ---

// The bytes of both files after the same program, beside which another machine may do other things.
std::pair<Bytes, Bytes> files_after_program(bool with_another) {
  sim::Choices choices(7);
  sim::World world(choices, {.shuffle_fibers = false, .uptime_limit = Duration::zero()});
  sim::Machine& machine = world.add_machine("n1");
  sim::Machine& another = world.add_machine("n2");
  for (sim::Machine* const one : {&machine, &another}) {
    auto conditions = one->disk().conditions();
    conditions.write_latency = one == &machine ? 20us : 7us;
    one->disk().set_conditions(conditions);
  }
  const auto program = [](std::uint64_t step) {
    return [step](Env& env) {
      const auto texts = opened(env);
      for (std::uint64_t id = 0; id < 30; id += step) {
        EXPECT_TRUE(texts->put(id, long_text(id)));
        EXPECT_TRUE(texts->database->checkpoint());  // Begins the -wal file anew, with a new salt.
      }
    };
  };
  machine.start(program(1));
  if (with_another) another.start(program(3));
  world.run_for(10s);
  EXPECT_FALSE(machine.is_running() || another.is_running());
  return {*machine.disk().read_visible(kPath), *machine.disk().read_visible(kWalPath)};
}

TEST(SqliteVfsDeterminismTest, TheBytesOnDiskAreAFunctionOfTheRun) {
  const auto alone = files_after_program(false);
  EXPECT_TRUE(alone == files_after_program(false));
  EXPECT_TRUE(alone == files_after_program(true));
}

}  // namespace
}  // namespace keelson

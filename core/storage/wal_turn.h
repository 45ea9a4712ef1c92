// Wal::Turn: one fiber at a time writes to the log; Wal::Waiting: who wants to. For wal.cc and
// wal_upkeep.cc.
#pragma once

#include "core/base/check.h"
#include "core/storage/wal.h"

namespace keelson::storage {

// Held while a batch or zeros are written. If the writing fiber is killed or meets an error whose
// outcome is unknown, the log has failed; the fibers that wait find out.
class Wal::Turn {
 public:
  explicit Turn(Wal& wal) : wal_(wal) {
    CHECK(!wal_.turn_taken_);
    wal_.turn_taken_ = true;
  }
  ~Turn() {
    wal_.turn_taken_ = false;
    if (!outcome_known_) wal_.failed_ = true;
    wal_.turn_ended_.notify_all();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  void set_outcome_known() { outcome_known_ = true; }

 private:
  Wal& wal_;
  bool outcome_known_ = false;
};

// Held by a fiber that waits for its turn: who writes batch after batch would otherwise begin the
// next one each time before the waiting fiber runs.
class Wal::Waiting {
 public:
  explicit Waiting(Wal& wal) : wal_(wal) { ++wal_.waiting_; }
  ~Waiting() {
    --wal_.waiting_;
    // It may have been killed or out of time, with the turn free and writers that let it go first.
    wal_.turn_ended_.notify_all();
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

 private:
  Wal& wal_;
};

}  // namespace keelson::storage

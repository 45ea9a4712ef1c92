// Wal::Turn: one fiber at a time writes to the log. For wal.cc and wal_upkeep.cc.
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

}  // namespace keelson::storage

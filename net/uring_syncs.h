// UringSyncs: syncs by the kernel's io_uring, which end as an event of the reactor's epoll.
#pragma once

#include <memory>
#include <vector>

#include "net/disk_syncs.h"

struct io_uring;

namespace keelson {

class UringSyncs final : public DiskSyncs, private Reactor::Watcher {
 public:
  // Errors: invalid_argument, "io_uring is not permitted: ..." or "... cannot sync files".
  static Result<std::unique_ptr<UringSyncs>> open(Reactor& reactor);
  ~UringSyncs() override;

  void begin(std::shared_ptr<SyncOperation> operation) override;
  std::string describe() const override { return "io_uring"; }

 private:
  struct CloseRing {
    void operator()(io_uring* ring) const;
  };
  using Ring = std::unique_ptr<io_uring, CloseRing>;

  UringSyncs(Reactor& reactor, Ring ring);

  void on_events(std::uint32_t events) override;
  void submit();
  void queue_waiting();
  void take_completions();
  void finish(std::uint64_t slot, int result);

  Reactor& reactor_;
  const Ring ring_;
  Reactor::Watch watch_;

  // Operations that the kernel has or will have, by the number it knows them by.
  std::vector<std::shared_ptr<SyncOperation>> slots_;
  std::vector<std::uint64_t> free_slots_;
  std::vector<std::uint64_t> waiting_;  // Found the ring full; in order.
  std::size_t in_flight_ = 0;           // Queued in the ring and not ended.
};

}  // namespace keelson

// Tested by tests/conformance/disk_properties.cc and tests/net/posix_disk_test.cc, both ways.
#include "net/disk_syncs.h"

#include <errno.h>
#include <unistd.h>

#include "net/uring_syncs.h"

namespace keelson {

Descriptor::~Descriptor() {
  if (number_ >= 0) close(number_);
}

Result<std::unique_ptr<DiskSyncs>> make_disk_syncs(Reactor& reactor, DiskIo io) {
  std::string why;
  if (io != DiskIo::threads) {
    auto uring = UringSyncs::open(reactor);
    if (uring) return std::unique_ptr<DiskSyncs>(*std::move(uring));
    if (io == DiskIo::io_uring) return std::move(uring).error();
    why = uring.error().message;
  }
  return std::unique_ptr<DiskSyncs>(std::make_unique<PooledSyncs>(reactor, std::move(why)));
}

void PooledSyncs::begin(std::shared_ptr<SyncOperation> operation) {
  pool_.submit([this, operation = std::move(operation)]() mutable {
    const int descriptor = operation->descriptor->number();
    int outcome;
    do {
      outcome = operation->kind == SyncOperation::Kind::data ? fdatasync(descriptor)
                                                             : fsync(descriptor);
    } while (outcome != 0 && errno == EINTR);
    operation->error = outcome == 0 ? 0 : errno;
    reactor_.post([operation = std::move(operation)] { operation->done.set(); });
  });
}

std::string PooledSyncs::describe() const {
  const std::string threads = std::to_string(kThreads) + " sync threads";
  return why_.empty() ? threads : threads + ", " + why_;
}

}  // namespace keelson

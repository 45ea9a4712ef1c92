// Tested by tests/conformance/disk_properties.cc and tests/net/posix_disk_test.cc.
#include "net/uring_syncs.h"

#include <errno.h>
#include <sys/epoll.h>

#include <cstring>
#include <utility>

#include "core/base/check.h"

// The library's header is C, and not as clean as we are.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wshadow"
#include <liburing.h>
#pragma GCC diagnostic pop

namespace keelson {

namespace {

// More syncs at once than that wait their turn here.
constexpr unsigned kEntries = 64;

Error not_permitted(int error) {
  return {ErrorCode::invalid_argument,
          std::string("io_uring is not permitted: ") + std::strerror(error)};
}

}  // namespace

void UringSyncs::CloseRing::operator()(io_uring* ring) const {
  io_uring_queue_exit(ring);
  delete ring;
}

Result<std::unique_ptr<UringSyncs>> UringSyncs::open(Reactor& reactor) {
  auto memory = std::make_unique<io_uring>();
  io_uring_params params{};
  const int error = io_uring_queue_init_params(kEntries, memory.get(), &params);
  if (error != 0) return not_permitted(-error);
  Ring ring(memory.release());
  io_uring_probe* const probe = io_uring_get_probe_ring(ring.get());
  const bool can_sync = probe != nullptr && io_uring_opcode_supported(probe, IORING_OP_FSYNC);
  if (probe != nullptr) io_uring_free_probe(probe);
  if (!can_sync) return Error{ErrorCode::invalid_argument, "this io_uring cannot sync files"};
  return std::unique_ptr<UringSyncs>(new UringSyncs(reactor, std::move(ring)));
}

UringSyncs::UringSyncs(Reactor& reactor, Ring ring) : reactor_(reactor), ring_(std::move(ring)) {
  watch_ = reactor_.watch(ring_->ring_fd, EPOLLIN, *this);
}

UringSyncs::~UringSyncs() {
  reactor_.forget(watch_);
  while (in_flight_ > 0 || !waiting_.empty()) {
    const int submitted = io_uring_submit_and_wait(ring_.get(), in_flight_ > 0 ? 1 : 0);
    CHECK(submitted >= 0 || submitted == -EINTR || submitted == -EAGAIN || submitted == -EBUSY);
    take_completions();
    queue_waiting();
  }
}

void UringSyncs::begin(std::shared_ptr<SyncOperation> operation) {
  if (free_slots_.empty()) {
    free_slots_.push_back(slots_.size());
    slots_.emplace_back();
  }
  const std::uint64_t slot = free_slots_.back();
  free_slots_.pop_back();
  slots_[slot] = std::move(operation);
  waiting_.push_back(slot);
  submit();
}

void UringSyncs::queue_waiting() {
  std::size_t queued = 0;
  while (queued < waiting_.size() && in_flight_ < kEntries) {
    io_uring_sqe* const entry = io_uring_get_sqe(ring_.get());
    if (entry == nullptr) break;
    const std::uint64_t slot = waiting_[queued++];
    const SyncOperation& operation = *slots_[slot];
    io_uring_prep_fsync(
        entry, operation.descriptor->number(),
        operation.kind == SyncOperation::Kind::data ? IORING_FSYNC_DATASYNC : 0);
    io_uring_sqe_set_data64(entry, slot);
    ++in_flight_;
  }
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(queued));
}

void UringSyncs::submit() {
  queue_waiting();
  if (io_uring_sq_ready(ring_.get()) == 0) return;
  const int submitted = io_uring_submit(ring_.get());
  if (submitted >= 0) return;
  // Out of memory for now: the entry stays in the ring, and the next turn tries again.
  CHECK(submitted == -EAGAIN || submitted == -EBUSY || submitted == -EINTR);
  reactor_.report_again(watch_, EPOLLIN);
}

void UringSyncs::on_events(std::uint32_t) {
  take_completions();
  submit();
}

void UringSyncs::take_completions() {
  io_uring_cqe* completion = nullptr;
  while (io_uring_peek_cqe(ring_.get(), &completion) == 0) {
    const std::uint64_t slot = io_uring_cqe_get_data64(completion);
    const int result = completion->res;
    io_uring_cqe_seen(ring_.get(), completion);
    finish(slot, result);
  }
}

void UringSyncs::finish(std::uint64_t slot, int result) {
  CHECK(in_flight_ > 0);
  CHECK(slot < slots_.size() && slots_[slot] != nullptr);
  --in_flight_;
  if (result == -EINTR) {  // Neither done nor failed.
    waiting_.push_back(slot);
    return;
  }
  const auto operation = std::exchange(slots_[slot], nullptr);
  free_slots_.push_back(slot);
  operation->error = result < 0 ? -result : 0;
  operation->done.set();
}

}  // namespace keelson

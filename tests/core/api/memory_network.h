// A network within one scheduler, for tests of what speaks over one: streams are strings, and
// nothing is lost or late. Breaks are delivered by settle(), outside any fiber, as Connection
// demands.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "core/runtime/network.h"
#include "core/runtime/sync.h"
#include "tests/core/runtime/manual_clock.h"

namespace keelson {

class MemoryNetwork : public Network {
 public:
  explicit MemoryNetwork(Scheduler& scheduler) : scheduler_(scheduler) {}

  // How much may be on its way in one direction before writers wait.
  void set_capacity(std::size_t bytes) { capacity_ = bytes; }
  // How many calls of Connection::write there were.
  std::size_t writes() const { return writes_; }

  Result<std::unique_ptr<Listener>> listen(const Address& address) override {
    if (listeners_.contains(address)) return Error{ErrorCode::invalid_argument, "in use"};
    return std::unique_ptr<Listener>(std::make_unique<MemoryListener>(*this, address));
  }

  Result<std::unique_ptr<Connection>> connect(const Address& address, Deadline) override {
    const auto found = listeners_.find(address);
    if (found == listeners_.end()) return Error{ErrorCode::unavailable, "refused"};
    auto stream = std::make_shared<Stream>(scheduler_);
    auto server_end = std::make_unique<MemoryConnection>(*this, stream, 1);
    auto client_end = std::make_unique<MemoryConnection>(*this, stream, 0);
    found->second->arrived_.push_back(std::move(server_end));
    found->second->changed_.notify_one();
    return std::unique_ptr<Connection>(std::move(client_end));
  }

  // Runs ready fibers and delivers breaks until there is nothing left to do now.
  void settle() {
    do {
      scheduler_.run_ready();
      while (!broken_.empty()) {
        const auto stream = broken_.front();
        broken_.pop_front();
        for (int end : {0, 1}) {
          if (auto told = std::exchange(stream->on_break[end], nullptr)) told();
        }
      }
    } while (scheduler_.has_ready());
  }

 private:
  struct Pipe {
    explicit Pipe(Scheduler& scheduler) : changed(scheduler) {}
    std::string octets;
    bool ended = false;
    WaitQueue changed;
  };
  struct Stream {
    explicit Stream(Scheduler& scheduler) : pipes{Pipe(scheduler), Pipe(scheduler)} {}
    Pipe pipes[2];  // pipes[i] is what end i writes.
    std::function<void()> on_break[2];
    bool broken = false;
  };

  class MemoryConnection : public Connection {
   public:
    MemoryConnection(MemoryNetwork& network, std::shared_ptr<Stream> stream, int end)
        : network_(network), stream_(std::move(stream)), end_(end) {}
    ~MemoryConnection() override {
      stream_->on_break[end_] = nullptr;
      shutdown_write();
    }

    Result<std::size_t> read(std::span<char> into, Deadline deadline) override {
      Pipe& pipe = stream_->pipes[1 - end_];
      for (;;) {
        if (stream_->broken) return Error{ErrorCode::connection_lost, "reset"};
        if (!pipe.octets.empty()) break;
        if (pipe.ended) return std::size_t{0};
        if (!pipe.changed.wait(deadline)) return Error{ErrorCode::timed_out, "read"};
      }
      const std::size_t count = std::min(into.size(), pipe.octets.size());
      std::copy_n(pipe.octets.begin(), count, into.begin());
      pipe.octets.erase(0, count);
      pipe.changed.notify_all();
      return count;
    }

    Result<void> write(BytesView bytes, Deadline deadline) override {
      Pipe& pipe = stream_->pipes[end_];
      ++network_.writes_;
      while (!bytes.empty()) {
        if (stream_->broken || pipe.ended) return Error{ErrorCode::connection_lost, "reset"};
        const std::size_t room =
            network_.capacity_ - std::min(network_.capacity_, pipe.octets.size());
        const std::size_t count = std::min(room, bytes.size());
        pipe.octets += bytes.substr(0, count);
        bytes.remove_prefix(count);
        if (count > 0) pipe.changed.notify_all();
        if (bytes.empty()) break;
        if (!pipe.changed.wait(deadline)) return Error{ErrorCode::timed_out, "write"};
      }
      return {};
    }

    void shutdown_write() override {
      stream_->pipes[end_].ended = true;
      stream_->pipes[end_].changed.notify_all();
    }

    void reset() override {
      if (std::exchange(stream_->broken, true)) return;
      stream_->on_break[end_] = nullptr;  // Who resets need not be told.
      for (Pipe& pipe : stream_->pipes) pipe.changed.notify_all();
      network_.broken_.push_back(stream_);
    }

    void set_on_break(std::function<void()> on_break) override {
      stream_->on_break[end_] = std::move(on_break);
    }

    Address peer() const override { return "memory:" + std::to_string(end_); }

   private:
    MemoryNetwork& network_;
    const std::shared_ptr<Stream> stream_;
    const int end_;
  };

  class MemoryListener : public Listener {
   public:
    MemoryListener(MemoryNetwork& network, Address address)
        : changed_(network.scheduler_), network_(network), address_(std::move(address)) {
      network_.listeners_[address_] = this;
    }
    ~MemoryListener() override { network_.listeners_.erase(address_); }

    Result<std::unique_ptr<Connection>> accept(Deadline deadline) override {
      while (arrived_.empty()) {
        if (!changed_.wait(deadline)) return Error{ErrorCode::timed_out, "accept"};
      }
      auto connection = std::move(arrived_.front());
      arrived_.pop_front();
      return connection;
    }
    Address address() const override { return address_; }

    std::deque<std::unique_ptr<Connection>> arrived_;
    WaitQueue changed_;

   private:
    MemoryNetwork& network_;
    const Address address_;
  };

  Scheduler& scheduler_;
  std::size_t capacity_ = 1 << 20;
  std::size_t writes_ = 0;
  std::map<Address, MemoryListener*> listeners_;
  std::deque<std::shared_ptr<Stream>> broken_;
};

// Lets fibers live, and moves the clock from timer to timer, until nothing is left before `until`.
inline void run_until(MemoryNetwork& network, Scheduler& scheduler, ManualClock& clock,
                      Instant until) {
  network.settle();
  while (scheduler.next_timer() && *scheduler.next_timer() <= until) {
    clock.advance_to(std::max(clock.now(), *scheduler.next_timer()));
    scheduler.fire_timers();
    network.settle();
  }
  clock.advance_to(until);
}

}  // namespace keelson

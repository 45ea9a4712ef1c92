// Tested by tests/conformance/network_properties.cc and tests/net/socket_network_test.cc.
#include "net/socket_network.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <optional>

#include "core/base/check.h"
#include "core/runtime/sync.h"
#include "net/socket_address.h"

namespace keelson {

namespace {

constexpr int kBacklog = 4096;

std::string describe(int error) { return std::strerror(error); }

Error lost(int error) { return {ErrorCode::connection_lost, describe(error)}; }

Error timed_out(const char* what) { return {ErrorCode::timed_out, what}; }

// A socket, registered with the reactor; closed when it goes.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  Socket(Socket&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)),
        reactor_(std::exchange(other.reactor_, nullptr)), watch_(other.watch_) {}
  ~Socket() { shut(); }

  int get() const { return descriptor_; }
  bool is_open() const { return descriptor_ >= 0; }

  void watch(Reactor& reactor, std::uint32_t events, Reactor::Watcher& watcher) {
    reactor_ = &reactor;
    watch_ = reactor.watch(descriptor_, events, watcher);
  }

  void report_again(std::uint32_t events) { reactor_->report_again(watch_, events); }

  void shut() {
    if (descriptor_ < 0) return;
    if (reactor_ != nullptr) std::exchange(reactor_, nullptr)->forget(watch_);
    close(std::exchange(descriptor_, -1));
  }

 private:
  int descriptor_ = -1;
  Reactor* reactor_ = nullptr;  // Set while registered.
  Reactor::Watch watch_;
};

// What one socket may move in a turn of the loop before others, and time, get their turn: a peer
// that is always ready would otherwise never let its fiber wait. Every call counts as some bytes.
class TurnBudget {
 public:
  void spend(std::size_t bytes) { bytes_spent_ += bytes + kBytesPerCall; }

  bool is_used_up(const Reactor& reactor) {
    if (turn_ != reactor.turn()) {
      turn_ = reactor.turn();
      bytes_spent_ = 0;
    }
    return bytes_spent_ >= kBytesPerTurn;
  }

 private:
  static constexpr std::size_t kBytesPerTurn = 1 << 20;
  static constexpr std::size_t kBytesPerCall = 4096;

  std::uint64_t turn_ = 0;  // The turn in which bytes_spent_ was counted.
  std::size_t bytes_spent_ = 0;
};

class SocketConnection final : public Connection, private Reactor::Watcher {
 public:
  SocketConnection(Reactor& reactor, Scheduler& scheduler, Socket socket, SocketAddress peer);

  Result<std::size_t> read(std::span<char> into, Deadline deadline) override;
  Result<void> write(BytesView bytes, Deadline deadline) override;
  void shutdown_write() override;
  void reset() override;
  void set_on_break(std::function<void()> on_break) override;
  Address peer() const override { return print_address(peer_); }

  // Suspends until the connection that was begun is there.
  Result<void> finish_connect(Deadline deadline);

 private:
  void on_events(std::uint32_t events) override;
  bool may_go_on();
  void mark_broken(int error);

  Reactor& reactor_;
  Socket socket_;
  const SocketAddress peer_;
  WaitQueue readable_;
  WaitQueue writable_;

  TurnBudget budget_;
  bool may_have_input_ = true;  // False while the next bytes will be reported by an event.
  bool end_is_near_ = false;    // The peer has closed its half, or worse.
  bool write_is_shut_ = false;

  std::optional<int> broken_by_;  // The errno that broke the stream.
  bool break_is_told_ = false;
  std::function<void()> on_break_;
};

SocketConnection::SocketConnection(Reactor& reactor, Scheduler& scheduler, Socket socket,
                                   SocketAddress peer)
    : reactor_(reactor), socket_(std::move(socket)), peer_(peer), readable_(scheduler),
      writable_(scheduler) {
  const int on = 1;
  // Fails only on a connection that is broken already, which the first read will tell.
  setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // Left to itself, the kernel takes megabytes that a slow link sends seconds later, and what
  // matters more then stands behind them. What is under way is not counted, so nothing is slower.
  constexpr int kUnsentMax = 128 * 1024;
  setsockopt(socket_.get(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kUnsentMax, sizeof kUnsentMax);
  socket_.watch(reactor_, EPOLLIN | EPOLLOUT | EPOLLRDHUP, *this);
}

Result<std::size_t> SocketConnection::read(std::span<char> into, Deadline deadline) {
  CHECK(!into.empty());
  while (true) {
    // What had arrived before a reset is gone with it, though the kernel may still have it.
    if (broken_by_) return lost(*broken_by_);
    if (may_have_input_ && may_go_on()) {
      const ssize_t got = recv(socket_.get(), into.data(), into.size(), 0);
      if (got >= 0) {
        const auto count = static_cast<std::size_t>(got);
        // A short read has emptied the socket, and what comes later is an event of its own. An end
        // that has been reported already is not.
        if (count < into.size() && !end_is_near_) may_have_input_ = false;
        budget_.spend(count);
        return count;
      }
      if (errno == EINTR) continue;
      if (errno != EAGAIN) {
        mark_broken(errno);
        continue;
      }
      may_have_input_ = end_is_near_;
    }
    if (!readable_.wait(deadline)) return timed_out("nothing to read before the deadline");
  }
}

Result<void> SocketConnection::write(BytesView bytes, Deadline deadline) {
  while (!bytes.empty()) {
    if (broken_by_) return lost(*broken_by_);
    if (write_is_shut_) return lost(EPIPE);
    if (may_go_on()) {
      const ssize_t sent = send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent >= 0) {
        budget_.spend(static_cast<std::size_t>(sent));
        bytes.remove_prefix(static_cast<std::size_t>(sent));
        continue;
      }
      if (errno == EINTR) continue;
      if (errno != EAGAIN) {
        mark_broken(errno);
        continue;
      }
    }
    if (!writable_.wait(deadline)) return timed_out("the peer did not read before the deadline");
  }
  return {};
}

void SocketConnection::shutdown_write() {
  write_is_shut_ = true;
  if (socket_.is_open()) ::shutdown(socket_.get(), SHUT_WR);
}

void SocketConnection::reset() {
  if (!socket_.is_open()) return;
  break_is_told_ = true;  // Whoever resets knows.
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  socket_.shut();
  mark_broken(ECONNRESET);
}

void SocketConnection::mark_broken(int error) {
  if (!broken_by_) broken_by_ = error;
  readable_.notify_all();
  writable_.notify_all();
}

void SocketConnection::set_on_break(std::function<void()> on_break) {
  on_break_ = std::move(on_break);
  // A break that nobody was told of is told to who asks later, still outside any fiber.
  if (on_break_ && broken_by_ && !break_is_told_) socket_.report_again(EPOLLERR);
}

bool SocketConnection::may_go_on() {
  if (!budget_.is_used_up(reactor_)) return true;
  socket_.report_again(EPOLLIN | EPOLLOUT);
  return false;
}

void SocketConnection::on_events(std::uint32_t events) {
  if (events & (EPOLLERR | EPOLLHUP)) {
    // A hang-up without an error is two half-closes, unless a read has taken the error already.
    int error = 0;
    socklen_t size = sizeof error;
    CHECK(getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0);
    if (error != 0) mark_broken(error);
  }
  if (events & (EPOLLRDHUP | EPOLLERR | EPOLLHUP)) end_is_near_ = true;
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) {
    may_have_input_ = true;
    readable_.notify_all();
  }
  if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) writable_.notify_all();
  if (broken_by_ && on_break_ && !break_is_told_) {
    break_is_told_ = true;
    std::exchange(on_break_, nullptr)();  // May destroy this object.
  }
}

Result<void> SocketConnection::finish_connect(Deadline deadline) {
  // The first event that reports writability or an error says that the attempt is over.
  if (!writable_.wait(deadline)) return timed_out("no answer to the attempt to connect");
  if (!broken_by_) {
    // A loop that knocks at a free port of its own machine can meet itself: TCP allows that.
    const SocketAddress local = local_address(socket_.get());
    if (local.port() != peer_.port() || print_address(local) != print_address(peer_)) return {};
    mark_broken(ECONNREFUSED);
    reset();
  }
  return Error{ErrorCode::unavailable,
               "cannot connect to " + print_address(peer_) + ": " + describe(*broken_by_)};
}

class SocketListener final : public Listener, private Reactor::Watcher {
 public:
  SocketListener(Reactor& reactor, Scheduler& scheduler, Socket socket)
      : reactor_(reactor), scheduler_(scheduler), socket_(std::move(socket)),
        address_(local_address(socket_.get())), acceptable_(scheduler) {
    socket_.watch(reactor_, EPOLLIN, *this);
  }

  Result<std::unique_ptr<Connection>> accept(Deadline deadline) override;
  Address address() const override { return print_address(address_); }

 private:
  void on_events(std::uint32_t) override { acceptable_.notify_all(); }

  Reactor& reactor_;
  Scheduler& scheduler_;
  Socket socket_;
  const SocketAddress address_;
  WaitQueue acceptable_;
  TurnBudget budget_;
};

Result<std::unique_ptr<Connection>> SocketListener::accept(Deadline deadline) {
  while (true) {
    if (budget_.is_used_up(reactor_)) {
      socket_.report_again(EPOLLIN);
      if (!acceptable_.wait(deadline)) return timed_out("busy until the deadline");
      continue;
    }
    SocketAddress peer;
    Socket accepted(
        accept4(socket_.get(), peer.get(), &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (accepted.is_open()) {
      budget_.spend(0);
      return std::unique_ptr<Connection>(
          new SocketConnection(reactor_, scheduler_, std::move(accepted), peer));
    }
    switch (errno) {
      case EAGAIN:
        if (!acceptable_.wait(deadline)) return timed_out("nobody connected before the deadline");
        break;
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM:
        return Error{ErrorCode::io_error, "cannot accept a connection: " + describe(errno)};
      default:
        // Everything else is trouble of the one connection, which is gone (accept(2)).
        CHECK(errno != EBADF && errno != EINVAL && errno != ENOTSOCK && errno != EFAULT);
    }
  }
}

Error cannot_listen(const Address& address, int error) {
  return {ErrorCode::invalid_argument, "cannot listen on " + address + ": " + describe(error)};
}

}  // namespace

Result<std::unique_ptr<Listener>> SocketNetwork::listen(const Address& address) {
  TRY(const SocketAddress where, parse_address(address));
  Socket socket(::socket(where.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return cannot_listen(address, errno);
  const int on = 1;
  // Without it, the connections of an earlier process would keep the address for a minute.
  CHECK(setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
  if (bind(socket.get(), where.get(), where.size) != 0 || ::listen(socket.get(), kBacklog) != 0) {
    return cannot_listen(address, errno);
  }
  return std::unique_ptr<Listener>(
      new SocketListener(reactor_, scheduler_, std::move(socket)));
}

Result<std::unique_ptr<Connection>> SocketNetwork::connect(const Address& address,
                                                           Deadline deadline) {
  TRY(const SocketAddress where, parse_address(address));
  if (where.port() == 0) {
    return Error{ErrorCode::invalid_argument, "\"" + address + "\": nobody listens on port 0"};
  }
  Socket socket(::socket(where.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.is_open() ||
      (::connect(socket.get(), where.get(), where.size) != 0 && errno != EINPROGRESS)) {
    return Error{ErrorCode::unavailable,
                 "cannot connect to " + address + ": " + describe(errno)};
  }
  auto connection =
      std::make_unique<SocketConnection>(reactor_, scheduler_, std::move(socket), where);
  TRY(connection->finish_connect(deadline));
  return std::unique_ptr<Connection>(std::move(connection));
}

}  // namespace keelson

// Tested by tests/tools/keelson_bench_test.py.
#include "tools/load/session.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "core/base/check.h"
#include "net/socket_address.h"

namespace keelson::load {

std::string name_of_status(int status) {
  switch (status) {
    case kConnectionLost: return "connection lost";
    case kNoAnswer: return "no answer";
    case kWrongAnswer: return "wrong answer";
    default: break;
  }
  if (status >= kGrpcErrors) return "grpc " + std::to_string(status - kGrpcErrors);
  return std::to_string(status);
}

std::unique_ptr<Session> make_session(const SessionKind& kind, EventLoop& loop,
                                      SessionOwner& owner, std::size_t number,
                                      const std::string& address) {
  switch (kind.protocol) {
    case SessionKind::Protocol::s3: return make_s3_session(kind, loop, owner, number, address);
    case SessionKind::Protocol::etcd: return make_etcd_session(loop, owner, number, address);
    case SessionKind::Protocol::floor: return make_floor_session(loop, owner, number, address);
  }
  CHECK(false);
  return nullptr;
}

Session::~Session() {
  if (descriptor_ >= 0) close(descriptor_);
}

Result<void> Session::open() {
  CHECK(descriptor_ < 0);
  TRY(const SocketAddress where, parse_address(address_));
  descriptor_ = socket(where.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor_ < 0) return Error{ErrorCode::io_error, std::strerror(errno)};
  const int on = 1;
  CHECK(setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
  in_.clear();
  out_.clear();
  sent_ = 0;
  // A refusal comes as an event, like any other.
  (void)connect(descriptor_, where.get(), where.size);
  loop_.watch(descriptor_, *this);
  return {};
}

void Session::on_events(std::uint32_t events) {
  if (descriptor_ < 0) return;
  if (!is_connected_) {
    int error = 0;
    socklen_t size = sizeof error;
    CHECK(getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &error, &size) == 0);
    if (error != 0) return lose(std::strerror(error));
    if (!(events & EPOLLOUT) || (events & EPOLLHUP)) return;  // Not connected yet.
    is_connected_ = true;
    on_connected();
  }
  if (events & ~static_cast<std::uint32_t>(EPOLLOUT)) receive();
  flush();
}

void Session::receive() {
  char buffer[64 * 1024];
  while (descriptor_ >= 0) {
    const ssize_t got = recv(descriptor_, buffer, sizeof buffer, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return lose(got == 0 ? "closed by the server" : std::strerror(errno));
    // Most often all of an answer comes at once, and nothing needs to be kept.
    BytesView bytes(buffer, static_cast<std::size_t>(got));
    if (!in_.empty()) {
      in_.append(bytes);
      bytes = in_;
    }
    const auto used = take(bytes);
    if (!used) return lose("the server talks nonsense");
    std::string rest(bytes.substr(*used));
    in_.swap(rest);
    // A short read has emptied the socket; what comes later is a new event.
    if (static_cast<std::size_t>(got) < sizeof buffer) return;
  }
}

void Session::flush() {
  if (!is_connected_) return;
  do {
    gather();
  } while (!out_.empty() && send());
}

bool Session::send() {
  while (sent_ < out_.size()) {
    const ssize_t put =
        ::send(descriptor_, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN) return false;
    if (put < 0) {
      // It may have answered before it hung up.
      const std::string why = std::strerror(errno);
      receive();
      if (descriptor_ >= 0) lose(why);
      return false;
    }
    sent_ += static_cast<std::size_t>(put);
  }
  out_.clear();
  sent_ = 0;
  return true;
}

void Session::lose(const std::string& why) {
  close(std::exchange(descriptor_, -1));
  is_connected_ = false;
  give_up();
  owner_.on_lost(number_, why);
}

}  // namespace keelson::load

// The floor under a durable write of three nodes: what remains of Keelson's put when Raft, parsing,
// state and every check are taken away. Not a storage system: nothing is ever read, nobody elected.
//
//   keelson-floor follower --listen HOST:PORT --dir DIR
//   keelson-floor leader   --listen HOST:PORT --dir DIR --followers HOST:PORT,HOST:PORT
//
// A client sends length:u32 and so many octets, and is answered with four octets once its bytes
// are durable on the leader and on one follower. All that arrives during a sync is the next batch
// (group commit). The leader sends a batch to the followers before it syncs it itself, so the disks
// work at the same time. The log is one segment of zeros, written over from its beginning when it
// is full. The sync blocks the loop: there is nothing else to do, and no other thread to wake.
//
// Between the nodes: batch = length:u32 sequence:u64 octets; a follower acknowledges the last
// sequence it has synced, u64.
#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <deque>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/check.h"
#include "net/socket_address.h"

namespace keelson::floor {
namespace {

constexpr std::uint64_t kSegmentBytes = 64 << 20;
constexpr std::size_t kBatchHeadBytes = 12;

[[noreturn]] void die(const std::string& what) {
  fmt::print(stderr, "keelson-floor: {}: {}\n", what, std::strerror(errno));
  std::exit(1);
}

class Segment {
 public:
  explicit Segment(const std::string& directory) {
    if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) die(directory);
    const std::string path = directory + "/segment";
    descriptor_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor_ < 0) die(path);
    const Bytes zeros(1 << 20, '\0');
    for (std::uint64_t at = 0; at < kSegmentBytes; at += zeros.size()) write_at(zeros, at);
    if (fsync(descriptor_) != 0) die("fsync");
  }

  void append(BytesView bytes) {
    if (position_ + bytes.size() > kSegmentBytes) position_ = 0;
    write_at(bytes, position_);
    position_ += bytes.size();
    if (fdatasync(descriptor_) != 0) die("fdatasync");
  }

 private:
  void write_at(BytesView bytes, std::uint64_t at) {
    const ssize_t put = pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (put != static_cast<ssize_t>(bytes.size())) die("pwrite");
  }

  int descriptor_ = -1;
  std::uint64_t position_ = 0;
};

int new_socket(const Address& address, SocketAddress& where) {
  const auto parsed = parse_address(address);
  if (!parsed) {
    fmt::print(stderr, "keelson-floor: {}\n", parsed.error().message);
    std::exit(2);
  }
  where = *parsed;
  const int descriptor = socket(where.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) die("socket");
  return descriptor;
}

void send_at_once(int descriptor) {
  const int on = 1;
  CHECK(setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
}

int listen_on(const Address& address) {
  SocketAddress where;
  const int descriptor = new_socket(address, where);
  const int on = 1;
  CHECK(setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
  if (bind(descriptor, where.get(), where.size) != 0 || listen(descriptor, 4096) != 0) die(address);
  fmt::print("listens on {}\n", print_address(local_address(descriptor)));
  std::fflush(stdout);
  return descriptor;
}

int connect_to(const Address& address) {
  SocketAddress where;
  const int descriptor = new_socket(address, where);
  if (connect(descriptor, where.get(), where.size) != 0) die(address);
  send_at_once(descriptor);
  return descriptor;
}

// All of it, waiting where the other end is slow; false when that end is gone.
bool send_all(int descriptor, BytesView bytes) {
  while (!bytes.empty()) {
    const ssize_t put = send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (put < 0 && errno == EAGAIN) {
      pollfd writable{.fd = descriptor, .events = POLLOUT, .revents = 0};
      (void)poll(&writable, 1, -1);
      continue;
    }
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return true;
}

// Appends what has arrived; false at the end of the stream.
bool receive(int descriptor, Bytes& into) {
  std::array<char, 256 * 1024> buffer;
  const ssize_t got = recv(descriptor, buffer.data(), buffer.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (got <= 0) return false;
  into.append(buffer.data(), static_cast<std::size_t>(got));
  return true;
}

void follow(const Address& address, const std::string& directory) {
  Segment segment(directory);
  const int listener = listen_on(address);
  const int leader = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  if (leader < 0) die("accept");
  send_at_once(leader);
  Bytes received;
  while (receive(leader, received)) {
    std::size_t end = 0;
    std::uint64_t sequence = 0;
    while (received.size() - end >= kBatchHeadBytes) {
      const BytesView rest = BytesView(received).substr(end);
      const std::size_t size = kBatchHeadBytes + read_u32(rest);
      if (rest.size() < size) break;
      sequence = read_u64(rest.substr(4));
      end += size;
    }
    if (end == 0) continue;
    segment.append(BytesView(received).substr(0, end));
    received.erase(0, end);
    Bytes acknowledgement;
    append_u64(acknowledgement, sequence);
    if (!send_all(leader, acknowledgement)) return;
  }
}

class Leader {
 public:
  Leader(const Address& address, const std::string& directory,
         const std::vector<Address>& followers)
      : segment_(directory), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    CHECK(epoll_ >= 0);
    for (const Address& follower : followers) {
      followers_.push_back(std::make_unique<Peer>(connect_to(follower)));
      watch(*followers_.back());
    }
    listener_ = std::make_unique<Peer>(listen_on(address));
    watch(*listener_);
  }

  void run() {
    std::array<epoll_event, 512> events;
    while (true) {
      const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < count; ++i) on_event(*static_cast<Peer*>(events[i].data.ptr));
      if (!batch_.empty()) commit_batch();
      answer();
    }
  }

 private:
  struct Peer {
    explicit Peer(int number) : descriptor(number) {}
    const int descriptor;
    bool is_client = false;
    bool is_gone = false;
    Bytes received;
    Bytes answers;
    std::uint64_t acknowledged = 0;  // Of a follower.
  };
  struct Waiting {
    std::uint64_t sequence;
    Peer* client;
  };

  void watch(Peer& peer) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &peer;
    CHECK(epoll_ctl(epoll_, EPOLL_CTL_ADD, peer.descriptor, &event) == 0);
  }

  void on_event(Peer& peer) {
    if (&peer == listener_.get()) return accept_client();
    if (!receive(peer.descriptor, peer.received)) {
      if (!peer.is_client) die("a follower is gone");
      close(peer.descriptor);
      peer.is_gone = true;  // Answers may still be waiting for it: it stays.
      return;
    }
    if (peer.is_client) return take_requests(peer);
    const std::size_t whole = peer.received.size() / 8 * 8;
    if (whole == 0) return;
    peer.acknowledged = read_u64(BytesView(peer.received).substr(whole - 8));
    peer.received.erase(0, whole);
  }

  void accept_client() {
    const int descriptor =
        accept4(listener_->descriptor, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (descriptor < 0) die("accept");
    send_at_once(descriptor);
    clients_.push_back(std::make_unique<Peer>(descriptor));
    clients_.back()->is_client = true;
    watch(*clients_.back());
  }

  void take_requests(Peer& client) {
    std::size_t begin = 0;
    while (client.received.size() - begin >= 4) {
      const BytesView rest = BytesView(client.received).substr(begin);
      const std::size_t size = 4 + read_u32(rest);
      if (rest.size() < size) break;
      if (batch_.empty()) batch_.assign(kBatchHeadBytes, '\0');
      batch_.append(rest.substr(0, size));
      waiting_.push_back({sequence_ + 1, &client});
      begin += size;
    }
    client.received.erase(0, begin);
  }

  void commit_batch() {
    Bytes head;
    append_u32(head, static_cast<std::uint32_t>(batch_.size() - kBatchHeadBytes));
    append_u64(head, ++sequence_);
    batch_.replace(0, kBatchHeadBytes, head);
    for (const auto& follower : followers_) {
      if (!send_all(follower->descriptor, batch_)) die("a follower is gone");
    }
    segment_.append(batch_);
    batch_.clear();
  }

  void answer() {
    std::uint64_t durable = 0;  // On one follower; here everything is.
    for (const auto& follower : followers_) durable = std::max(durable, follower->acknowledged);
    std::vector<Peer*> answered;
    while (!waiting_.empty() && waiting_.front().sequence <= durable) {
      Peer& client = *waiting_.front().client;
      waiting_.pop_front();
      if (client.answers.empty()) answered.push_back(&client);
      append_u32(client.answers, 0);
    }
    for (Peer* const client : answered) {
      if (!client->is_gone) (void)send_all(client->descriptor, client->answers);
      client->answers.clear();
    }
  }

  Segment segment_;
  const int epoll_;
  std::unique_ptr<Peer> listener_;
  std::vector<std::unique_ptr<Peer>> followers_;
  std::vector<std::unique_ptr<Peer>> clients_;
  std::deque<Waiting> waiting_;
  std::uint64_t sequence_ = 0;  // Of the last batch.
  Bytes batch_;                 // Being gathered, with room for its head.
};

}  // namespace
}  // namespace keelson::floor

int main(int argc, char** argv) {
  CLI::App app{"keelson-floor: the least that a durable write of three nodes can cost"};
  app.require_subcommand(1);
  std::string address, directory, followers;
  CLI::App* const leader = app.add_subcommand("leader", "Takes requests");
  CLI::App* const follower = app.add_subcommand("follower", "Takes batches from one leader");
  for (CLI::App* const each : {leader, follower}) {
    each->add_option("--listen", address, "HOST:PORT")->required();
    each->add_option("--dir", directory, "Where the segment goes")->required();
  }
  leader->add_option("--followers", followers, "HOST:PORT,HOST:PORT")->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (follower->parsed()) {
    keelson::floor::follow(address, directory);
    return 0;
  }
  std::vector<keelson::Address> addresses;
  std::istringstream list(followers);
  for (std::string item; std::getline(list, item, ',');) addresses.push_back(item);
  keelson::floor::Leader(address, directory, addresses).run();
}

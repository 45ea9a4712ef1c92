// A session: one connection to a server, over which requests of one or more clients go.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "tools/load/event_loop.h"
#include "tools/load/value.h"

namespace keelson::load {

enum class Act {
  prepare,  // Whatever must be there before keys can be: a bucket.
  put,
  get,
  probe,  // Is this server the leader? 200 or 503.
};

struct Operation {
  Act act;
  std::string_view key = {};
  Value value = {};        // Of a put.
  Expected expected = {};  // Of a get.
};

// What came back: a status of HTTP, or one of these. Other protocols are told in HTTP's words (200,
// 503), their own errors in gRPC's.
inline constexpr int kConnectionLost = -1;
inline constexpr int kNoAnswer = -2;     // Until the run ended.
inline constexpr int kWrongAnswer = -3;  // Well-formed, but not what was asked for.
inline constexpr int kGrpcErrors = 1000;  // This much more than gRPC's code.

// "503", "grpc 14", "connection lost".
std::string name_of_status(int status);

class SessionOwner {
 public:
  virtual void on_answer(std::size_t client, int status) = 0;
  // Every request that was under way has been answered with kConnectionLost.
  virtual void on_lost(std::size_t session, const std::string& why) = 0;

 protected:
  ~SessionOwner() = default;
};

class Session : private EventLoop::Watcher {
 public:
  Session(EventLoop& loop, SessionOwner& owner, std::size_t number, std::string address)
      : loop_(loop), owner_(owner), number_(number), address_(std::move(address)) {}
  virtual ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Begins to connect; again after on_lost(). Errors: not an address, no descriptors left.
  Result<void> open();
  bool is_connected() const { return is_connected_; }
  const std::string& address() const { return address_; }

  // Queues a request of a client that has none under way; flush() sends what is queued.
  virtual void begin(std::size_t client, const Operation& operation) = 0;
  void flush();

 protected:
  // A connection has been made: forget the last one.
  virtual void on_connected() {}
  // Takes what it can use of the octets that came and says how many; nothing on nonsense.
  virtual std::optional<std::size_t> take(BytesView bytes) = 0;
  // Answers everything under way with kConnectionLost.
  virtual void give_up() = 0;
  // Adds to out() what is to be said by now; called again whenever all of it has been sent, until
  // it adds nothing.
  virtual void gather() {}

  std::string& out() { return out_; }
  void answer(std::size_t client, int status) { owner_.on_answer(client, status); }

 private:
  void on_events(std::uint32_t events) override;
  void receive();
  // Whether all of out() is sent.
  bool send();
  void lose(const std::string& why);

  EventLoop& loop_;
  SessionOwner& owner_;
  const std::size_t number_;
  const std::string address_;
  int descriptor_ = -1;
  bool is_connected_ = false;
  std::string in_;
  std::string out_;
  std::size_t sent_ = 0;  // So much of out_ is sent already.
};

struct Signing {
  std::string access_key;
  std::string secret_key;
  std::string region;
};

struct SessionKind {
  enum class Protocol { s3, etcd, floor } protocol = Protocol::s3;
  std::string bucket = "bench";
  std::optional<Signing> signing;
};

std::unique_ptr<Session> make_session(const SessionKind& kind, EventLoop& loop,
                                      SessionOwner& owner, std::size_t number,
                                      const std::string& address);

// Those of one protocol each.
std::unique_ptr<Session> make_s3_session(const SessionKind& kind, EventLoop& loop,
                                         SessionOwner& owner, std::size_t number,
                                         const std::string& address);
std::unique_ptr<Session> make_etcd_session(EventLoop& loop, SessionOwner& owner,
                                           std::size_t number, const std::string& address);
std::unique_ptr<Session> make_floor_session(EventLoop& loop, SessionOwner& owner,
                                            std::size_t number, const std::string& address);

}  // namespace keelson::load

// The protocol of bench/floor: a request is length:u32 and so many octets, its answer four octets.
// Answers come in the order of the requests.
#include <deque>

#include "core/base/check.h"
#include "tools/load/session.h"

namespace keelson::load {

namespace {

constexpr std::size_t kAnswerBytes = 4;

class FloorSession final : public Session {
 public:
  using Session::Session;

  void begin(std::size_t client, const Operation& operation) override {
    CHECK(operation.act == Act::put);
    append_u32(out(), static_cast<std::uint32_t>(operation.value.size()));
    operation.value.append_to(out(), 0, operation.value.size());
    clients_.push_back(client);
  }

 private:
  std::optional<std::size_t> take(BytesView bytes) override {
    std::size_t used = 0;
    for (; bytes.size() - used >= kAnswerBytes; used += kAnswerBytes) {
      if (clients_.empty()) return std::nullopt;
      const std::size_t client = clients_.front();
      clients_.pop_front();
      answer(client, 200);
    }
    return used;
  }

  void give_up() override {
    std::deque<std::size_t> clients;
    clients.swap(clients_);
    for (const std::size_t client : clients) answer(client, kConnectionLost);
  }

  std::deque<std::size_t> clients_;
};

}  // namespace

std::unique_ptr<Session> make_floor_session(EventLoop& loop, SessionOwner& owner,
                                            std::size_t number, const std::string& address) {
  return std::make_unique<FloorSession>(loop, owner, number, address);
}

}  // namespace keelson::load

// etcd's gRPC over HTTP/2 without TLS: any number of requests at once on one connection. The only
// place that knows nghttp2.
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>

#include "core/base/check.h"
#include "tools/load/etcd.pb.h"
#include "tools/load/session.h"

namespace keelson::load {

namespace {

constexpr std::uint32_t kWindowBytes = 4 << 20;

nghttp2_nv field(std::string_view name, std::string_view value) {
  const auto octets = [](std::string_view text) {
    return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(text.data()));
  };
  return {octets(name), octets(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

class EtcdSession final : public Session {
 public:
  EtcdSession(EventLoop& loop, SessionOwner& owner, std::size_t number,
              const std::string& address)
      : Session(loop, owner, number, address) {}
  ~EtcdSession() override { nghttp2_session_del(http2_); }

  void begin(std::size_t client, const Operation& operation) override;

 private:
  // A request under way.
  struct Call {
    std::size_t client;
    Act act;
    Expected expected;  // Of a get.
    Bytes request;  // Framed; octets before `sent` are gone.
    std::size_t sent = 0;
    Bytes reply;
    int grpc_status = -1;  // As the trailer says.
  };

  void on_connected() override;
  std::optional<std::size_t> take(BytesView bytes) override;
  void give_up() override;
  void gather() override;
  void on_closed(std::int32_t stream);
  int status_of(const Call& call) const;
  Call* find(std::int32_t stream) {
    const auto found = calls_.find(stream);
    return found == calls_.end() ? nullptr : &found->second;
  }

  static EtcdSession& self(void* user) { return *static_cast<EtcdSession*>(user); }
  static ssize_t read_request(nghttp2_session*, std::int32_t stream, std::uint8_t* into,
                              std::size_t room, std::uint32_t* flags, nghttp2_data_source*,
                              void* user);

  nghttp2_session* http2_ = nullptr;
  std::map<std::int32_t, Call> calls_;  // By stream.
};

void EtcdSession::on_connected() {
  nghttp2_session_del(http2_);
  nghttp2_session_callbacks* callbacks = nullptr;
  CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
  nghttp2_session_callbacks_set_on_header_callback(
      callbacks, [](nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                    std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                    std::uint8_t, void* user) {
        Call* const call = self(user).find(frame->hd.stream_id);
        const std::string_view is(reinterpret_cast<const char*>(name), name_size);
        if (call != nullptr && is == "grpc-status") {
          const char* const text = reinterpret_cast<const char*>(value);
          std::from_chars(text, text + value_size, call->grpc_status);
        }
        return 0;
      });
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
      callbacks, [](nghttp2_session*, std::uint8_t, std::int32_t stream, const std::uint8_t* data,
                    std::size_t size, void* user) {
        Call* const call = self(user).find(stream);
        if (call != nullptr) call->reply.append(reinterpret_cast<const char*>(data), size);
        return 0;
      });
  nghttp2_session_callbacks_set_on_stream_close_callback(
      callbacks, [](nghttp2_session*, std::int32_t stream, std::uint32_t, void* user) {
        self(user).on_closed(stream);
        return 0;
      });
  CHECK(nghttp2_session_client_new(&http2_, callbacks, this) == 0);
  nghttp2_session_callbacks_del(callbacks);
  const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                             {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindowBytes}};
  CHECK(nghttp2_submit_settings(http2_, NGHTTP2_FLAG_NONE, settings, std::size(settings)) == 0);
  CHECK(nghttp2_session_set_local_window_size(http2_, NGHTTP2_FLAG_NONE, 0, kWindowBytes) == 0);
}

ssize_t EtcdSession::read_request(nghttp2_session*, std::int32_t stream, std::uint8_t* into,
                                  std::size_t room, std::uint32_t* flags, nghttp2_data_source*,
                                  void* user) {
  Call* const call = self(user).find(stream);
  if (call == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  const std::size_t count = std::min(room, call->request.size() - call->sent);
  std::memcpy(into, call->request.data() + call->sent, count);
  call->sent += count;
  if (call->sent == call->request.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return static_cast<ssize_t>(count);
}

void EtcdSession::begin(std::size_t client, const Operation& operation) {
  CHECK(http2_ != nullptr);
  Bytes message;
  std::string_view path;
  if (operation.act == Act::put) {
    wire::PutRequest put;
    put.set_key(std::string(operation.key));
    put.set_value(operation.value.whole());
    message = put.SerializeAsString();
    path = "/etcdserverpb.KV/Put";
  } else if (operation.act == Act::get) {
    wire::RangeRequest range;
    range.set_key(std::string(operation.key));
    message = range.SerializeAsString();
    path = "/etcdserverpb.KV/Range";
  } else {
    CHECK(operation.act == Act::probe);
    path = "/etcdserverpb.Maintenance/Status";
  }
  // gRPC's frame: not compressed, and how long it is, most significant octet first.
  Bytes request(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) {
    request.push_back(static_cast<char>(message.size() >> shift & 0xff));
  }
  request += message;

  const nghttp2_nv fields[] = {
      field(":method", "POST"),   field(":scheme", "http"),
      field(":path", path),       field(":authority", address()),
      field("te", "trailers"),    field("content-type", "application/grpc"),
  };
  nghttp2_data_provider body{};
  body.read_callback = &EtcdSession::read_request;
  const std::int32_t stream =
      nghttp2_submit_request(http2_, nullptr, fields, std::size(fields), &body, nullptr);
  CHECK(stream > 0);  // A connection has 2^30 of them.
  calls_.emplace(stream, Call{.client = client, .act = operation.act,
                              .expected = operation.expected, .request = std::move(request),
                              .reply = {}});
}

void EtcdSession::gather() {
  if (http2_ == nullptr) return;
  while (true) {
    const std::uint8_t* data = nullptr;
    const ssize_t size = nghttp2_session_mem_send(http2_, &data);
    CHECK(size >= 0);
    if (size == 0) return;
    out().append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
  }
}

std::optional<std::size_t> EtcdSession::take(BytesView bytes) {
  const ssize_t used = nghttp2_session_mem_recv(
      http2_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (used < 0) return std::nullopt;
  return static_cast<std::size_t>(used);
}

void EtcdSession::on_closed(std::int32_t stream) {
  const auto found = calls_.find(stream);
  if (found == calls_.end()) return;
  const std::size_t client = found->second.client;
  const int status = status_of(found->second);
  calls_.erase(found);
  answer(client, status);
}

int EtcdSession::status_of(const Call& call) const {
  if (call.grpc_status < 0) return kConnectionLost;
  if (call.grpc_status > 0) return kGrpcErrors + call.grpc_status;
  const BytesView framed = call.reply;
  if (framed.size() < 5) return kWrongAnswer;
  const std::string message(framed.substr(5));
  if (call.act == Act::get) {
    wire::RangeResponse range;
    if (!range.ParseFromString(message) || range.kvs_size() != 1) return kWrongAnswer;
    BodyCheck body(call.expected);
    body.take(range.kvs(0).value());
    return body.is_good() ? 200 : kWrongAnswer;
  }
  if (call.act == Act::probe) {
    wire::StatusResponse told;
    if (!told.ParseFromString(message)) return kWrongAnswer;
    return told.leader() != 0 && told.leader() == told.header().member_id() ? 200 : 503;
  }
  return 200;
}

void EtcdSession::give_up() {
  std::map<std::int32_t, Call> calls;
  calls.swap(calls_);
  for (const auto& [stream, call] : calls) answer(call.client, kConnectionLost);
}

}  // namespace

std::unique_ptr<Session> make_etcd_session(EventLoop& loop, SessionOwner& owner,
                                           std::size_t number, const std::string& address) {
  return std::make_unique<EtcdSession>(loop, owner, number, address);
}

}  // namespace keelson::load

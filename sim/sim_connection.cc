// Tested by tests/sim/network_test.cc.
#include "sim/sim_connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "core/base/check.h"
#include "sim/links.h"
#include "sim/machine.h"
#include "sim/sim_network.h"
#include "sim/world.h"

namespace keelson::sim {

namespace {

// Connections that wait for being accepted; more are tried again later, as a kernel does.
constexpr std::size_t kListenerQueueLimit = 128;

constexpr std::uint16_t kFirstListenerPort = 20000;
constexpr std::uint16_t kFirstClientPort = 40000;

struct HostAndPort {
  std::string host;
  std::uint16_t port = 0;
};

std::optional<HostAndPort> parse(const Address& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == address.size()) return std::nullopt;
  HostAndPort parsed{address.substr(0, colon), 0};
  // No machine can have such a name (World::add_machine).
  if (parsed.host.find_first_of(" \t\r\n:>") != std::string::npos) return std::nullopt;
  const char* const first = address.data() + colon + 1;
  const char* const last = address.data() + address.size();
  const auto [end, error] = std::from_chars(first, last, parsed.port);
  if (error != std::errc{} || end != last) return std::nullopt;
  return parsed;
}

Error not_an_address(const Address& address) {
  return {ErrorCode::invalid_argument, fmt::format("\"{}\" is not an address", address)};
}

}  // namespace

SimConnection::SimConnection(Wire& wire, std::size_t end, Scheduler& scheduler)
    : wire_(&wire),
      end_(end),
      peer_(fmt::format("{}:{}", wire.end(1 - end).host->name, wire.end(1 - end).port)),
      is_broken_(wire.end(end).is_broken),
      readable_(scheduler),
      writable_(scheduler) {
  CHECK(wire.end(end).connection == nullptr);
  wire.end(end).connection = this;
  ++wire.end(end).host->live_connections;
}

SimConnection::~SimConnection() {
  if (wire_ == nullptr) return;
  CHECK(end().host->live_connections > 0);
  --end().host->live_connections;
  wire_->let_go(end_);
}

void SimConnection::detach() {
  CHECK(wire_ != nullptr);
  CHECK(end().host->live_connections > 0);
  --end().host->live_connections;
  wire_ = nullptr;
  is_broken_ = true;
  break_is_told_ = true;
}

Error SimConnection::lost() const {
  return {ErrorCode::connection_lost, fmt::format("the connection to {} broke", peer_)};
}

Result<void> SimConnection::finish_opening(Deadline deadline) {
  const Error late{ErrorCode::timed_out, fmt::format("{} does not answer", peer_)};
  while (!end().is_open && !is_broken_) {
    if (!readable_.wait(deadline) && !end().is_open && !is_broken_) return late;
  }
  if (!is_broken_) return {};
  // A reset refuses; giving up without one is silence.
  if (!wire_->into(end_).reset_was_put()) return late;
  return Error{ErrorCode::unavailable, fmt::format("{} refuses the connection", peer_)};
}

Result<std::size_t> SimConnection::read(std::span<char> into, Deadline deadline) {
  CHECK(!into.empty());
  while (true) {
    if (is_broken_) return lost();
    Pipe& in = wire_->into(end_);
    const BytesView arrived = in.readable();
    if (!arrived.empty()) {
      const std::size_t size = in.link().read_size(std::min(arrived.size(), into.size()));
      std::memcpy(into.data(), arrived.data(), size);
      in.consume(size);
      wire_->network().tell_read(*end().host->machine, *other_host().machine, wire_->id(),
                                 BytesView(into.data(), size));
      return size;
    }
    if (in.has_ended()) return std::size_t{0};
    if (!readable_.wait(deadline) && !is_broken_ && in.readable().empty() && !in.has_ended()) {
      return Error{ErrorCode::timed_out, fmt::format("{} sent nothing in time", peer_)};
    }
  }
}

Result<void> SimConnection::write(BytesView bytes, Deadline deadline) {
  while (!bytes.empty()) {
    if (is_broken_ || wire_->out_of(end_).is_closing()) return lost();
    Pipe& out = wire_->out_of(end_);
    if (out.room() > 0) {
      bytes.remove_prefix(accept_some(bytes));
      continue;
    }
    out.want_room();
    if (!writable_.wait(deadline) && !is_broken_ && out.room() == 0) {
      return Error{ErrorCode::timed_out, fmt::format("{} takes no more bytes", peer_)};
    }
  }
  return {};
}

std::size_t SimConnection::accept_some(BytesView bytes) {
  Pipe& out = wire_->out_of(end_);
  const BytesView some = bytes.substr(0, out.room());
  SimNetwork& network = wire_->network();
  const Host& self = *end().host;
  network.world().trace().record(
      self.machine->index(), Kind::net_send, wire_->id() << 32 ^ some.size(), [&] {
        return fmt::format("#{} {}>{} {} bytes", wire_->id(), self.name, other_host().name,
                           some.size());
      });
  out.put(some);
  network.tell_written(*self.machine, *other_host().machine, wire_->id(), some);
  return some.size();
}

void SimConnection::shutdown_write() {
  if (is_broken_ || wire_->out_of(end_).is_closing()) return;
  wire_->out_of(end_).put_mark(Mark::end_of_stream);
}

void SimConnection::reset() {
  if (is_broken_) return;
  is_broken_ = true;
  break_is_told_ = true;  // Whoever breaks it need not be told.
  wire_->abort(end_);
  readable_.notify_all();
  writable_.notify_all();
  end().host->machine->touch();
}

void SimConnection::set_on_break(std::function<void()> on_break) {
  on_break_ = std::move(on_break);
  // It may have broken while nobody watched, say while it waited for being accepted.
  if (on_break_ && is_broken_ && !break_is_told_) wire_->out_of(end_).tell_break_soon();
}

void SimConnection::on_readable() {
  readable_.notify_all();
  end().host->machine->touch();
}

void SimConnection::on_room() {
  writable_.notify_all();
  end().host->machine->touch();
}

void SimConnection::on_broken() {
  CHECK(!is_broken_);
  is_broken_ = true;
  readable_.notify_all();
  writable_.notify_all();
  end().host->machine->touch();
  if (!on_break_) return;
  if (end().host->machine->is_paused()) {
    wire_->out_of(end_).tell_break_soon();
  } else {
    tell_break();
  }
}

void SimConnection::tell_break() {
  if (break_is_told_ || !on_break_) return;
  break_is_told_ = true;
  const std::function<void()> on_break = std::move(on_break_);
  end().host->machine->touch();
  on_break();  // Last: it may destroy this connection.
}

SimListener::SimListener(SimNetwork& network, Host& host, std::uint16_t port, Scheduler& scheduler)
    : network_(network),
      host_(&host),
      port_(port),
      address_(fmt::format("{}:{}", host.name, port)),
      scheduler_(scheduler),
      queued_(scheduler) {
  CHECK(!host.listeners.contains(port));
  host.listeners.emplace(port, this);
}

SimListener::~SimListener() {
  if (host_ == nullptr) return;
  host_->listeners.erase(port_);
  for (Wire* const wire : queue_) {
    wire->end(1).is_queued = false;
    if (wire->end(1).is_known) wire->abort(1);
    wire->recycle_if_over();
  }
}

void SimListener::detach() {
  host_ = nullptr;
  queue_.clear();
}

bool SimListener::is_full() const { return queue_.size() >= kListenerQueueLimit; }

void SimListener::on_connect(Wire& wire) {
  CHECK(!is_full());
  CHECK(wire.end(1).is_queued);
  queue_.push_back(&wire);
  queued_.notify_one();
  host_->machine->touch();
}

Result<std::unique_ptr<Connection>> SimListener::accept(Deadline deadline) {
  CHECK(host_ != nullptr);
  while (queue_.empty()) {
    if (!queued_.wait(deadline) && queue_.empty()) {
      return Error{ErrorCode::timed_out, "nobody connected"};
    }
  }
  Wire& wire = *queue_.front();
  queue_.pop_front();
  wire.end(1).is_queued = false;
  network_.world().trace().record(host_->machine->index(), Kind::net_connect, wire.id(), [&] {
    return fmt::format("#{} accepted by {}", wire.id(), host_->name);
  });
  return std::unique_ptr<Connection>(std::make_unique<SimConnection>(wire, 1, scheduler_));
}

Result<std::unique_ptr<Listener>> SimEndpoint::listen(const Address& address) {
  const auto parsed = parse(address);
  if (!parsed) return not_an_address(address);
  if (parsed->host != host_.name) {
    return Error{ErrorCode::invalid_argument,
                 fmt::format("\"{}\" is not an address of {}", address, host_.name)};
  }
  std::uint16_t port = parsed->port;
  if (port == 0) {
    while (host_.listeners.contains(host_.next_listener_port)) ++host_.next_listener_port;
    port = host_.next_listener_port++;
    if (host_.next_listener_port >= kFirstClientPort) host_.next_listener_port = kFirstListenerPort;
  }
  if (host_.listeners.contains(port)) {
    return Error{ErrorCode::invalid_argument, fmt::format("\"{}\" is in use", address)};
  }
  return std::unique_ptr<Listener>(
      std::make_unique<SimListener>(network_, host_, port, host_.machine->scheduler()));
}

Result<std::unique_ptr<Connection>> SimEndpoint::connect(const Address& address,
                                                         Deadline deadline) {
  const auto parsed = parse(address);
  if (!parsed || parsed->port == 0) return not_an_address(address);
  if (!network_.knows(parsed->host)) {
    return Error{ErrorCode::invalid_argument, fmt::format("\"{}\": unknown host", address)};
  }
  const std::uint16_t port = host_.next_client_port;
  ++host_.next_client_port;
  if (port == UINT16_MAX) host_.next_client_port = kFirstClientPort;

  Scheduler& scheduler = host_.machine->scheduler();
  Wire& wire = network_.take_wire(host_, port, network_.host(parsed->host), parsed->port);
  auto connection = std::make_unique<SimConnection>(wire, 0, scheduler);
  wire.out_of(0).put_mark(Mark::open);
  // A kernel does not try for ever, even if the caller would.
  const Duration patience = wire.out_of(0).link().conditions().give_up_after;
  TRY(connection->finish_opening(std::min(deadline, Deadline::in(scheduler.clock(), patience))));
  return std::unique_ptr<Connection>(std::move(connection));
}

}  // namespace keelson::sim

// Tested by tests/tools/keelson_bench_test.py.
#include "tools/load/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "core/base/check.h"

namespace keelson::load {

namespace {

constexpr std::int64_t kMillisecond = 1'000'000;
constexpr std::int64_t kSecond = 1'000 * kMillisecond;
constexpr std::int64_t kReconnectAfter = 100 * kMillisecond;

}  // namespace

Load::Load(const Plan& plan) : plan_(plan), workload_(plan.mix) {
  CHECK(!plan.endpoints.empty());
  CHECK(plan.connections >= 1 && plan.connections <= plan.clients);
  CHECK(plan.connections == plan.clients || plan.kind.protocol != SessionKind::Protocol::s3);
}

Result<Figures> Load::run() {
  std::vector<std::string> endpoints = plan_.endpoints;
  if (plan_.to_leader && plan_.kind.protocol != SessionKind::Protocol::floor) {
    TRY(std::string leader, find_leader());
    endpoints = {std::move(leader)};
  }
  TRY(connect(endpoints, plan_.connections, plan_.clients, true));
  TRY(prepare());
  work();
  figures_.endpoints = std::move(endpoints);
  figures_.span_ns = plan_.span_ns;
  return std::move(figures_);
}

Result<void> Load::connect(const std::vector<std::string>& endpoints, std::size_t connections,
                           std::size_t clients, bool all) {
  seats_.clear();
  clients_.clear();
  idle_.clear();
  busy_ = lost_ = 0;
  for (std::size_t i = 0; i < connections; ++i) {
    Seat& seat = seats_.emplace_back();
    seat.session = make_session(plan_.kind, loop_, *this, i, endpoints[i % endpoints.size()]);
    TRY(seat.session->open());
  }
  for (std::size_t i = 0; i < clients; ++i) clients_.push_back({.session = i % connections});
  phase_ = Phase::prepare;
  const bool connected = turn_until([&] {
    const auto is_connected = [](const Seat& seat) { return seat.session->is_connected(); };
    return all ? std::all_of(seats_.begin(), seats_.end(), is_connected)
               : std::any_of(seats_.begin(), seats_.end(), is_connected);
  });
  if (connected) return {};
  return Error{ErrorCode::unavailable,
               fmt::format("cannot connect to {}: {}", fmt::join(endpoints, ", "),
                           why_lost_.empty() ? "no answer" : why_lost_)};
}

Result<std::string> Load::find_leader() {
  TRY(connect(plan_.endpoints, plan_.endpoints.size(), plan_.endpoints.size(), false));
  const std::int64_t give_up_at = now_ns() + plan_.timeout_ns;
  while (now_ns() < give_up_at) {
    for (std::size_t i = 0; i < seats_.size(); ++i) {
      if (!seats_[i].session->is_connected()) continue;
      begin(i, {.act = Act::probe}, now_ns());
      seats_[i].session->flush();
      if (turn_until([this] { return busy_ == 0; }) && last_status_ == 200) {
        return seats_[i].session->address();
      }
    }
    const std::int64_t again_at = now_ns() + kReconnectAfter;
    while (now_ns() < again_at) turn(again_at);
  }
  return Error{ErrorCode::unavailable,
               fmt::format("none of {} says it leads", fmt::join(plan_.endpoints, ", "))};
}

Result<void> Load::prepare() {
  if (plan_.mix.probes) return {};
  last_status_ = 0;
  if (plan_.kind.protocol == SessionKind::Protocol::s3) {
    const bool created = turn_until([this] {
      if (busy_ > 0) return false;
      if (last_status_ == 200 || last_status_ == 409) return true;
      if (!seats_[0].session->is_connected()) return false;
      begin(0, {.act = Act::prepare}, now_ns());
      seats_[0].session->flush();
      return false;
    });
    if (!created) {
      return Error{ErrorCode::unavailable,
                   fmt::format("cannot create bucket {}: {}", plan_.kind.bucket,
                               name_of_status(last_status_))};
    }
  }
  if (plan_.mix.read_percent > 0) TRY(load_keys());
  return {};
}

// Reads expect every key to be there.
Result<void> Load::load_keys() {
  idle_.clear();
  for (std::size_t i = 0; i < clients_.size(); ++i) idle_.push_back(i);
  keys_loaded_ = 0;
  std::uint64_t begun = 0;
  std::int64_t heard_at = now_ns();
  std::uint64_t seen = 0;
  while (keys_loaded_ < plan_.mix.keys) {
    for (std::size_t i = 0; i < clients_.size() && begun < plan_.mix.keys; ++i) {
      if (clients_[i].is_busy || !seats_[clients_[i].session].session->is_connected()) continue;
      begin(i, workload_.put(begun++), now_ns());
    }
    for (const Seat& seat : seats_) seat.session->flush();
    turn(now_ns() + kReconnectAfter);
    if (figures_.unexpected > 0) {
      return Error{ErrorCode::unavailable, fmt::format("a key cannot be written: {}",
                                                       name_of_status(last_status_))};
    }
    if (seen != keys_loaded_) heard_at = now_ns();
    seen = keys_loaded_;
    if (now_ns() - heard_at > plan_.timeout_ns) {
      return Error{ErrorCode::unavailable, "the keys are not written in time"};
    }
  }
  return {};
}

void Load::work() {
  idle_.clear();
  for (std::size_t i = clients_.size(); i-- > 0;) idle_.push_back(i);
  phase_ = Phase::work;
  const std::int64_t start = now_ns();
  measure_from_ = start + plan_.warm_up_ns;
  measure_to_ = measure_from_ + plan_.span_ns;
  next_arrival_ = start;
  progress_at_ = start + kSecond;
  while (now_ns() < measure_to_) turn(measure_to_);
  phase_ = Phase::drain;
  const std::int64_t give_up_at = measure_to_ + plan_.timeout_ns;
  const auto has_backlog = [this] { return plan_.rate > 0 && next_arrival_ < measure_to_; };
  while ((busy_ > 0 || has_backlog()) && now_ns() < give_up_at) turn(give_up_at);
  if (plan_.shows_progress) fmt::print(stderr, "\r\x1b[K");
  count_unanswered();
}

void Load::count_unanswered() {
  const std::int64_t now = now_ns();
  for (const Client& client : clients_) {
    if (client.is_busy) count(client, kNoAnswer, now);
  }
  while (plan_.rate > 0 && next_arrival_ < measure_to_) {
    count({.began = next_arrival_}, kNoAnswer, now);
    next_arrival_ += kSecond / static_cast<std::int64_t>(plan_.rate);
  }
}

template <typename Condition>
bool Load::turn_until(Condition&& condition) {
  const std::int64_t give_up_at = now_ns() + plan_.timeout_ns;
  while (!condition()) {
    if (now_ns() >= give_up_at) return false;
    turn(std::min(give_up_at, now_ns() + kReconnectAfter));
  }
  return true;
}

void Load::turn(std::int64_t until) {
  std::int64_t now = now_ns();
  if (lost_ > 0) {
    for (Seat& seat : seats_) {
      if (seat.open_again_at == 0) continue;
      until = std::min(until, std::max(seat.open_again_at, now));
      if (seat.open_again_at > now) continue;
      seat.open_again_at = 0;
      --lost_;
      CHECK(seat.session->open().has_value());  // It was opened before.
    }
  }
  if (phase_ != Phase::prepare) {
    begin_idle(now);
    if (plan_.rate > 0 && !idle_.empty() && next_arrival_ < measure_to_) {
      until = std::min(until, next_arrival_);
    }
  }
  if (plan_.shows_progress && phase_ == Phase::work) {
    show_progress(now);
    until = std::min(until, progress_at_);
  }
  loop_.turn(until);
}

// Clients that could not begin when they were free: at the start, before their request is due, and
// while their connection is lost.
void Load::begin_idle(std::int64_t now) {
  idle_again_.clear();
  while (!idle_.empty()) {
    const std::size_t client = idle_.back();
    idle_.pop_back();
    if (begin_next(client, now)) {
      seats_[clients_[client].session].session->flush();
    } else {
      idle_again_.push_back(client);
      const bool nothing_is_due = plan_.rate > 0 && next_arrival_ > now;
      if (nothing_is_due) break;
    }
  }
  idle_.insert(idle_.end(), idle_again_.rbegin(), idle_again_.rend());
}

bool Load::begin_next(std::size_t number, std::int64_t now) {
  Client& client = clients_[number];
  if (!seats_[client.session].session->is_connected()) return false;
  if (plan_.rate == 0) {
    if (phase_ != Phase::work || now >= measure_to_) return false;
    begin(number, workload_.next(), now);
    return true;
  }
  if (next_arrival_ > now || next_arrival_ >= measure_to_) return false;
  begin(number, workload_.next(), next_arrival_);
  next_arrival_ += kSecond / static_cast<std::int64_t>(plan_.rate);
  return true;
}

void Load::begin(std::size_t number, const Operation& operation, std::int64_t began) {
  Client& client = clients_[number];
  CHECK(!client.is_busy);
  client.is_busy = true;
  client.act = operation.act;
  client.began = began;
  ++busy_;
  seats_[client.session].session->begin(number, operation);
}

void Load::on_answer(std::size_t number, int status) {
  Client& client = clients_[number];
  CHECK(client.is_busy && busy_ > 0);
  client.is_busy = false;
  --busy_;
  last_status_ = status;
  if (phase_ == Phase::prepare) {
    // What preparation asks for, it judges itself, but for the keys.
    if (client.act != Act::put) return;
    ++keys_loaded_;
    if (!is_expected(client.act, status)) ++figures_.unexpected;
    return;
  }
  const std::int64_t now = now_ns();
  count(client, status, now);
  if (!begin_next(number, now)) idle_.push_back(number);
}

void Load::on_lost(std::size_t session, const std::string& why) {
  why_lost_ = why;
  if (phase_ != Phase::prepare) ++figures_.connections_lost;
  seats_[session].open_again_at = now_ns() + kReconnectAfter;
  ++lost_;
}

bool Load::is_expected(Act act, int status) const {
  if (act == Act::probe && !plan_.to_leader && status == 503) return true;
  return status == 200;
}

void Load::count(const Client& client, int status, std::int64_t now) {
  ++figures_.statuses[status];
  const bool expected = is_expected(client.act, status);
  if (!expected) ++figures_.unexpected;
  // The open loop answers for what should have begun within the span, however late it was answered.
  // What was never answered took at least so long; a refusal is no latency of the work.
  const bool answered = status != kNoAnswer;
  const std::int64_t when = plan_.rate > 0 ? client.began : now;
  if (answered && (!expected || when < measure_from_ || when >= measure_to_)) return;
  if (expected) ++figures_.expected;
  if (expected && client.act != Act::probe) figures_.bytes += plan_.mix.value_bytes;
  figures_.latency.record(now - client.began);
  if (client.act == Act::put) figures_.put_latency.record(now - client.began);
  if (client.act == Act::get) figures_.get_latency.record(now - client.began);
}

void Load::show_progress(std::int64_t now) {
  if (now < progress_at_) return;
  const std::int64_t left = std::max<std::int64_t>(measure_to_ - now, 0) / kSecond;
  fmt::print(stderr, "\r\x1b[K{}: {} answers/s, {} s left",
             now < measure_from_ ? "warming up" : "measuring",
             figures_.expected - progress_count_, left);
  std::fflush(stderr);
  progress_count_ = figures_.expected;
  progress_at_ = now + kSecond;
}

}  // namespace keelson::load

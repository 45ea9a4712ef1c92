// Stand-ins for the cluster: a store that is a std::map, leadership that a test sets by hand, and
// chance that counts.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "core/api/http.h"
#include "core/kv/store.h"
#include "core/runtime/random.h"

namespace keelson::api {

class FakeStore : public kv::Store {
 public:
  Result<kv::BatchOutcome> execute(kv::Batch batch, Deadline) override {
    tokens.push_back(batch.token);
    if (before_execute) before_execute();
    if (failure) return *failure;
    for (std::size_t i = 0; i < batch.conditions.size(); ++i) {
      if (!holds(batch.conditions[i])) {
        return kv::BatchOutcome{.applied = false, .failed_condition = i};
      }
    }
    ++version;
    for (kv::Mutation& mutation : batch.mutations) {
      if (mutation.value) {
        values[mutation.key] = {*std::move(mutation.value), version};
      } else {
        values.erase(mutation.key);
      }
    }
    return kv::BatchOutcome{.applied = true, .version = version};
  }

  Result<std::vector<std::optional<kv::VersionedValue>>> get(std::vector<Bytes> keys,
                                                             Deadline) override {
    if (before_get) before_get();
    if (failure) return *failure;
    std::vector<std::optional<kv::VersionedValue>> found;
    for (const Bytes& key : keys) {
      const auto at = values.find(key);
      found.push_back(at == values.end() ? std::nullopt : std::optional(at->second));
    }
    return found;
  }

  Result<kv::ScanReply> scan(kv::ScanRequest request, Deadline) override {
    if (failure) return *failure;
    kv::ScanReply reply;
    if (request.from < scan_stop && (request.to.empty() || scan_stop < request.to)) {
      request.to = scan_stop;
    }
    for (const auto& [key, value] : values) {
      if (key < request.from || (!request.to.empty() && key >= request.to)) continue;
      kv::ScannedRow row{key, {value.value.substr(0, request.value_octets), value.version}};
      const std::size_t at =
          request.folding ? key.find(request.folding->delimiter, request.folding->after)
                          : Bytes::npos;
      if (at != Bytes::npos) {
        row = {key.substr(0, at + request.folding->delimiter.size()), {}, true};
        if (!reply.rows.empty() && reply.rows.back().key == row.key) continue;
      }
      if (reply.rows.size() == request.rows_limit) {
        reply.covered_to = key;
        return reply;
      }
      reply.rows.push_back(std::move(row));
    }
    reply.covered_to = std::move(request.to);
    return reply;
  }

  std::map<Bytes, kv::VersionedValue> values;
  std::uint64_t version = 0;
  std::optional<Error> failure;
  std::function<void()> before_execute;
  std::function<void()> before_get;
  Bytes scan_stop;  // No scan goes on over it.
  std::vector<Bytes> tokens;

 private:
  bool holds(const kv::Condition& condition) const {
    const auto found = values.find(condition.key);
    switch (condition.kind) {
      case kv::Condition::Kind::exists: return found != values.end();
      case kv::Condition::Kind::absent: return found == values.end();
      case kv::Condition::Kind::version_is:
        return found != values.end() && found->second.version == condition.version;
      case kv::Condition::Kind::range_is: break;
    }
    const auto next = values.lower_bound(condition.key);  // Only nothing_between() is for adapters.
    return next == values.end() || (!condition.end.empty() && next->first >= condition.end);
  }
};

class FakeLeadership : public kv::Leadership {
 public:
  bool is_leader() const override { return leads; }
  Result<void> verify_leader(Deadline deadline) override {
    ++rounds;
    last_deadline = deadline;
    return verify ? verify(deadline) : Result<void>();
  }
  std::optional<NodeId> leader_hint() const override { return hint; }
  raft::Term term() const override { return raft::Term(7); }
  bool is_draining() const override { return draining; }
  bool is_ready() const override { return ready; }

  bool leads = true;
  bool draining = false;
  bool ready = true;
  std::optional<NodeId> hint = NodeId(2);
  std::function<Result<void>(Deadline)> verify;
  int rounds = 0;
  Deadline last_deadline{};
};

class CountingChance : public RandomSource {
 public:
  std::unique_ptr<Random> stream(std::string_view) override {
    struct Stream : Random {
      explicit Stream(std::uint64_t& next) : next_(next) {}
      std::uint64_t below(std::uint64_t bound) override { return ++next_ % bound; }
      std::uint64_t& next_;
    };
    return std::make_unique<Stream>(next_);
  }
  Bytes identifier() override {
    Bytes octets;
    append_u64(octets, ++next_);
    append_u64(octets, 0);
    return octets;
  }

 private:
  std::uint64_t next_ = 0;
};

inline HttpRequest make_request(std::string method, std::string target, HttpHeaders headers = {},
                                Bytes body = {}) {
  HttpRequest request;
  request.method = std::move(method);
  request.set_target(std::move(target));
  request.headers = std::move(headers);
  if (request.headers.find("Host") == nullptr) request.headers.add("Host", "localhost");
  if (!body.empty() || request.method == "PUT" || request.method == "POST") {
    request.headers.set("Content-Length", std::to_string(body.size()));
  }
  request.body = std::move(body);
  return request;
}

}  // namespace keelson::api

// Tested by tests/core/node/founding_test.cc.
#include "core/founding.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/check.h"

namespace keelson {

namespace {

constexpr Duration kAnswerTime = std::chrono::milliseconds(500);
constexpr Duration kAskAgainAfter = std::chrono::milliseconds(50);

std::optional<std::pair<Incarnation, Founders>> decode(BytesView bytes) {
  if (bytes.size() < 12) return std::nullopt;
  const Incarnation incarnation(read_u64(bytes));
  const std::uint32_t count = read_u32(bytes.substr(8));
  bytes.remove_prefix(12);
  if (bytes.size() != std::uint64_t{count} * 16) return std::nullopt;
  Founders founders;
  for (; !bytes.empty(); bytes.remove_prefix(16)) {
    founders.emplace(NodeId(read_u64(bytes)), Incarnation(read_u64(bytes.substr(8))));
  }
  return std::pair(incarnation, std::move(founders));
}

}  // namespace

Founding::Founding(Env& env, kv::PeerCaller& peers, NodeId self, Incarnation incarnation,
                   Founders founders)
    : env_(env), peers_(peers), self_(self), incarnation_(incarnation),
      founders_(std::move(founders)) {
  CHECK(incarnation_.value != 0);
}

Bytes Founding::answer() const {
  Bytes bytes;
  append_u64(bytes, incarnation_.value);
  append_u32(bytes, static_cast<std::uint32_t>(founders_.size()));
  for (const auto& [id, incarnation] : founders_) {
    append_u64(bytes, id.value);
    append_u64(bytes, incarnation.value);
  }
  return bytes;
}

Founders Founding::agree(const std::vector<NodeId>& others, bool may_convene) {
  CHECK(founders_.empty());
  const bool convenes =
      may_convene && std::all_of(others.begin(), others.end(),
                                 [this](NodeId other) { return self_ < other; });
  env_.log.event("founding", convenes ? "a new data directory: asks whether there is a cluster"
                                      : "a new data directory: waits for a cluster");
  while (true) {
    Founders known;
    const auto first = ask_all(others, known);
    if (known.empty() && convenes && first) {
      const auto second = ask_all(others, known);
      if (known.empty() && second && *second == *first) {
        Founders founders = *first;
        founders.emplace(self_, incarnation_);
        env_.log.event("founding", fmt::format("founds a cluster of {}", founders.size()));
        return founders;
      }
    }
    if (!known.empty()) {
      const auto found = known.find(self_);
      const bool is_founder = found != known.end() && found->second == incarnation_;
      if (!is_founder) SOMETIMES(env_.marks, "node: came back without its disk");
      env_.log.event("founding", is_founder ? "is one of the founders"
                                            : "the cluster was founded without this directory: "
                                              "waits to be admitted");
      return known;
    }
    env_.scheduler.sleep_until(env_.clock.now() + kAskAgainAfter);
  }
}

std::optional<Founding::Answer> Founding::ask(NodeId peer) {
  const auto reply = peers_.call(peer, {}, Deadline::in(env_.clock, kAnswerTime));
  if (!reply) return std::nullopt;
  auto answer = decode(*reply);
  if (!answer) return std::nullopt;
  return Answer{answer->first, std::move(answer->second)};
}

std::optional<Founders> Founding::ask_all(const std::vector<NodeId>& others, Founders& known) {
  Founders present;
  for (const NodeId other : others) {
    auto answer = ask(other);
    if (!answer) continue;
    if (!answer->founders.empty()) {
      known = std::move(answer->founders);
      return std::nullopt;
    }
    present.emplace(other, answer->incarnation);
  }
  if (present.size() != others.size()) return std::nullopt;
  return present;
}

}  // namespace keelson

// Tested by tests/core/node/founding_test.cc.
#include "core/founding.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/check.h"

namespace keelson {

namespace {

constexpr Duration kAnswerTime = std::chrono::milliseconds(500);
constexpr Duration kAskAgainAfter = std::chrono::milliseconds(50);
// A cluster whose nodes are started together need not tell that they wait for each other.
constexpr Duration kTellAfter = std::chrono::seconds(2);
constexpr Duration kTellAgainAfter = std::chrono::seconds(5);

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

bool is_lowest(NodeId self, const std::vector<NodeId>& others) {
  return std::all_of(others.begin(), others.end(),
                     [self](NodeId other) { return self < other; });
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

std::optional<Founders> Founding::agree(const std::vector<NodeId>& others, bool may_convene) {
  CHECK(founders_.empty());
  const bool convenes = may_convene && is_lowest(self_, others);
  env_.log.event("founding", convenes ? "a new data directory: asks whether there is a cluster"
                                      : "a new data directory: waits for a cluster");
  Instant tell_at = env_.clock.now() + kTellAfter;
  while (!env_.stop_requested.is_set()) {
    Round round = ask_all(others);
    if (!round.known.empty()) return accept(std::move(round.known));
    if (convenes && round.present.size() == others.size()) {
      Round again = ask_all(others);
      if (!again.known.empty()) return accept(std::move(again.known));
      if (again.present == round.present) {
        again.present.emplace(self_, incarnation_);
        env_.log.event("founding", fmt::format("founds a cluster of {}", again.present.size()));
        return std::move(again.present);
      }
    }
    if (env_.clock.now() >= tell_at) {
      SOMETIMES(env_.marks, "node: waited long for a cluster");
      env_.log.event("founding", waiting_for(others, round, may_convene));
      tell_at = env_.clock.now() + kTellAgainAfter;
    }
    (void)env_.stop_requested.wait(Deadline::in(env_.clock, kAskAgainAfter));
  }
  env_.log.event("founding", "was asked to stop before there was a cluster");
  return std::nullopt;
}

Founders Founding::accept(Founders known) {
  const auto found = known.find(self_);
  const bool is_founder = found != known.end() && found->second == incarnation_;
  if (!is_founder) SOMETIMES(env_.marks, "node: came back without its disk");
  env_.log.event("founding", is_founder ? "is one of the founders"
                                        : "the cluster was founded without this directory: "
                                          "waits to be admitted");
  return known;
}

// For the operator, who may have forgotten to start a node or to say --bootstrap.
std::string Founding::waiting_for(const std::vector<NodeId>& others, const Round& round,
                                  bool may_convene) const {
  std::string silent;
  NodeId lowest = self_;
  for (const NodeId other : others) {
    lowest = std::min(lowest, other);
    if (round.present.contains(other)) continue;
    silent += (silent.empty() ? "" : ", ") + to_string(other);
  }
  std::string text;
  if (lowest != self_) {
    text = fmt::format("waits for a cluster to join, or for {}, started with --bootstrap, to found "
                       "one", to_string(lowest));
  } else if (may_convene) {
    text = "founds the cluster when all peers have answered";
  } else {
    text = "waits for a cluster to join; to found a new one, start this node with --bootstrap";
  }
  return text + (silent.empty() ? "; all peers answer, none is in a cluster"
                                : "; no answer from " + silent);
}

std::optional<Founding::Answer> Founding::ask(NodeId peer) {
  const auto reply = peers_.call(peer, {}, Deadline::in(env_.clock, kAnswerTime));
  if (!reply) return std::nullopt;
  auto answer = decode(*reply);
  if (!answer) return std::nullopt;
  return Answer{answer->first, std::move(answer->second)};
}

Founding::Round Founding::ask_all(const std::vector<NodeId>& others) {
  Round round;
  for (const NodeId other : others) {
    if (env_.stop_requested.is_set()) break;
    auto answer = ask(other);
    if (!answer) continue;
    if (!answer->founders.empty()) {
      round.known = std::move(answer->founders);
      break;
    }
    round.present.emplace(other, answer->incarnation);
  }
  return round;
}

}  // namespace keelson

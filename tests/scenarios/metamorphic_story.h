// A story for metamorphic tests (Chen et al., 1998): clients work on objects while nodes are cut
// off and freeze, told of one cluster and then of another that differs in what clients must not
// see. What they asked and were told, in order and in time, is what the two have in common.
//
// Chance enters by named streams alone: what one telling drew is handed to the other under other
// names. What the nodes do is not alike where they break ties by id by design, and a story keeps
// away from that: it begins with disks of a cluster that was founded before (the least id founds),
// and no blow is long enough to end a connection between nodes (the lesser id dials).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "sim/choices.h"
#include "sim/disk_image.h"
#include "sim/true_time.h"

namespace keelson::scenarios {

// What both tellings have in common, apart from chance.
struct StoryShape {
  std::size_t nodes = 3;
  std::size_t clients = 3;
  std::size_t operations = 30;  // Of each client.
  // Isolations and pauses of nodes, one after the other: now and then the lead changes.
  std::size_t blows = 5;
  // The log seals itself after a time that nobody can set, and what it writes then would be in the
  // way of others: a story whose times are scaled has disks that take none.
  sim::Duration sync_latency = std::chrono::microseconds(500);
};

// The world that the story is told of.
struct StoryWorld {
  // The story's node i, from 0, is the cluster's node images[i], from 1.
  std::vector<std::size_t> images;
  // All delays, and all timeouts that can be set, are that many times as long.
  std::int64_t scale = 1;
  // The cluster has a learner, which nobody asks.
  bool has_learner = false;
};

// Each node stands for itself.
StoryWorld plain_world(const StoryShape& shape);

struct Line {
  sim::TrueTime at;  // Divided by the world's scale.
  std::string text;  // "c1 asks node 0: get key-1"
  bool operator==(const Line&) const = default;
};

struct Telling {
  std::vector<Line> history;
  std::size_t answered = 0;      // Operations whose outcome is known,
  std::size_t unanswered = 0;    // and those where it is not.
  std::uint64_t terms = 0;       // That began after the first leader's.
  sim::ChoicesByStream choices;  // What was drawn other than 0.
};

// REQUIRES: `choices` record or replay.
Telling tell(const StoryShape& shape, const StoryWorld& world, sim::Choices& choices);

// What each node drew becomes what its image draws: "net/n1>n2/base" is that of their images.
sim::ChoicesByStream renamed(const sim::ChoicesByStream& choices,
                             const std::vector<std::size_t>& images);
// What was drawn as a span of time is that many times as long.
sim::ChoicesByStream scaled(sim::ChoicesByStream choices, std::int64_t scale);

}  // namespace keelson::scenarios

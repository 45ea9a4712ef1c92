// Tested by tests/scenarios/serializability_test.cc.
#include "scenarios/dependency_graph.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "core/base/check.h"

namespace keelson::scenarios {

namespace {

bool contains(const std::vector<Dependency::Kind>& kinds, Dependency::Kind kind) {
  return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

// What is before one that is before a third, in real time, is before the third.
std::vector<Dependency> joined(const std::vector<Dependency>& cycle) {
  std::vector<Dependency> short_one;
  for (const Dependency& edge : cycle) {
    const bool goes_on = !short_one.empty() && edge.kind == Dependency::Kind::real_time &&
                         short_one.back().kind == Dependency::Kind::real_time;
    if (goes_on) {
      short_one.back().to = edge.to;
    } else {
      short_one.push_back(edge);
    }
  }
  return short_one;
}

}  // namespace

void DependencyGraph::add(Dependency dependency) {
  CHECK(dependency.from < out_.size() && dependency.to < out_.size());
  if (dependency.from == dependency.to) return;
  out_[dependency.from].push_back(edges_.size());
  edges_.push_back(std::move(dependency));
}

std::vector<Dependency> DependencyGraph::smallest_cycle(Kind through,
                                                        const std::vector<Kind>& by) const {
  std::vector<bool> is_used(edges_.size());    // Of either.
  std::vector<bool> is_a_link(edges_.size());  // Of `by`.
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    is_a_link[i] = contains(by, edges_[i].kind);
    is_used[i] = is_a_link[i] || edges_[i].kind == through;
  }
  const std::vector<std::size_t> component = components(is_used);
  // No circle leaves a component, so no search does.
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    if (component[edges_[i].from] != component[edges_[i].to]) is_used[i] = is_a_link[i] = false;
  }
  std::vector<Dependency> smallest;
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    if (!is_used[i] || edges_[i].kind != through) continue;
    const auto path = shortest_path(edges_[i].to, edges_[i].from, is_a_link);
    if (!path) continue;
    std::vector<Dependency> cycle = {edges_[i]};
    for (const std::size_t edge : *path) cycle.push_back(edges_[edge]);
    cycle = joined(cycle);
    if (smallest.empty() || cycle.size() < smallest.size()) smallest = std::move(cycle);
    if (smallest.size() == 2) break;
  }
  return smallest;
}

// Tarjan, "Depth-first search and linear graph algorithms" (1972), on a stack of its own, as
// histories are long. Returns the component of each node.
std::vector<std::size_t> DependencyGraph::components(const std::vector<bool>& is_used) const {
  constexpr std::size_t kNone = SIZE_MAX;
  struct Visit {
    std::size_t node;
    std::size_t next;  // Position in out_[node].
  };
  std::vector<std::size_t> component(out_.size(), kNone);
  std::vector<std::size_t> number(out_.size(), kNone);
  std::vector<std::size_t> lowest(out_.size());
  std::vector<std::size_t> open;  // Of no component yet, in the order in which they were found.
  std::vector<Visit> visits;
  std::size_t found = 0;
  std::size_t count = 0;
  const auto enter = [&](std::size_t node) {
    number[node] = lowest[node] = found++;
    open.push_back(node);
    visits.push_back({node, 0});
  };
  for (std::size_t root = 0; root < out_.size(); ++root) {
    if (number[root] == kNone) enter(root);
    while (!visits.empty()) {
      Visit& visit = visits.back();
      const std::size_t node = visit.node;
      if (visit.next < out_[node].size()) {
        const std::size_t edge = out_[node][visit.next++];
        if (!is_used[edge]) continue;
        const std::size_t to = edges_[edge].to;
        if (number[to] == kNone) {
          enter(to);  // `visit` is not valid any more.
        } else if (component[to] == kNone) {
          lowest[node] = std::min(lowest[node], number[to]);
        }
        continue;
      }
      visits.pop_back();
      if (!visits.empty()) {
        std::size_t& above = lowest[visits.back().node];
        above = std::min(above, lowest[node]);
      }
      if (lowest[node] != number[node]) continue;
      while (component[node] == kNone) {
        component[open.back()] = count;
        open.pop_back();
      }
      ++count;
    }
  }
  return component;
}

std::optional<std::vector<std::size_t>> DependencyGraph::shortest_path(
    std::size_t from, std::size_t to, const std::vector<bool>& is_used) const {
  std::vector<std::optional<std::size_t>> reached_by(out_.size());
  std::deque<std::size_t> to_visit = {from};
  while (!to_visit.empty() && !reached_by[to]) {
    const std::size_t node = to_visit.front();
    to_visit.pop_front();
    for (const std::size_t edge : out_[node]) {
      const std::size_t next = edges_[edge].to;
      if (!is_used[edge] || next == from || reached_by[next]) continue;
      reached_by[next] = edge;
      to_visit.push_back(next);
    }
  }
  if (!reached_by[to]) return std::nullopt;
  std::vector<std::size_t> path;
  for (std::size_t node = to; node != from; node = edges_[path.back()].from) {
    path.push_back(*reached_by[node]);
  }
  std::reverse(path.begin(), path.end());
  return path;
}

}  // namespace keelson::scenarios

// DependencyGraph: which transaction must come before which in every serial order, and why; and the
// smallest circle of such reasons, if there is one. Adya, "Weak consistency: a generalized theory
// and optimistic implementations for distributed transactions" (1999), names the first three kinds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace keelson::scenarios {

struct Dependency {
  enum class Kind : std::uint8_t {
    ww,         // `to` appended to the list what comes after the append of `from`.
    wr,         // `to` read a list that ends with the append of `from`.
    rw,         // `from` read the list before `to` appended to it.
    real_time,  // `from` had returned when `to` was called.
  };

  std::size_t from = 0;
  std::size_t to = 0;
  Kind kind = Kind::ww;
  std::string key;          // These two do not count for real_time.
  std::uint64_t value = 0;  // The append of `from` in wr, otherwise that of `to`.
};

class DependencyGraph {
 public:
  using Kind = Dependency::Kind;

  explicit DependencyGraph(std::size_t nodes) : out_(nodes) {}

  // Nothing depends on itself: such a dependency is left out.
  void add(Dependency dependency);
  std::size_t size() const { return edges_.size(); }

  // A circle of one dependency of the kind `through` and of any others of the kinds `by`, as short
  // as there is one; empty if there is none. Each leads to the next one's beginning, the last to
  // the first's. Of several dependencies in real time that follow each other, one is left.
  std::vector<Dependency> smallest_cycle(Kind through, const std::vector<Kind>& by) const;

 private:
  std::vector<std::size_t> components(const std::vector<bool>& is_used) const;
  std::optional<std::vector<std::size_t>> shortest_path(std::size_t from, std::size_t to,
                                                        const std::vector<bool>& is_used) const;

  std::vector<Dependency> edges_;
  std::vector<std::vector<std::size_t>> out_;  // By node: positions in edges_.
};

}  // namespace keelson::scenarios

// Tested by tests/sim/shrink_test.cc.
#include "sim/shrink.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/check.h"

namespace keelson::sim {

namespace {

using List = std::vector<DrawnChoice>;

std::uint64_t hash_of(const ChoicesByStream& choices) {
  Bytes all;
  for (const auto& [stream, each] : choices) {
    append_u64(all, hash64(stream));
    append_u64(all, each.size());
    for (const Choice& choice : each) {
      append_u64(all, choice.nth);
      append_u64(all, choice.value);
    }
  }
  return hash64(all);
}

// "net/n1>n2/delay" begins with "net", "net/n1>n2" and itself.
std::string_view beginning(std::string_view stream, int parts) {
  std::size_t end = 0;
  for (int part = 0; part < parts; ++part) {
    end = stream.find('/', end == 0 ? 0 : end + 1);
    if (end == std::string_view::npos) return stream;
  }
  return stream.substr(0, end);
}

List without(const List& list, std::size_t begin, std::size_t end) {
  List rest(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(begin));
  rest.insert(rest.end(), list.begin() + static_cast<std::ptrdiff_t>(std::min(end, list.size())),
              list.end());
  return rest;
}

class Shrinker {
 public:
  Shrinker(List choices, Trials& trials) : now_(std::move(choices)), trials_(trials) {}

  List run() {
    bool goes_on = true;
    while (goes_on && !trials_.is_over()) {
      goes_on = remove_streams();
      for (std::size_t length = now_.size(); length > 0; length /= 2) {
        bool removed = remove_stretches(length, &Shrinker::by_time);
        removed = remove_stretches(length, &Shrinker::by_name) || removed;
        if (removed) remove_streams();
        goes_on = removed || goes_on;
      }
      goes_on = delete_places(ChoiceStream::kItem) || goes_on;
      goes_on = delete_places(1) || goes_on;
      goes_on = merge_neighbours() || goes_on;
      goes_on = lower() || goes_on;
    }
    return std::move(now_);
  }

 private:
  using Order = void (Shrinker::*)();
  using Moves = std::function<std::optional<List>(std::size_t number)>;

  // --- orders: which choices are neighbours ---

  void by_time() {
    std::stable_sort(now_.begin(), now_.end(), [](const DrawnChoice& a, const DrawnChoice& b) {
      return a.at < b.at;
    });
  }
  void by_name() {
    std::sort(now_.begin(), now_.end(), [](const DrawnChoice& a, const DrawnChoice& b) {
      return std::tie(a.stream, a.choice.nth) < std::tie(b.stream, b.choice.nth);
    });
  }

  // Takes the first of the moves that still fails, and returns its number. Moves that were tried
  // before are left out.
  std::optional<std::size_t> take_first(const Moves& move) {
    std::vector<std::size_t> numbers;  // Of the candidates.
    std::vector<std::uint64_t> hashes;
    std::size_t next = 0;
    const auto candidate = [&](std::size_t) -> std::optional<ChoicesByStream> {
      while (const auto list = move(next)) {
        ChoicesByStream choices = by_stream(*list);
        const std::uint64_t hash = hash_of(choices);
        ++next;
        if (tried_.contains(hash)) continue;
        numbers.push_back(next - 1);
        hashes.push_back(hash);
        return choices;
      }
      return std::nullopt;
    };
    const auto found = trials_.first_failing(candidate);
    const std::size_t judged = found ? found->number : trials_.is_over() ? 0 : hashes.size();
    tried_.insert(hashes.begin(), hashes.begin() + static_cast<std::ptrdiff_t>(judged));
    if (!found) return std::nullopt;
    now_ = found->choices;
    return numbers.at(found->number);
  }

  // --- zeroing ---

  // All streams that begin alike at once; the larger ones first.
  bool remove_streams() {
    bool removed = false;
    for (const int parts : {1, 2, 3}) {
      std::map<std::string, std::size_t> sizes;
      for (const DrawnChoice& each : now_) ++sizes[std::string(beginning(each.stream, parts))];
      std::vector<std::pair<std::size_t, std::string>> groups;
      for (const auto& [name, size] : sizes) groups.emplace_back(size, name);
      std::sort(groups.rbegin(), groups.rend());
      std::size_t first = 0;
      while (const auto taken = take_first([&](std::size_t number) -> std::optional<List> {
               if (first + number >= groups.size()) return std::nullopt;
               List rest;
               std::copy_if(now_.begin(), now_.end(), std::back_inserter(rest),
                            [&](const DrawnChoice& each) {
                              return beginning(each.stream, parts) !=
                                     groups[first + number].second;
                            });
               return rest;
             })) {
        first += *taken + 1;
        removed = true;
      }
    }
    return removed;
  }

  // Stretches of so many neighbours, from the last to the first.
  bool remove_stretches(std::size_t length, Order order) {
    bool removed = false;
    (this->*order)();
    std::size_t end = now_.size();
    while (const auto taken = take_first([&](std::size_t number) -> std::optional<List> {
             if (end <= number * length) return std::nullopt;
             const std::size_t until = end - number * length;
             return without(now_, until - std::min(until, length), until);
           })) {
      (this->*order)();
      end = std::min(end - std::min(end, (*taken + 1) * length), now_.size());
      removed = true;
    }
    return removed;
  }

  // --- what changes places and values ---

  // So many places of a stream go, with whatever was chosen there, and what follows moves up.
  bool delete_places(std::uint64_t places) {
    bool removed = false;
    by_name();
    std::size_t end = now_.size();
    while (const auto taken = take_first([&](std::size_t number) -> std::optional<List> {
             if (end <= number) return std::nullopt;
             return with_places_deleted(end - number - 1, places);
           })) {
      by_name();
      end = std::min(end - *taken - 1, now_.size());
      removed = true;
    }
    return removed;
  }

  List with_places_deleted(std::size_t position, std::uint64_t places) const {
    const DrawnChoice& chosen = now_[position];
    const std::uint64_t first = chosen.choice.nth / places * places;
    List rest;
    for (const DrawnChoice& each : now_) {
      const bool is_before = each.stream != chosen.stream || each.choice.nth < first;
      const bool is_deleted = !is_before && each.choice.nth < first + places;
      if (is_deleted) continue;
      rest.push_back(each);
      if (!is_before) rest.back().choice.nth -= places;
    }
    return rest;
  }

  // Two choices of a stream become one of their sum, in the place of either.
  bool merge_neighbours() {
    bool merged = false;
    by_name();
    std::size_t first = 0;
    while (const auto taken = take_first([&](std::size_t number) -> std::optional<List> {
             const std::size_t position = first + number / 2;
             if (position + 1 >= now_.size()) return std::nullopt;
             return with_merged(position, number % 2 == 0);
           })) {
      by_name();
      first += *taken / 2;
      merged = true;
    }
    return merged;
  }

  // The list as it is if the two are of different streams: it was tried already.
  List with_merged(std::size_t position, bool into_first) const {
    List merged = now_;
    DrawnChoice& one = merged[position];
    DrawnChoice& other = merged[position + 1];
    if (one.stream != other.stream) return without(merged, position, position + 1);
    const std::uint64_t sum = one.choice.value + other.choice.value;
    (into_first ? one : other).choice.value = sum;
    const std::size_t gone = into_first ? position + 1 : position;
    return without(merged, gone, gone + 1);
  }

  // Each value by itself, as far down as it goes: 1, then halves of what is left.
  bool lower() {
    bool lowered = false;
    by_name();
    for (std::size_t position = 0; position < now_.size() && !trials_.is_over(); ++position) {
      while (true) {
        const std::uint64_t value = now_[position].choice.value;
        const auto taken = take_first([&](std::size_t number) -> std::optional<List> {
          const auto lower_value = nth_lower(value, number);
          if (!lower_value) return std::nullopt;
          List list = now_;
          list[position].choice.value = *lower_value;
          return list;
        });
        if (!taken) break;
        lowered = true;
        by_name();
        if (position >= now_.size()) break;
      }
    }
    return lowered;
  }

  // 1, v/2, v - v/4, v - v/8, ... v - 1.
  static std::optional<std::uint64_t> nth_lower(std::uint64_t value, std::size_t number) {
    if (value < 2) return std::nullopt;
    if (number == 0) return 1;
    if (number >= 64 || value >> number == 0) return std::nullopt;
    return value - (value >> number);
  }

  List now_;
  Trials& trials_;
  std::set<std::uint64_t> tried_;  // Candidates that did not fail, or not as demanded.
};

}  // namespace

std::vector<DrawnChoice> shrink(std::vector<DrawnChoice> choices, Trials& trials) {
  return Shrinker(std::move(choices), trials).run();
}

ChoicesByStream by_stream(const std::vector<DrawnChoice>& choices) {
  std::map<std::string, std::map<std::uint64_t, std::uint64_t>> sorted;
  for (const auto& [stream, choice, at] : choices) {
    CHECK(sorted[stream].emplace(choice.nth, choice.value).second);
  }
  ChoicesByStream all;
  for (const auto& [stream, each] : sorted) {
    for (const auto& [nth, value] : each) all[stream].push_back({nth, value});
  }
  return all;
}

}  // namespace keelson::sim

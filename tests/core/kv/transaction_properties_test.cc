// The rules of transactions, against a serial model: whatever steps of whatever transactions come
// in whatever order, coordinators that stop anywhere, and requests that come twice or late, those
// that are committed have happened one after the other, in the order of their timestamps.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <deque>
#include <map>
#include <memory>

#include "core/kv/group_machine.h"
#include "core/kv/versions.h"
#include "tests/core/kv/map_rows.h"
#include "tests/core/kv/state_model.h"

namespace keelson::kv {
namespace {

using Status = CommandResult::Status;
using Values = std::map<Bytes, std::optional<Bytes>>;

constexpr std::uint64_t kGroups = 3;
constexpr std::uint64_t kKeysAGroup = 3;

struct Group {
  Marks marks;
  MapRows rows;
  GroupMemory memory;
  GroupMachine machine{rows, memory, marks};
};

// One transaction, as far as its coordinator has come.
struct Attempt {
  enum class Step { read, prepare, decide, finish, over };
  Bytes id;
  Step step = Step::read;
  Timestamp begun;
  std::map<std::uint64_t, std::vector<Condition>> conditions;
  std::map<std::uint64_t, std::vector<Mutation>> mutations;
  Values seen;
  std::map<std::uint64_t, Timestamp> prepared;
  Timestamp committed_at;
};

class Story {
 public:
  explicit Story(std::uint64_t seed) : numbers_(seed) {
    for (std::uint64_t i = 0; i < kGroups; ++i) groups_.push_back(std::make_unique<Group>());
  }

  void tell() {
    for (int step = 0; step < 400; ++step) take_step();
    settle();
    judge();
  }

 private:
  static Bytes key(std::uint64_t group, std::uint64_t number) {
    return "key/" + std::to_string(group) + "/" + std::to_string(number);
  }

  // Time passes as it likes, for all groups; a group's stamps are its own.
  Timestamp stamp(std::uint64_t group, Timestamp at_least = {}) {
    now_ = Timestamp(now_.value + 1 + numbers_.below(3));
    return std::max({now_, groups_[group]->memory.clock.last.next(), at_least.next()});
  }
  CommandResult apply(std::uint64_t group, Command command, Timestamp at_least = {}) {
    if (numbers_.below(8) == 0) late_.push_back({group, command});
    const Timestamp at = stamp(group, at_least);
    return apply_at(group, std::move(command), at);
  }
  CommandResult apply_at(std::uint64_t group, Command command, Timestamp at) {
    // Versions are kept for a while, or not at all.
    StampedCommand stamped{{at, numbers_.below(2) == 0 ? at : Timestamp(at.value / 2)},
                           std::move(command)};
    Group& one = *groups_[group];
    CHECK(one.machine.take_stamp(stamped));
    auto result = one.machine.apply(stamped.stamp, stamped.command);
    CHECK(result.has_value());
    return *std::move(result);
  }

  void take_step() {
    switch (numbers_.below(12)) {
      case 0: return begin();
      case 1: return come_late();
      case 2: now_ = now_ + std::chrono::milliseconds(numbers_.below(40)); return;
      case 3: return meet_a_lock();
      case 4: return write_one();
      default: break;
    }
    if (attempts_.empty()) return begin();
    const std::uint64_t which = numbers_.below(attempts_.size());
    // Some stop where they are, for ever.
    if (numbers_.below(25) == 0) {
      attempts_.erase(attempts_.begin() + static_cast<std::ptrdiff_t>(which));
      return;
    }
    advance(attempts_[which]);
    if (attempts_[which].step == Attempt::Step::over) {
      attempts_.erase(attempts_.begin() + static_cast<std::ptrdiff_t>(which));
    }
  }

  void begin() {
    if (attempts_.size() >= 5) return;
    Attempt attempt;
    attempt.id = "t" + std::to_string(next_++);
    attempt.begun = now_;
    attempts_.push_back(std::move(attempt));
  }

  void advance(Attempt& attempt) {
    switch (attempt.step) {
      case Attempt::Step::read: return read(attempt);
      case Attempt::Step::prepare: return prepare(attempt);
      case Attempt::Step::decide: return decide(attempt);
      case Attempt::Step::finish: return finish(attempt);
      case Attempt::Step::over: return;
    }
  }

  // A few keys, or a whole group's range, as they are now; and writes of some.
  void read(Attempt& attempt) {
    for (std::uint64_t i = 1 + numbers_.below(3); i > 0; --i) {
      const std::uint64_t group = numbers_.below(kGroups);
      MapRows& rows = groups_[group]->rows;
      if (numbers_.below(4) == 0) {
        RangeDigest digest;
        const auto found = *rows.scan(key(group, 0), key(group, 9), 100);
        for (std::uint64_t number = 0; number < kKeysAGroup; ++number) {
          attempt.seen.emplace(key(group, number), std::nullopt);
        }
        for (const Row& row : found) {
          digest.add(row.key, row.value.version);
          attempt.seen[row.key] = row.value.value;
        }
        attempt.conditions[group].push_back({.key = key(group, 0),
                                             .kind = Condition::Kind::range_is,
                                             .version = digest.value(),
                                             .end = key(group, 9)});
        continue;
      }
      const Bytes one = key(group, numbers_.below(kKeysAGroup));
      const auto found = *rows.get(one);
      attempt.seen[one] = found ? std::optional(found->value) : std::nullopt;
      attempt.conditions[group].push_back(
          found ? Condition{.key = one,
                            .kind = Condition::Kind::version_is,
                            .version = found->version}
                : Condition{.key = one, .kind = Condition::Kind::absent});
    }
    for (std::uint64_t i = 1 + numbers_.below(3); i > 0; --i) {
      const std::uint64_t group = numbers_.below(kGroups);
      Mutation mutation{.key = key(group, numbers_.below(kKeysAGroup)), .value = std::nullopt};
      if (numbers_.below(4) != 0) mutation.value = attempt.id + "/" + std::to_string(i);
      attempt.mutations[group].push_back(std::move(mutation));
    }
    // What was read twice may have changed in between: its conditions cannot both hold then.
    attempt.step = Attempt::Step::prepare;
  }

  std::vector<std::uint64_t> participants(const Attempt& attempt) const {
    std::vector<std::uint64_t> all;
    for (std::uint64_t group = 0; group < kGroups; ++group) {
      const bool reads = attempt.conditions.contains(group);
      if (reads || attempt.mutations.contains(group)) all.push_back(group);
    }
    return all;
  }
  static std::uint64_t primary(const Attempt& attempt) { return attempt.mutations.begin()->first; }

  // One group at a time.
  void prepare(Attempt& attempt) {
    for (const std::uint64_t group : participants(attempt)) {
      if (attempt.prepared.contains(group)) continue;
      Prepare command{.transaction = attempt.id,
                      .primary = GroupId(primary(attempt)),
                      .participants = {},
                      .begun = attempt.begun,
                      .ttl = std::chrono::milliseconds(20),
                      .conditions = {},
                      .mutations = {}};
      if (group == primary(attempt)) {
        for (const std::uint64_t one : participants(attempt)) {
          command.participants.push_back(GroupId(one));
        }
      }
      if (attempt.conditions.contains(group)) command.conditions = attempt.conditions.at(group);
      if (attempt.mutations.contains(group)) command.mutations = attempt.mutations.at(group);
      const CommandResult result = apply(group, std::move(command));
      if (result.status == Status::done) {
        attempt.prepared[group] = result.at;
        return;
      }
      for (const std::uint64_t one : participants(attempt)) apply(one, Finish{attempt.id, {}});
      attempt.step = Attempt::Step::over;
      return;
    }
    attempt.step = Attempt::Step::decide;
  }

  void decide(Attempt& attempt) {
    Timestamp last;
    for (const auto& [group, at] : attempt.prepared) last = std::max(last, at);
    const CommandResult result = apply(primary(attempt),
                                       Decide{.transaction = attempt.id,
                                              .kind = Decide::Kind::commit,
                                              .prepared_at = attempt.prepared.at(primary(attempt))},
                                       last);
    attempt.step = Attempt::Step::over;
    if (result.status != Status::done) return;
    attempt.committed_at = result.at;
    note_commit(attempt);
    attempt.step = Attempt::Step::finish;
  }

  void finish(Attempt& attempt) {
    for (const std::uint64_t group : participants(attempt)) {
      if (group == primary(attempt)) continue;
      apply(group, Finish{attempt.id, attempt.committed_at}, attempt.committed_at);
    }
    apply(primary(attempt), Forget{attempt.id});
    attempt.step = Attempt::Step::over;
  }

  // A copy of a request that was under way for long.
  void come_late() {
    if (late_.empty()) return;
    auto [group, command] = late_.front();
    late_.pop_front();
    Timestamp at_least;
    if (const Finish* const finish = std::get_if<Finish>(&command)) at_least = finish->committed_at;
    const Timestamp at = stamp(group, at_least);
    const Decide* const decide = std::get_if<Decide>(&command);
    const bool commits = decide != nullptr && decide->kind == Decide::Kind::commit;
    const Bytes transaction = commits ? decide->transaction : Bytes();
    const CommandResult result = apply_at(group, std::move(command), at);
    // A copy may be the first that arrives, of a coordinator that has stopped.
    if (commits && result.status == Status::done) CHECK(committed_ids_.contains(transaction));
  }

  void write_one() {
    const std::uint64_t group = numbers_.below(kGroups);
    Batch batch;
    const Bytes value = "w" + std::to_string(next_++);
    batch.mutations.push_back({key(group, numbers_.below(kKeysAGroup)), value});
    const Timestamp at = stamp(group);
    const Batch copy = batch;
    StampedCommand stamped{{at, at}, std::move(batch)};
    CHECK(groups_[group]->machine.take_stamp(stamped));
    GroupMachine& machine = groups_[group]->machine;
    const auto result = *machine.apply(stamped.stamp, std::get<Batch>(stamped.command));
    if (!result.outcome) return;
    committed_[{at, value}] = {{}, copy.mutations};
  }

  void meet_a_lock() {
    const std::uint64_t group = numbers_.below(kGroups);
    const auto locks = groups_[group]->memory.locks.locks();
    if (!locks.empty()) resolve(group, locks[numbers_.below(locks.size())]);
  }

  bool resolve(std::uint64_t group, const Lock& lock) {
    const CommandResult result = apply(lock.primary.value,
                                       Decide{.transaction = lock.transaction,
                                              .kind = Decide::Kind::abort_if_expired,
                                              .expires_at = lock.expires_at});
    if (result.status == Status::pending) return false;
    apply(group, Finish{lock.transaction, result.at}, result.at);
    return true;
  }

  // Whatever is left behind is resolved.
  void settle() {
    now_ = now_ + std::chrono::seconds(60);
    for (std::uint64_t group = 0; group < kGroups; ++group) {
      for (const Lock& lock : groups_[group]->memory.locks.locks()) RC_ASSERT(resolve(group, lock));
      RC_ASSERT(groups_[group]->memory.locks.is_empty());
      RC_ASSERT(groups_[group]->rows.count(kPreparedRows) == 0u);
    }
  }

  void note_commit(const Attempt& attempt) {
    std::vector<Mutation> all;
    for (const auto& [group, mutations] : attempt.mutations) {
      all.insert(all.end(), mutations.begin(), mutations.end());
    }
    committed_ids_.insert(attempt.id);
    committed_[{attempt.committed_at, attempt.id}] = {attempt.seen, std::move(all)};
  }

  void judge() {
    Values model;
    for (const auto& [when, what] : committed_) {
      for (const auto& [one, value] : what.seen) {
        const auto found = model.find(one);
        RC_ASSERT((found == model.end() ? std::nullopt : found->second) == value);
      }
      for (const Mutation& mutation : what.mutations) model[mutation.key] = mutation.value;
    }
    for (std::uint64_t group = 0; group < kGroups; ++group) {
      for (std::uint64_t number = 0; number < kKeysAGroup; ++number) {
        const auto row = *groups_[group]->rows.get(key(group, number));
        const auto found = model.find(key(group, number));
        const auto expected = found == model.end() ? std::nullopt : found->second;
        RC_ASSERT((row ? std::optional(row->value) : std::nullopt) == expected);
      }
    }
  }

  struct Committed {
    Values seen;
    std::vector<Mutation> mutations;
  };

  Numbers numbers_;
  std::vector<std::unique_ptr<Group>> groups_;
  Timestamp now_ = timestamp_of(1000);
  std::uint64_t next_ = 1;
  std::deque<Attempt> attempts_;
  std::deque<std::pair<std::uint64_t, Command>> late_;
  std::map<std::pair<Timestamp, Bytes>, Committed> committed_;
  std::set<Bytes> committed_ids_;
};

RC_GTEST_PROP(TransactionProperty, WhatIsCommittedHappenedInTheOrderOfItsTimestamps, ()) {
  Story(*rc::gen::arbitrary<std::uint64_t>()).tell();
}

}  // namespace
}  // namespace keelson::kv

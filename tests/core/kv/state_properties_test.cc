// The state store is the model, whatever batches it is given, whenever it is restarted, loses
// power, or is replaced by a snapshot of itself.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

#include "tests/core/kv/state_fixture.h"

namespace keelson::kv {
namespace {

enum class Step { apply, make_durable, restart, lose_power, move_by_snapshot, count };

Bytes some_key() { return Bytes(*rc::gen::inRange<std::size_t>(0, 4), 'k') + "x"; }

Batch some_batch() {
  Batch batch;
  if (*rc::gen::arbitrary<bool>()) batch.token = "t" + std::to_string(*rc::gen::inRange(0, 12));
  for (int i = *rc::gen::inRange(0, 2); i > 0; --i) {
    const auto kind = static_cast<Condition::Kind>(*rc::gen::inRange(0, 3));
    Bytes key = some_key();
    batch.conditions.push_back({std::move(key), kind, *rc::gen::inRange<std::uint64_t>(0, 40)});
  }
  for (int i = *rc::gen::inRange(0, 4); i > 0; --i) {
    Mutation mutation{.key = some_key(), .value = std::nullopt};
    if (*rc::gen::inRange(0, 4) != 0) mutation.value = *rc::gen::arbitrary<Bytes>();
    batch.mutations.push_back(std::move(mutation));
  }
  return batch;
}

class Trial {
 public:
  explicit Trial(std::uint64_t unsaved_bytes_limit) {
    options_.unsaved_bytes_limit = unsaved_bytes_limit;
  }

  void take(Step step) {
    // What is thrown must not leave a fiber: chance and verdicts are asked for out here.
    for (int i = 0; i < 5; ++i) log_.push_back(some_entry());
    if (step == Step::lose_power) machine_.lose_all_unsynced();
    machine_.begin([&](Env& env) {
      const auto store = opened(env, options_);
      const std::uint64_t label = store->label(kGroup).index.value;
      expect(label >= durable_ && label <= applied_, "the label is not what it may be");
      expect_log(*store, label);
      if (step == Step::apply) {
        apply(*store, label);
      }
      if (step == Step::make_durable) {
        expect(store->make_durable().has_value(), "make_durable");
        durable_ = label;
      }
      if (step == Step::move_by_snapshot) move(env, *store);
      (void)env.stop_requested.wait(Deadline::never());
    }, std::chrono::seconds(1));
    if (step == Step::lose_power) {
      machine_.lose_power();
    } else {
      machine_.machine.kill();
      machine_.world.run_for(Duration::zero());
    }
    RC_ASSERT(problem_ == "");
  }

 private:
  void expect(bool holds, const char* what) {
    if (!holds && problem_.empty()) problem_ = what;
  }

  raft::Entry some_entry() const {
    return {.term = raft::Term(1),
            .index = raft::LogIndex(log_.size() + 1),
            .data = stamped(some_batch(), log_.size() + 1)};
  }

  // What the log has after the label, with the results that the model gives.
  void apply(StateStore& store, std::uint64_t label) {
    StateModel model(kTokens);
    std::vector<raft::Committed> entries;
    std::vector<Bytes> expected;
    for (const raft::Entry& entry : log_) {
      Bytes result = model.apply(entry);
      if (entry.index.value <= label) continue;
      entries.push_back({kGroup, entry});
      expected.push_back(std::move(result));
    }
    const auto results = store.apply(entries);
    expect(results && *results == expected, "results of apply");
    applied_ = log_.size();
    expect_log(store, log_.size());
  }

  // The group's state goes to an empty database, which is the one from here on.
  void move(Env& env, StateStore& from) {
    StateStoreOptions options = options_;
    options.folder = "state" + std::to_string(++moves_);
    const auto to = opened(env, options);
    const auto snapshot = from.open_snapshot(kGroup);
    CHECK(snapshot.has_value());
    const raft::StateLabel& label = (*snapshot)->label();
    const raft::SnapshotId id{.number = moves_, .index = label.index, .term = label.term};
    for (const raft::SnapshotChunk& chunk : read_all(**snapshot)) {
      expect(to->stage(kGroup, id, chunk).has_value(), "stage");
    }
    expect(to->install(kGroup, id, label).has_value(), "install");
    expect_log(*to, label.index.value);
    durable_ = label.index.value;
    options_ = options;
  }

  void expect_log(StateStore& store, std::uint64_t size) {
    StateModel model(kTokens);
    for (std::uint64_t i = 0; i < size; ++i) model.apply(log_[i]);
    expect(store.digest(kGroup) == model.store().digest(), "digest");
    const auto digest = store.content_digest(kGroup);
    expect(digest && *digest == model.content_digest(), "content_digest");
  }

  OneMachine machine_;
  StateStoreOptions options_ = small_options();
  std::vector<raft::Entry> log_;
  std::uint64_t durable_ = 0;
  std::uint64_t applied_ = 0;
  std::string problem_;
  std::uint64_t moves_ = 0;
};

RC_GTEST_PROP(StateStoreProperty, ItIsTheModelThroughRestartsLossesAndSnapshots, ()) {
  Trial trial(*rc::gen::element<std::uint64_t>(0, 500, 100'000));
  const auto steps = *rc::gen::resize(
      20, rc::gen::container<std::vector<int>>(
              rc::gen::inRange(0, static_cast<int>(Step::count))));
  trial.take(Step::apply);
  for (const int step : steps) {
    trial.take(static_cast<Step>(step));
    if (step != 0) trial.take(Step::apply);
  }
}

}  // namespace
}  // namespace keelson::kv

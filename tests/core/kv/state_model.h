// What the state store must be: MapStore, the slow and simple one, with the tokens beside it; and
// logs to try both with.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "core/kv/batch.h"
#include "tests/core/kv/map_store.h"
#include "core/kv/state_store.h"
#include "core/raft/messages.h"

namespace keelson::kv {

// Numbers for tests, a function of the seed.
class Numbers {
 public:
  explicit Numbers(std::uint64_t seed) : state_(seed) {}
  std::uint64_t below(std::uint64_t bound) { return hash64("numbers", ++state_ * 7919) % bound; }

 private:
  std::uint64_t state_;
};

class StateModel {
 public:
  explicit StateModel(std::size_t tokens_limit)
      : limit_(tokens_limit), store_(marks_, tokens_limit) {}

  // The result that apply() of a state machine gives.
  Bytes apply(const raft::Entry& entry) {
    label_.index = entry.index;
    label_.term = entry.term;
    const auto batch = entry.kind == raft::EntryKind::command
                           ? decode_batch(entry.data)
                           : Result<Batch>(Error{ErrorCode::corrupt, ""});
    if (!batch) {
      store_.apply_no_op(entry.index);
      if (raft::is_configuration(entry.kind)) {
        label_.configuration = *raft::decode_configuration(entry.data);
      }
      return entry.kind == raft::EntryKind::command ? encode(BatchOutcome{}) : Bytes();
    }
    bool is_known = batch->token.empty();
    for (const auto& [token, outcome] : tokens_) is_known = is_known || token == batch->token;
    const BatchOutcome outcome = store_.apply(entry.index, *batch);
    if (!is_known) {
      if (tokens_.size() == limit_) tokens_.pop_front();
      tokens_.push_back({batch->token, outcome});
    }
    return encode(outcome);
  }

  const raft::StateLabel& label() const { return label_; }
  const MapStore& store() const { return store_; }

  std::uint64_t content_digest() const {
    std::uint64_t value = store_.content_digest();
    const auto add_number = [&](std::uint64_t number) {
      Bytes field;
      append_u64(field, number);
      value = hash64(field, value);
    };
    for (const auto& [token, outcome] : tokens_) {
      add_number(token.size());
      value = hash64(token, value);
      add_number(outcome.applied ? 1 : 0);
      add_number(outcome.failed_condition);
      add_number(outcome.version);
    }
    return value;
  }

 private:
  const std::size_t limit_;
  Marks marks_;
  MapStore store_;
  raft::StateLabel label_;
  std::deque<std::pair<Bytes, BatchOutcome>> tokens_;
};

// The nth entry of a log that a seed tells: of every kind, over few keys, with few tokens.
inline raft::Entry entry_of(std::uint64_t seed, std::uint64_t index) {
  Numbers numbers(hash64("log", seed) + index * 1000);
  raft::Entry entry{.term = raft::Term(1 + index / 50), .index = raft::LogIndex(index), .data = {}};
  const std::uint64_t kind = numbers.below(20);
  if (kind == 0) {
    entry.kind = raft::EntryKind::no_op;
    return entry;
  }
  if (kind == 1) {
    entry.kind = raft::EntryKind::configuration;
    raft::Configuration configuration;
    configuration.members[NodeId(1 + numbers.below(5))] = {.incarnation = Incarnation(index), .address = {}};
    entry.data = raft::encode(configuration);
    return entry;
  }
  if (kind == 2) {
    entry.data = "no batch at all";
    return entry;
  }
  const auto key = [&] { return "key/" + std::to_string(numbers.below(12)); };
  Batch batch;
  if (numbers.below(2) == 0) batch.token = "token/" + std::to_string(numbers.below(20));
  if (numbers.below(3) == 0) {
    const auto condition_kind = static_cast<Condition::Kind>(numbers.below(3));
    Bytes condition_key = key();
    batch.conditions.push_back({std::move(condition_key), condition_kind, numbers.below(index)});
  }
  const std::uint64_t mutations = numbers.below(4);
  for (std::uint64_t i = 0; i < mutations; ++i) {
    Mutation mutation{.key = key(), .value = std::nullopt};
    if (numbers.below(4) != 0) {
      const std::uint64_t size = numbers.below(10) == 0 ? numbers.below(9'000) : numbers.below(60);
      mutation.value = Bytes(size, static_cast<char>('a' + numbers.below(26)));
    }
    batch.mutations.push_back(std::move(mutation));
  }
  entry.data = encode(batch);
  return entry;
}

// The state after the first entries of that log.
inline std::unique_ptr<StateModel> model_of(std::uint64_t seed, raft::LogIndex index,
                                            std::size_t tokens_limit) {
  auto model = std::make_unique<StateModel>(tokens_limit);
  for (std::uint64_t i = 1; i <= index.value; ++i) model->apply(entry_of(seed, i));
  return model;
}

}  // namespace keelson::kv

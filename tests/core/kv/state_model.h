// What the state store must be: MapStore, the slow and simple one, with the tokens beside it; and
// logs to try both with.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "core/kv/command.h"
#include "tests/core/kv/map_store.h"
#include "core/kv/state_store.h"
#include "core/raft/messages.h"

namespace keelson::kv {

inline constexpr GroupId kPrimary{1};

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
    if (entry.kind != raft::EntryKind::command) {
      store_.apply_no_op(entry.index);
      if (raft::is_configuration(entry.kind)) {
        label_.configuration = *raft::decode_configuration(entry.data);
      }
      return Bytes();
    }
    const Bytes result = store_.apply(entry.index, entry.data);
    note_token(entry.data, result);
    return result;
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
  // The tokens in their order, oldest first.
  void note_token(BytesView data, BytesView result) {
    const auto stamped = decode_command(data);
    if (!stamped) return;
    const Batch* const batch = std::get_if<Batch>(&stamped->command);
    if (batch == nullptr || batch->token.empty()) return;
    const auto outcome = decode_batch_result(result).outcome;
    if (!outcome) return;
    for (const auto& [token, first] : tokens_) {
      if (token == batch->token) return;
    }
    if (tokens_.size() == limit_) tokens_.pop_front();
    tokens_.push_back({batch->token, *outcome});
  }

  const std::size_t limit_;
  Marks marks_;
  MapStore store_;
  raft::StateLabel label_;
  std::deque<std::pair<Bytes, BatchOutcome>> tokens_;
};

inline Condition condition_of(Numbers& numbers, std::uint64_t index) {
  Condition condition{.key = "key/" + std::to_string(numbers.below(12))};
  condition.kind = static_cast<Condition::Kind>(numbers.below(3));
  condition.version = timestamp_of(static_cast<std::int64_t>(10 * numbers.below(index))).value;
  return condition;
}

inline std::vector<Mutation> mutations_of(Numbers& numbers) {
  std::vector<Mutation> mutations(numbers.below(4));
  for (Mutation& mutation : mutations) {
    mutation.key = "key/" + std::to_string(numbers.below(12));
    if (numbers.below(4) == 0) continue;
    const std::uint64_t size = numbers.below(10) == 0 ? numbers.below(9'000) : numbers.below(60);
    mutation.value = Bytes(size, static_cast<char>('a' + numbers.below(26)));
  }
  return mutations;
}

// Few keys, few tokens, few transactions: they meet.
inline Command command_of(Numbers& numbers, std::uint64_t index) {
  const Bytes transaction = "transaction/" + std::to_string(numbers.below(4) + index / 30);
  const Timestamp now = timestamp_of(static_cast<std::int64_t>(10 * index));
  switch (numbers.below(12)) {
    case 0: {
      Prepare prepare{.transaction = transaction, .primary = kPrimary, .participants = {kPrimary},
                      .begun = now, .ttl = std::chrono::milliseconds(50), .conditions = {},
                      .mutations = {}};
      if (numbers.below(3) == 0) prepare.conditions.push_back(condition_of(numbers, index));
      prepare.mutations = mutations_of(numbers);
      return prepare;
    }
    case 1:
      return Decide{.transaction = transaction, .kind = Decide::Kind::abort_if_expired,
                    .expires_at = now};
    case 2:
      if (numbers.below(3) == 0) return Finish{.transaction = transaction, .committed_at = {}};
      return Finish{.transaction = transaction,
                    .committed_at = now - std::chrono::milliseconds(5)};
    case 3:
      if (numbers.below(2) == 0) return Forget{transaction};
      if (numbers.below(2) == 0) return CollectGarbage{};
      return RaiseCeiling{.at_least = now, .step = std::chrono::milliseconds(1)};
    default: break;
  }
  Batch batch;
  if (numbers.below(2) == 0) batch.token = "token/" + std::to_string(numbers.below(20));
  if (numbers.below(3) == 0) batch.conditions.push_back(condition_of(numbers, index));
  batch.mutations = mutations_of(numbers);
  return batch;
}

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
    configuration.members[NodeId(1 + numbers.below(5))].incarnation = Incarnation(index);
    entry.data = raft::encode(configuration);
    return entry;
  }
  if (kind == 2) {
    entry.data = "no batch at all";
    return entry;
  }
  Command command = command_of(numbers, index);
  entry.data = encode_command(command);
  // Some go back.
  const std::uint64_t back = numbers.below(15) == 0 ? numbers.below(5) : 0;
  const std::uint64_t ms = 10 * (index - std::min(back, index));
  const Timestamp at = timestamp_of(static_cast<std::int64_t>(ms), numbers.below(3));
  const auto kept = std::chrono::milliseconds(numbers.below(3) == 0 ? 0 : 300);
  if (!std::holds_alternative<RaiseCeiling>(command)) set_stamp(entry.data, {at, at - kept});
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

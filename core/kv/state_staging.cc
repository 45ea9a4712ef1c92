// A snapshot that arrives, chunk by chunk, and takes the place of a group's state. Tested by
// tests/core/kv/state_snapshot_test.cc.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/kv/snapshot_format.h"
#include "core/kv/state_parts.h"
#include "core/kv/state_schema.h"
#include "core/raft/messages.h"

namespace keelson::kv {

namespace {

// The column `progress`: fixed fields, then the configuration.
Bytes encode_progress(const Staging& staging) {
  Bytes bytes;
  append_u64(bytes, staging.checksum);
  append_u64(bytes, staging.expected_checksum);
  append_u64(bytes, staging.digest);
  append_u64(bytes, staging.tokens);
  append_u64(bytes, staging.next_token);
  bytes.push_back(staging.has_header ? '\1' : '\0');
  bytes.push_back(staging.has_end ? '\1' : '\0');
  bytes.append(staging.configuration);
  return bytes;
}

void decode_progress(BytesView bytes, Staging& staging) {
  CHECK(bytes.size() >= 42);  // Pages have checksums.
  staging.checksum = read_u64(bytes);
  staging.expected_checksum = read_u64(bytes.substr(8));
  staging.digest = read_u64(bytes.substr(16));
  staging.tokens = read_u64(bytes.substr(24));
  staging.next_token = read_u64(bytes.substr(32));
  staging.has_header = bytes[40] != '\0';
  staging.has_end = bytes[41] != '\0';
  staging.configuration = bytes.substr(42);
}

Error malformed(std::string_view what) {
  return {ErrorCode::invalid_argument, fmt::format("snapshot: {}", what)};
}

}  // namespace

// One group's row of `staging`. REQUIRES: write_lock_ is held as long as it lives.
class StateStore::Stager {
 public:
  Stager(Parts& parts, GroupId group) : parts_(parts), group_(group) {}

  Result<std::optional<Staging>> load() {
    SqliteStatement& rows = parts_.load_staging_;
    rows.bind(1, group_.value);
    TRY(const bool is_row, rows.step());
    std::optional<Staging> staging;
    if (is_row) {
      staging.emplace();
      staging->id = {.number = rows.integer(0),
                     .index = raft::LogIndex(rows.integer(1)),
                     .term = raft::Term(rows.integer(2))};
      staging->store = rows.integer(3);
      staging->next_chunk = rows.integer(4);
      decode_progress(rows.bytes(5), *staging);
      staging->rest = rows.bytes(6);
    }
    rows.reset();
    return staging;
  }

  // Inside a transaction, as all that follows.
  Result<void> save(const Staging& staging) {
    CHECK(staging.store > 0 && staging.next_chunk > 0);
    SqliteStatement& row = parts_.save_staging_;
    const Bytes progress = encode_progress(staging);
    row.bind(1, group_.value).bind(2, staging.id.number).bind(3, staging.id.index.value);
    row.bind(4, staging.id.term.value).bind(5, staging.store).bind(6, staging.next_chunk);
    return row.bind(7, BytesView(progress)).bind(8, BytesView(staging.rest)).run();
  }

  // The rows are garbage: the caller adds the store to Parts::garbage_ when this has committed.
  Result<void> drop(const Staging& staging) {
    TRY(parts_.drop_staging_.bind(1, group_.value).run());
    return parts_.add_garbage_.bind(1, staging.store).run();
  }

  // Puts the records that end in this chunk into the store.
  Result<void> take(Staging& staging, BytesView data, bool is_last) {
    CHECK(!staging.has_end);
    Bytes joined;
    BytesView bytes = data;
    if (!staging.rest.empty()) {
      joined = std::move(staging.rest);
      joined.append(data);
      bytes = joined;
    }
    while (!bytes.empty()) {
      if (staging.has_end) return malformed("something after its end");
      TRY(const auto record, snapshot::take(bytes, staging.checksum));
      if (!record) break;
      TRY(std::visit([&](const auto& one) { return put(staging, one); }, *record));
    }
    if (staging.has_end != is_last) return malformed("its end is not in the last chunk");
    if (is_last && !bytes.empty()) return malformed("something after its end");
    staging.rest = Bytes(bytes);
    return {};
  }

 private:
  Result<void> put(Staging& staging, const snapshot::Header& header) {
    if (staging.has_header) return malformed("two headers");
    if (header.index != staging.id.index.value || header.term != staging.id.term.value) {
      return malformed("its label is not the one announced");
    }
    if (header.limit != parts_.options_.tokens_remembered) {
      return malformed("its node remembers another number of tokens");
    }
    if (!raft::decode_configuration(header.configuration)) {
      return malformed("its configuration is none");
    }
    staging.has_header = true;
    staging.digest = header.digest;
    staging.tokens = header.tokens;
    staging.next_token = header.tokens - std::min(header.tokens, header.limit);
    staging.configuration = header.configuration;
    return {};
  }

  Result<void> put(Staging& staging, const snapshot::Key& key) {
    if (!staging.has_header) return malformed("no header");
    return parts_.put(staging.store, key.key, key.version, key.value);
  }

  Result<void> put(Staging& staging, const snapshot::Token& token) {
    if (!staging.has_header) return malformed("no header");
    if (token.number != staging.next_token) return malformed("a token out of order");
    ++staging.next_token;
    return parts_.put_token(staging.store, token.number, token.token, token.outcome);
  }

  Result<void> put(Staging& staging, const snapshot::End& end) {
    if (!staging.has_header) return malformed("no header");
    staging.has_end = true;
    staging.expected_checksum = end.checksum;
    return {};
  }

  Parts& parts_;
  const GroupId group_;
};

Result<std::uint64_t> StateStore::staged(GroupId group, const raft::SnapshotId& id) {
  const FiberLock::Hold writing(parts_->write_lock_);
  TRY(const std::optional<Staging> staging, Stager(*parts_, group).load());
  return staging && staging->id == id ? staging->next_chunk : std::uint64_t{0};
}

Result<void> StateStore::stage(GroupId group, const raft::SnapshotId& id,
                               const raft::SnapshotChunk& chunk) {
  const FiberLock::Hold writing(parts_->write_lock_);
  Stager stager(*parts_, group);
  TRY(const std::optional<Staging> before, stager.load());
  const bool is_another = !before || before->id != id;
  const std::uint64_t wanted = is_another ? 0 : before->next_chunk;
  if (chunk.number != wanted || (!is_another && before->has_end)) return {};

  Staging staging;
  if (is_another) {
    staging.id = id;
    staging.store = parts_->next_store_++;
  } else {
    staging = *before;
  }
  const bool replaces = is_another && before.has_value();
  if (replaces) SOMETIMES(parts_->env_.marks, "kv: another snapshot replaces a staged one");
  const auto done = parts_->in_transaction([&]() -> Result<void> {
    if (replaces) TRY(stager.drop(*before));
    TRY(stager.take(staging, chunk.data, chunk.is_last));
    ++staging.next_chunk;
    return stager.save(staging);
  });
  if (done && replaces) parts_->garbage_.push_back(before->store);
  return done;
}

Result<void> StateStore::install(GroupId group, const raft::SnapshotId& id,
                                 const raft::StateLabel& label) {
  {
    const FiberLock::Hold writing(parts_->write_lock_);
    const FiberLock::Hold applying(parts_->apply_lock_);
    Stager stager(*parts_, group);
    TRY(std::optional<Staging> staging, stager.load());
    CHECK(staging && staging->id == id && staging->has_end);
    TRY(parts_->save_everything());  // Of the other groups; this one's is about to be replaced.
    const GroupState* const before = parts_->find(group);
    CHECK(before == nullptr || before->label.index <= label.index);
    TRY(raft::Configuration configuration, raft::decode_configuration(staging->configuration));
    // No entry has changed the founders' configuration, which the sender knows and its state does
    // not.
    if (configuration.members.empty()) {
      configuration = label.configuration;
      staging->configuration = raft::encode(configuration);
    }
    const raft::StateLabel its_label{.index = staging->id.index,
                                     .term = staging->id.term,
                                     .configuration = std::move(configuration)};
    if (staging->checksum != staging->expected_checksum ||
        staging->next_token != staging->tokens || its_label != label) {
      SOMETIMES(parts_->env_.marks, "kv: a snapshot that fails its checksum");
      TRY(parts_->in_transaction([&] { return stager.drop(*staging); }));
      parts_->garbage_.push_back(staging->store);
      return malformed("the whole fails its checksum, or is not what was announced");
    }
    TRY(parts_->replace_group(group, *staging, its_label));
  }
  TRY(make_durable());
  return {};
}

Result<void> StateStore::Parts::replace_group(GroupId id, const Staging& staging,
                                              const raft::StateLabel& label) {
  TRY(TokenIndex tokens, load_tokens(staging.store, staging.tokens));
  // A group that was never saved has a store without a row: that one is no garbage.
  const GroupState* const before = find(id);
  const bool leaves_garbage = before != nullptr && before->label.index > raft::LogIndex();
  const GroupRow row{.store = staging.store,
                     .label = {.index = label.index, .term = label.term},
                     .configuration = staging.configuration,
                     .digest = staging.digest,
                     .tokens = staging.tokens};
  const auto done = in_transaction([&]() -> Result<void> {
    if (leaves_garbage) TRY(add_garbage_.bind(1, before->store).run());
    TRY(drop_staging_.bind(1, id.value).run());
    return save_group(id, row);
  });
  if (!done) return done;
  if (leaves_garbage) garbage_.push_back(before->store);
  GroupState& group = groups_.try_emplace(id, options_.tokens_remembered).first->second;
  group.store = staging.store;
  group.label = label;
  group.configuration = staging.configuration;
  group.digest = staging.digest;
  group.tokens = std::move(tokens);
  note_committed(id, row);
  return load_rules(group);
}

}  // namespace keelson::kv

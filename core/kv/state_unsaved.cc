// Tested by tests/core/kv/state_store_test.cc.
#include "core/kv/state_unsaved.h"

#include <utility>

#include "core/base/check.h"

namespace keelson::kv {

namespace {

constexpr std::uint64_t kRowBytes = 100;

}  // namespace

const std::optional<VersionedValue>* Unsaved::find(std::uint64_t store, BytesView key) const {
  const auto rows = stores_.find(store);
  if (rows == stores_.end()) return nullptr;
  const auto found = rows->second.content.find(key);
  return found == rows->second.content.end() ? nullptr : &found->second;
}

void Unsaved::put(std::uint64_t store, BytesView key, std::optional<VersionedValue> value) {
  auto& content = stores_[store].content;
  bytes_ += value ? value->value.size() : 0;
  const auto found = content.find(key);
  if (found != content.end()) {
    bytes_ -= found->second ? found->second->value.size() : 0;
    found->second = std::move(value);
    return;
  }
  bytes_ += key.size() + kRowBytes;
  content.emplace(Bytes(key), std::move(value));
}

const UnsavedRows::Token* Unsaved::find_token(std::uint64_t store, std::uint64_t number) const {
  const auto rows = stores_.find(store);
  return rows == stores_.end() ? nullptr : rows->second.find_token(number);
}

void Unsaved::put_token(std::uint64_t store, UnsavedRows::Token token) {
  auto& tokens = stores_[store].tokens;
  CHECK(tokens.empty() || tokens.back().number + 1 == token.number);
  bytes_ += token.token.size() + kRowBytes;
  tokens.push_back(std::move(token));
}

// --- VersionCache ---

const std::optional<std::uint64_t>* VersionCache::find(std::uint64_t store, BytesView key) const {
  const auto keys = stores_.find(store);
  if (keys == stores_.end()) return nullptr;
  const auto found = keys->second.find(key);
  return found == keys->second.end() ? nullptr : &found->second;
}

void VersionCache::remember(std::uint64_t store, BytesView key,
                            std::optional<std::uint64_t> version) {
  if (keys_ == kKeysMost) {
    stores_.clear();
    keys_ = 0;
  }
  if (stores_[store].insert_or_assign(Bytes(key), version).second) ++keys_;
}

void VersionCache::forget(std::uint64_t store, BytesView key) {
  const auto keys = stores_.find(store);
  if (keys == stores_.end()) return;
  const auto found = keys->second.find(key);
  if (found == keys->second.end()) return;
  keys->second.erase(found);
  --keys_;
}

}  // namespace keelson::kv

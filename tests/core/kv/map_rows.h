// Rows in a std::map.
#pragma once

#include <map>

#include "core/kv/rows.h"

namespace keelson::kv {

class MapRows : public Rows {
 public:
  using Map = std::map<Bytes, VersionedValue, std::less<>>;

  Result<std::optional<VersionedValue>> get(BytesView key) override {
    const auto found = map_.find(key);
    if (found == map_.end()) return std::optional<VersionedValue>();
    return std::optional(found->second);
  }
  Result<std::optional<std::uint64_t>> version(BytesView key) override {
    const auto found = map_.find(key);
    if (found == map_.end()) return std::optional<std::uint64_t>();
    return std::optional(found->second.version);
  }
  Result<std::vector<Row>> scan(BytesView from, BytesView to, std::size_t limit) override {
    std::vector<Row> rows;
    for (auto row = map_.lower_bound(from);
         row != map_.end() && (to.empty() || row->first < to) && rows.size() < limit; ++row) {
      rows.push_back({row->first, row->second});
    }
    return rows;
  }
  void put(BytesView key, VersionedValue value) override {
    map_.insert_or_assign(Bytes(key), std::move(value));
  }
  void remove(BytesView key) override {
    if (const auto found = map_.find(key); found != map_.end()) map_.erase(found);
  }

  const Map& map() const { return map_; }
  std::size_t count(BytesView prefix) {
    std::size_t rows = 0;
    for (const auto& [key, value] : map_) rows += key.starts_with(prefix) ? 1 : 0;
    return rows;
  }

 private:
  Map map_;
};

}  // namespace keelson::kv

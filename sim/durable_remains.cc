// Tested by tests/sim/disk_image_test.cc.
#include "sim/durable_remains.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"

namespace keelson::sim {

void DurableRemains::dropped(std::uint64_t offset, BytesView replaced,
                             std::uint64_t seen_size_after) {
  keep(offset, replaced);
  seen_size_ = seen_size_after;
}

void DurableRemains::saved_write(ByteRange range) {
  grow(range.begin);
  forget(range);
  durable_size_ = std::max(durable_size_, range.end);
  seen_size_ = std::max(seen_size_, range.end);
}

void DurableRemains::saved_size(std::uint64_t size) {
  forget({size, UINT64_MAX});
  durable_size_ = std::min(durable_size_, size);
  seen_size_ = std::min(seen_size_, size);
  grow(size);
  seen_size_ = size;
}

void DurableRemains::grow(std::uint64_t size) {
  if (size <= durable_size_) return;
  const std::uint64_t old_size = std::exchange(durable_size_, size);
  const std::uint64_t parted_end = std::min(size, seen_size_);
  if (old_size < parted_end) kept_.emplace(old_size, Bytes(parted_end - old_size, '\0'));
}

void DurableRemains::keep(std::uint64_t offset, BytesView bytes) {
  const std::uint64_t end = std::min(offset + bytes.size(), durable_size_);
  auto next = kept_.upper_bound(offset);
  std::uint64_t at = offset;
  if (next != kept_.begin()) {
    const auto& [begin, before] = *std::prev(next);
    at = std::max(at, begin + before.size());
  }
  while (at < end) {
    const std::uint64_t gap_end = next == kept_.end() ? end : std::min(next->first, end);
    if (at < gap_end) kept_.emplace_hint(next, at, bytes.substr(at - offset, gap_end - at));
    if (next == kept_.end()) return;
    at = next->first + next->second.size();
    ++next;
  }
}

void DurableRemains::forget(ByteRange range) {
  auto each = kept_.upper_bound(range.begin);
  if (each != kept_.begin()) --each;
  while (each != kept_.end() && each->first < range.end) {
    const std::uint64_t begin = each->first;
    Bytes bytes = std::move(each->second);
    const std::uint64_t end = begin + bytes.size();
    each = kept_.erase(each);
    if (range.end < end) {
      each = kept_.emplace_hint(each, std::max(range.end, begin),
                                bytes.substr(std::max(range.end, begin) - begin));
    }
    if (begin < range.begin) {
      bytes.resize(std::min(bytes.size(), range.begin - begin));
      kept_.emplace(begin, std::move(bytes));
    }
  }
}

void DurableRemains::put_into(FileBytes& content) const {
  CHECK(content.size() == seen_size_);
  content.resize(durable_size_);
  for (const auto& [offset, bytes] : kept_) {
    CHECK(offset + bytes.size() <= durable_size_);
    content.write(bytes, offset);
  }
}

}  // namespace keelson::sim

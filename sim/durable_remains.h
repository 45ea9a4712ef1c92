// Where a file's durable bytes part for good from the bytes that are seen.
//
// A failed sync drops changes: they stay visible, and nothing saves them any more. From then on the
// file's durable bytes are those that are seen, except for the bytes that are kept here. So a sync
// costs what it saves, and not the size of the file.
#pragma once

#include <cstdint>
#include <map>

#include "core/base/bytes.h"
#include "sim/disk_harm.h"
#include "sim/file_bytes.h"

namespace keelson::sim {

class DurableRemains {
 public:
  // Nothing has parted yet: a file of this size, seen and durable.
  explicit DurableRemains(std::uint64_t size) : seen_size_(size), durable_size_(size) {}

  std::uint64_t seen_size() const { return seen_size_; }
  std::uint64_t durable_size() const { return durable_size_; }

  // --- changes to what is seen, in order ---

  // A change that was dropped has replaced or cut off these seen bytes.
  void dropped(std::uint64_t offset, BytesView replaced, std::uint64_t seen_size_after);
  // A write of this range, or a change of the size, is durable.
  void saved_write(ByteRange range);
  void saved_size(std::uint64_t size);

  // Makes what is durable of what is seen.
  void put_into(FileBytes& content) const;

 private:
  // Keeps those of the bytes that are durable and not kept already.
  void keep(std::uint64_t offset, BytesView bytes);
  // What is seen in this range is durable.
  void forget(ByteRange range);
  // The durable file grows to this size, by zeros.
  void grow(std::uint64_t size);

  std::uint64_t seen_size_;
  std::uint64_t durable_size_;
  // By offset, apart from each other, below durable_size_. Has all from seen_size_ on.
  std::map<std::uint64_t, Bytes> kept_;
};

}  // namespace keelson::sim

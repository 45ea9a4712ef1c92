// The bytes of a simulated file, in blocks: it grows without being copied, a copy shares the blocks
// until one of the two changes them, and zeros that nobody wrote take no memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/base/bytes.h"

namespace keelson::sim {

bool is_zeros(BytesView bytes);

class FileBytes {
 public:
  std::uint64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // As many of these as there are.
  Bytes read(std::uint64_t offset, std::uint64_t length) const;
  Bytes all() const { return read(0, size_); }
  // REQUIRES: offset + into.size() <= size().
  void read_into(std::span<char> into, std::uint64_t offset) const;

  // A file that is too short for it is made longer, with zeros before `offset`.
  void write(BytesView bytes, std::uint64_t offset);
  // What is added is zeros.
  void resize(std::uint64_t size);
  // What `other` has beyond this one's end is added to it; whole blocks are shared.
  void append_rest_of(const FileBytes& other);
  // Takes the other's blocks below `end` in the place of its own that have the same bytes.
  void share_blocks_of(const FileBytes& other, std::uint64_t end);

 private:
  // Shorter than a block may be: the rest is zeros. Null: all of it.
  using Block = std::shared_ptr<std::vector<char>>;

  void write_block(Block& block, BytesView bytes, std::size_t at);

  std::uint64_t size_ = 0;
  std::vector<Block> blocks_;
};

}  // namespace keelson::sim

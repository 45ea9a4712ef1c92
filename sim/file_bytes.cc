// Tested by tests/sim/file_bytes_test.cc and disk_image_test.cc.
#include "sim/file_bytes.h"

#include <algorithm>
#include <cstring>

#include "core/base/check.h"

namespace keelson::sim {

namespace {

constexpr std::size_t kBlockBytes = 64 * 1024;

// Calls `visit(block, at, begin, length)` for each block's part of a range: where it is in the
// block, and where in the range.
template <typename Visit>
void for_each_part(std::uint64_t offset, std::uint64_t length, Visit visit) {
  for (std::uint64_t begin = 0; begin < length;) {
    const std::size_t at = (offset + begin) % kBlockBytes;
    const std::size_t part = std::min<std::uint64_t>(kBlockBytes - at, length - begin);
    visit((offset + begin) / kBlockBytes, at, begin, part);
    begin += part;
  }
}

}  // namespace

bool is_zeros(BytesView bytes) {
  return bytes.empty() ||
         (bytes.front() == '\0' && bytes.substr(1) == bytes.substr(0, bytes.size() - 1));
}

Bytes FileBytes::read(std::uint64_t offset, std::uint64_t length) const {
  if (offset >= size_) return {};
  Bytes bytes(std::min(length, size_ - offset), '\0');
  read_into(bytes, offset);
  return bytes;
}

void FileBytes::read_into(std::span<char> into, std::uint64_t offset) const {
  CHECK(offset + into.size() <= size_);
  for_each_part(offset, into.size(), [&](std::size_t number, std::size_t at, std::size_t begin,
                                         std::size_t length) {
    const Block& block = blocks_[number];
    const std::size_t there = block == nullptr ? 0 : block->size();
    const std::size_t copied = at < there ? std::min(length, there - at) : 0;
    if (copied > 0) std::memcpy(into.data() + begin, block->data() + at, copied);
    if (copied < length) std::memset(into.data() + begin + copied, 0, length - copied);
  });
}

void FileBytes::write(BytesView bytes, std::uint64_t offset) {
  if (bytes.empty()) return;
  if (offset + bytes.size() > size_) resize(offset + bytes.size());
  for_each_part(offset, bytes.size(), [&](std::size_t number, std::size_t at, std::size_t begin,
                                          std::size_t length) {
    write_block(blocks_[number], bytes.substr(begin, length), at);
  });
}

void FileBytes::write_block(Block& block, BytesView bytes, std::size_t at) {
  const std::size_t there = block == nullptr ? 0 : block->size();
  if (at >= there && is_zeros(bytes)) return;
  if (block == nullptr) {
    block = std::make_shared<std::vector<char>>();
  } else if (block.use_count() > 1) {
    block = std::make_shared<std::vector<char>>(*block);
  }
  std::vector<char>& own = *block;
  const std::size_t end = at + bytes.size();
  if (end > own.capacity()) own.reserve(std::min(kBlockBytes, std::max(end, 2 * own.capacity())));
  if (at > there) own.resize(at);
  const std::size_t overwritten = std::min(bytes.size(), own.size() - at);
  if (overwritten > 0) std::memcpy(own.data() + at, bytes.data(), overwritten);
  own.insert(own.end(), bytes.begin() + overwritten, bytes.end());
}

void FileBytes::resize(std::uint64_t size) {
  const bool is_cut = size < size_;
  size_ = size;
  blocks_.resize((size + kBlockBytes - 1) / kBlockBytes);
  const std::size_t rest = size % kBlockBytes;
  if (!is_cut || rest == 0 || blocks_.back() == nullptr || blocks_.back()->size() <= rest) return;
  // What follows when the file grows again is zeros.
  Block& last = blocks_.back();
  last = std::make_shared<std::vector<char>>(last->begin(),
                                             last->begin() + static_cast<std::ptrdiff_t>(rest));
}

void FileBytes::append_rest_of(const FileBytes& other) {
  const std::uint64_t begin = size_;
  if (begin >= other.size_) return;
  resize(other.size_);
  const std::uint64_t shared = (begin + kBlockBytes - 1) / kBlockBytes;
  write(other.read(begin, shared * kBlockBytes - begin), begin);
  for (std::size_t i = shared; i < blocks_.size(); ++i) blocks_[i] = other.blocks_[i];
}

void FileBytes::share_blocks_of(const FileBytes& other, std::uint64_t end) {
  const std::size_t count = std::min({std::uint64_t{blocks_.size()},
                                      std::uint64_t{other.blocks_.size()}, end / kBlockBytes});
  for (std::size_t i = 0; i < count; ++i) {
    if (blocks_[i] == other.blocks_[i] || blocks_[i] == nullptr || other.blocks_[i] == nullptr) {
      continue;
    }
    if (*blocks_[i] == *other.blocks_[i]) blocks_[i] = other.blocks_[i];
  }
}

}  // namespace keelson::sim

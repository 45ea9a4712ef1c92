// Tested by tests/core/raft/frame_test.cc.
#include "core/raft/frame.h"

#include <fmt/format.h>

namespace keelson::raft {

namespace {

constexpr std::size_t kLengthSize = 4;
constexpr std::size_t kChecksumSize = 8;

struct Split {
  BytesView check;
  BytesView payload;  // Never empty.
};

Result<std::optional<Split>> split(BytesView bytes, std::size_t check_size,
                                   std::size_t frame_bytes_max) {
  if (bytes.size() < kLengthSize) return std::optional<Split>();
  const std::size_t length = read_u32(bytes);
  if (length == 0 || length > frame_bytes_max) {
    return Error{ErrorCode::corrupt, fmt::format("frame of {} bytes", length)};
  }
  const std::size_t header_size = kLengthSize + check_size;
  if (bytes.size() < header_size + length) return std::optional<Split>();
  return std::optional<Split>(
      Split{bytes.substr(kLengthSize, check_size), bytes.substr(header_size, length)});
}

Frame to_frame(const Split& split, std::size_t& consumed) {
  consumed = kLengthSize + split.check.size() + split.payload.size();
  return {static_cast<FrameKind>(split.payload.front()), split.payload.substr(1)};
}

}  // namespace

Bytes u64_head(std::uint64_t value) {
  Bytes head;
  append_u64(head, value);
  return head;
}

Bytes FrameSeal::next(BytesView payload) {
  const Bytes number = u64_head(number_++);
  const auto digest = hmac_.of({number, payload});
  return Bytes(digest.data(), kSize);
}

Result<std::optional<Frame>> parse_frame(BytesView bytes, std::size_t frame_bytes_max,
                                         std::size_t& consumed, FrameSeal* seal) {
  consumed = 0;
  const std::size_t check_size = seal != nullptr ? FrameSeal::kSize : kChecksumSize;
  TRY(const auto found, split(bytes, check_size, frame_bytes_max));
  if (!found) return std::optional<Frame>();
  if (seal != nullptr) {
    if (!equal_in_constant_time(seal->next(found->payload), found->check)) {
      return Error{ErrorCode::corrupt, "a frame's seal does not match"};
    }
  } else if (hash64(found->payload) != read_u64(found->check)) {
    return Error{ErrorCode::corrupt, "a frame's checksum does not match"};
  }
  return std::optional<Frame>(to_frame(*found, consumed));
}

Result<std::optional<Frame>> parse_frame_without_key(BytesView bytes, std::size_t frame_bytes_max,
                                                     std::size_t& consumed) {
  consumed = 0;
  TRY(const auto found, split(bytes, FrameSeal::kSize, frame_bytes_max));
  if (!found) return std::optional<Frame>();
  return std::optional<Frame>(to_frame(*found, consumed));
}

void append_frame(Bytes& out, FrameKind kind, BytesView head, BytesView body, FrameSeal* seal) {
  append_u32(out, static_cast<std::uint32_t>(1 + head.size() + body.size()));
  const std::size_t check_at = out.size();
  out.append(seal != nullptr ? FrameSeal::kSize : kChecksumSize, '\0');
  const std::size_t payload_at = out.size();
  out.push_back(static_cast<char>(kind));
  out.append(head);
  out.append(body);
  const BytesView payload = BytesView(out).substr(payload_at);
  const Bytes check = seal != nullptr ? seal->next(payload) : u64_head(hash64(payload));
  out.replace(check_at, check.size(), check);
}

}  // namespace keelson::raft

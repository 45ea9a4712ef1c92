// Frames: what a stream between two nodes is made of. Integers are little-endian.
//
//   stream   := frame*                    the first frame of each direction is a hello
//   frame    := length:u32 check payload  of the payload: its size, and
//   check    := checksum:u64              its hash64; or, behind the hello of a session of nodes
//             | seal:16                   that share a secret, a keyed hash of its place and itself
//   payload  := kind:u8 body
//   body     := hello:      handshake.h
//             | proof:      nothing: its seal shows that the writer knows the secret
//             | raft:       group_id:u64 message       (messages.h: encode)
//             | heartbeats: see heartbeats.h
//             | request:    request_id:u64 bytes        (a call)
//             | reply:      request_id:u64 bytes
//             | ping:       nothing
//
// Kinds from kIgnorableKind on may be passed over by who does not know them; any other unknown kind
// ends the session, for both sides have agreed on a version (protocol_version.h).
#pragma once

#include <optional>

#include "core/base/digest.h"
#include "core/base/result.h"

namespace keelson::raft {

enum class FrameKind : std::uint8_t {
  hello = 1,
  raft = 2,
  request = 3,
  reply = 4,
  ping = 5,
  proof = 6,
  heartbeats = 7,
};

constexpr std::uint8_t kIgnorableKind = 128;

struct Frame {
  FrameKind kind;  // May be none of the above.
  BytesView body;  // Into the bytes that were parsed.
};

// Seals one direction of a session: HMAC-SHA256, cut to its first half, of the frame's number and
// its payload. The number counts the frames of that direction, so that none can be repeated, left
// out or moved; the key is that direction's and session's alone.
class FrameSeal {
 public:
  static constexpr std::size_t kSize = 16;

  explicit FrameSeal(BytesView key) : hmac_(key) {}

  // Of the next frame. kSize octets.
  Bytes next(BytesView payload);

 private:
  HmacSha256 hmac_;
  std::uint64_t number_ = 0;
};

// The first frame of `bytes`, if all of it is there; `consumed` is then its size. The frame's check
// is its seal if there is one. Errors: corrupt (wrong check, longer than `frame_bytes_max`).
Result<std::optional<Frame>> parse_frame(BytesView bytes, std::size_t frame_bytes_max,
                                         std::size_t& consumed, FrameSeal* seal = nullptr);
void append_frame(Bytes& out, FrameKind kind, BytesView head, BytesView body,
                  FrameSeal* seal = nullptr);

// A sealed frame, for who listens and has no key.
Result<std::optional<Frame>> parse_frame_without_key(BytesView bytes, std::size_t frame_bytes_max,
                                                     std::size_t& consumed);

// 8 octets, for the head of a frame.
Bytes u64_head(std::uint64_t value);

}  // namespace keelson::raft

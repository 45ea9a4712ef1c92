// PeerStream: one direction of a connection between nodes, as an ear on the wire hears it: pieces
// of a byte stream, put together again into the frames of the peer protocol (core/raft/frame.h).
//
// A stream that does not begin with a hello is of another protocol, and nothing is heard of it.
#pragma once

#include <cstdint>
#include <utility>

#include "core/raft/handshake.h"

namespace keelson::scenarios {

class PeerStream {
 public:
  // Calls `on_frame(const raft::Frame&)` for each frame that has become whole; what it is given is
  // valid during the call. Errors: corrupt: the stream is broken, and silent from then on.
  template <typename OnFrame>
  Result<void> take(BytesView bytes, OnFrame&& on_frame);

  // How many octets the frames had that were told of, the present one included.
  std::uint64_t position() const { return position_; }

 private:
  static constexpr std::size_t kFrameBytesMax = 64 << 20;

  Result<std::optional<raft::Frame>> next_frame(BytesView bytes, std::size_t& consumed);
  template <typename OnFrame>
  Result<std::size_t> take_frames(BytesView bytes, OnFrame&& on_frame);

  bool greeted_ = false;  // A hello has come.
  bool sealed_ = false;   // It spoke of a secret, so that frames have seals.
  bool ignored_ = false;  // Of another protocol, or broken.
  Bytes partial_;         // The beginning of a frame that is not whole yet.
  std::uint64_t position_ = 0;
};

template <typename OnFrame>
Result<void> PeerStream::take(BytesView bytes, OnFrame&& on_frame) {
  if (ignored_) return {};
  if (partial_.empty()) {
    // The usual case: whole frames, which need not be copied.
    TRY(const std::size_t taken, take_frames(bytes, on_frame));
    if (!ignored_) partial_.assign(bytes.substr(taken));
    return {};
  }
  partial_.append(bytes);
  TRY(const std::size_t taken, take_frames(partial_, on_frame));
  partial_.erase(0, taken);
  return {};
}

template <typename OnFrame>
Result<std::size_t> PeerStream::take_frames(BytesView bytes, OnFrame&& on_frame) {
  std::size_t taken = 0;
  while (taken < bytes.size()) {
    std::size_t consumed = 0;
    TRY(const auto frame, next_frame(bytes.substr(taken), consumed));
    if (!frame) break;
    taken += consumed;
    position_ += consumed;
    on_frame(*frame);
  }
  return taken;
}

}  // namespace keelson::scenarios

// Tested by tests/scenarios/wire_tap_test.cc.
#include "scenarios/peer_stream.h"

namespace keelson::scenarios {

// Nothing when the frame is not whole yet, and of another protocol.
Result<std::optional<raft::Frame>> PeerStream::next_frame(BytesView bytes, std::size_t& consumed) {
  if (ignored_) return std::optional<raft::Frame>();
  auto frame = sealed_ ? raft::parse_frame_without_key(bytes, kFrameBytesMax, consumed)
                       : raft::parse_frame(bytes, kFrameBytesMax, consumed);
  if (frame && !*frame) return frame;
  const bool is_hello = frame && (*frame)->kind == raft::FrameKind::hello;
  if (!greeted_ && !is_hello) {
    ignored_ = true;
    return std::optional<raft::Frame>();
  }
  if (!frame) {
    ignored_ = true;
    return frame;
  }
  greeted_ = true;
  if (is_hello) {
    const auto hello = raft::decode_hello((*frame)->body);
    if (hello) sealed_ = hello->has_secret;
  }
  return frame;
}

}  // namespace keelson::scenarios

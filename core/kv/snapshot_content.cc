// Tested by tests/core/kv/snapshot_content_test.cc.
#include "core/kv/snapshot_content.h"

#include <type_traits>

#include "core/base/check.h"
#include "core/kv/rows.h"
#include "core/kv/snapshot_format.h"
#include "core/raft/messages.h"

namespace keelson::kv {

namespace {

Error malformed(const char* what) {
  return {ErrorCode::invalid_argument, std::string("snapshot: ") + what};
}

// The clock goes on, and old versions go, in a cluster that nobody asks for anything.
bool renews_itself(const snapshot::Record& record) {
  const auto* const key = std::get_if<snapshot::Key>(&record);
  return key != nullptr && (key->key == kClockRow || key->key.starts_with(kHistoryRows));
}

}  // namespace

Result<void> SnapshotContent::put(BytesView bytes, Bytes* renewed) {
  rest_.append(bytes);
  BytesView left = rest_;
  const Bytes nobody = raft::encode(raft::Configuration{});
  while (!left.empty()) {
    if (is_complete_) return malformed("something after its end");
    const std::uint64_t checksum_before = checksum_;
    TRY(std::optional<snapshot::Record> record, snapshot::take(left, checksum_));
    if (!record) break;
    if (auto* const header = std::get_if<snapshot::Header>(&*record)) {
      if (has_header_) return malformed("two headers");
      has_header_ = true;
      header->configuration = nobody;
    } else if (!has_header_) {
      return malformed("no header");
    } else if (auto* const end = std::get_if<snapshot::End>(&*record)) {
      if (end->checksum != checksum_before) return malformed("its checksum is wrong");
      end->checksum = renewed_checksum_;
      is_complete_ = true;
    } else if (!renews_itself(*record)) {
      scratch_.clear();
      snapshot::append(scratch_, *record, digest_);
    }
    if (renewed != nullptr) snapshot::append(*renewed, *record, renewed_checksum_);
  }
  rest_.erase(0, rest_.size() - left.size());
  return {};
}

std::uint64_t SnapshotContent::digest() const {
  CHECK(is_complete_);
  return digest_;
}

}  // namespace keelson::kv

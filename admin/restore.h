// A backup made into the data directory of one node of a new cluster, which begins with the content
// of the old one: the state of every group at the backup's index, and a log that begins after it.
// Nothing of the old cluster's membership is taken over: the founders are those of the identity.
#pragma once

#include <memory>
#include <optional>

#include "admin/backup_format.h"
#include "core/kv/state_store.h"
#include "core/runtime/env.h"
#include "core/storage/data_directory.h"

namespace keelson::admin {

class Restore : private backup::Visitor {
 public:
  // `env` outlives this object; its Disk is the directory. REQUIRES: that is empty.
  Restore(Env& env, storage::Identity identity);
  ~Restore() override;

  // Takes the file in pieces cut anywhere. The first call makes the state. Suspends. Errors:
  // invalid_argument (the file, or an identity of the cluster that the backup is from), io_error,
  // no_space. The directory is of no use then, and no node starts in it.
  Result<void> put(BytesView bytes);

  // The file has ended: reads back what was written and compares it with the backup's digests,
  // begins the log, and writes the identity last: from then on a node can start. Suspends. Errors:
  // as above; corrupt (what was written is not what is read).
  Result<backup::Summary> finish();

 private:
  Result<void> on_header(const backup::Header& header) override;
  Result<void> on_group(const backup::Group& group) override;
  Result<void> on_data(BytesView bytes) override;
  Result<void> on_group_end(const backup::Summary::Content& content) override;
  Result<void> stage(bool is_last);
  Result<void> compare(const backup::Summary::Content& content);
  Result<void> begin_log(const backup::Summary& summary);

  Env& env_;
  const storage::Identity identity_;
  backup::Reader reader_;
  std::unique_ptr<kv::StateStore> state_;

  // Of the group that is being read; index 0: nothing was ever applied, and there is nothing to do.
  backup::Group group_;
  std::optional<Bytes> piece_;  // The last one: whether it is the end is known afterwards.
  std::uint64_t next_chunk_ = 0;
};

}  // namespace keelson::admin

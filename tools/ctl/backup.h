// keelsonctl backup and restore: files, and the directories of a new cluster.
#pragma once

#include <map>
#include <string>

#include "core/raft/types.h"
#include "tools/ctl/admin_client.h"

namespace keelson::ctl {

// Takes a backup of the node that `client` asks, checks it while it is written, makes it durable,
// and gives it its name only then. Asks again for a while when the node does not answer, or finds
// no leader. Returns the exit code.
int take_backup(Scheduler& scheduler, AdminClient& client, const std::string& out, bool json);

// What is in the file, after checking all of it. Returns the exit code.
int show_backup(const std::string& from, bool json);

struct RestoreOptions {
  std::string from;
  std::string cluster_id;
  std::map<NodeId, std::string> directories;  // Of the new nodes.
  bool json = false;
};

// Makes the directories of a new cluster: all of them, or none when anything is wrong with the file
// or with a directory. Runs a loop of its own. Returns the exit code.
int restore_backup(const RestoreOptions& options);

}  // namespace keelson::ctl

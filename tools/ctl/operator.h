// The commands of keelsonctl that speak to a running node. Each prints its result on standard
// output, progress on standard error, and returns the program's exit code (tools/ctl/main.cc).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/ctl/admin_client.h"
#include "tools/ctl/view.h"

namespace keelson::ctl {

enum ExitCode : int {
  kDone = 0,
  kFailed = 1,       // Refused, or it cannot be: the message says what to do.
  kBadUsage = 2,
  kUnknown = 3,      // It may have happened, or may yet happen.
  kUnreachable = 4,  // Nothing has happened; asking again later may help.
};

// A change of membership in every group that is meant.
struct ChangeOptions {
  std::string verb;  // Of the API: learners, promote, demote, remove, replace.
  std::string node;  // Of replace: the learner that is to vote.
  std::string voter;  // Of replace: who leaves.
  std::string address;
  bool forced = false;
  bool waits = false;  // Of learners: until it has caught up.
  std::optional<std::uint64_t> expected_index;
};

// A change of the shard map.
struct ShardOptions {
  std::string key;    // Where to split, or where the shard begins that is to move: parse_key().
  std::string group;  // Where to.
  bool waits = false;  // Until the move has ended.
  std::optional<std::uint64_t> expected_version;
};

struct OperatorOptions {
  std::vector<std::string> groups;  // Empty: all.
  bool json = false;
  int timeout_seconds = 60;
};

class Operator {
 public:
  // The arguments outlive this object.
  Operator(Scheduler& scheduler, AdminClient& client, OperatorOptions options)
      : scheduler_(scheduler), client_(client), options_(std::move(options)) {}

  int status();
  int members();
  int change(const ChangeOptions& change);
  // To the node, or to whose log is most caught up.
  int transfer(const std::string& target);
  int snapshot();
  int drain(bool waits);

  // shards.cc
  int shards();
  int split(const ShardOptions& options);
  int move(const ShardOptions& options);

 private:
  struct ShardStep;
  Result<std::vector<std::string>> groups_meant();
  Result<GroupView> group_of_leader(const std::string& group);
  // Asks the leader. Errors: unavailable, connection_lost, timed_out; invalid_argument when asking
  // again is no use.
  Result<AdminAnswer> ask_leader(const std::string& endpoint);
  int change_group(const std::string& group, const ChangeOptions& change);
  int transfer_group(const std::string& group, const std::string& target);
  Result<ShardsView> shards_of_leader();
  int change_shards(const ShardStep& step);
  int wait_until_moved(const std::string& key, const std::string& group);
  void begin_to_wait();
  int wait_until_caught_up(const std::string& group, const std::string& node);
  static bool is_unknown(const AdminAnswer& answer);
  int explain(const std::string& what, const AdminAnswer& answer);
  int explain(const std::string& what, const Error& error);
  template <typename Act>
  int for_each_group(const Act& act);
  bool has_time() const;
  void pause();
  void progress(const std::string& text);

  Scheduler& scheduler_;
  AdminClient& client_;
  const OperatorOptions options_;
  Instant give_up_at_;
  std::string last_progress_;
};

}  // namespace keelson::ctl

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

 private:
  Result<std::vector<std::string>> groups_meant();
  Result<GroupView> group_of_leader(const std::string& group);
  int change_group(const std::string& group, const ChangeOptions& change);
  int transfer_group(const std::string& group, const std::string& target);
  int wait_until_caught_up(const std::string& group, const std::string& node);
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

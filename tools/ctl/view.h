// What the admin API says of the cluster, as keelsonctl shows it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"

namespace keelson::ctl {

struct MemberView {
  std::string id;
  std::string role;  // "voter", "learner" or "leaving".
  std::uint64_t match_index = 0;
  std::string address;
  std::string incarnation;
};

struct GroupView {
  std::string id;
  std::string leader;  // Empty: none is known.
  std::uint64_t term = 0;
  std::uint64_t commit_index = 0;
  std::uint64_t applied_index = 0;
  std::uint64_t last_log_index = 0;
  std::uint64_t configuration_index = 0;
  bool is_joint = false;
  std::vector<MemberView> members;

  const MemberView* find(const std::string& node) const;
};

struct ClusterView {
  std::string node_id;
  std::string cluster_id;
  std::string version;
  std::vector<GroupView> groups;
};

// Errors: corrupt (not what the admin API says).
Result<ClusterView> parse_cluster(const std::string& body);
Result<GroupView> parse_group(const std::string& body);

// The field of a JSON object, or nothing.
std::string text_field(const std::string& body, const char* name);

// Rows of cells as columns of equal width, the first row as a head.
std::string table(const std::vector<std::vector<std::string>>& rows);

}  // namespace keelson::ctl

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

// Keys as in admin/key_text.h.
struct ShardView {
  std::string from;
  std::string to;  // Empty: no end.
  std::string group;
  std::string leader;  // Empty: none is known.
};
struct MoveView {
  std::uint64_t number = 0;
  std::string from;
  std::string to;
  std::string source;
  std::string target;
  std::string phase;
};
struct ShardsView {
  std::uint64_t version = 0;
  std::vector<ShardView> shards;
  std::optional<MoveView> move;

  // The shard that begins there.
  const ShardView* find(const std::string& from) const;
};

// Errors: corrupt (not what the admin API says).
Result<ClusterView> parse_cluster(const std::string& body);
Result<GroupView> parse_group(const std::string& body);
Result<ShardsView> parse_shards(const std::string& body);

// The field of a JSON object, or nothing.
std::string text_field(const std::string& body, const char* name);

// What an operator may call a key: percent-encoded, or "s3://BUCKET/OBJECT" (and "s3://BUCKET/" for
// where the bucket's objects begin); as text of admin/key_text.h. Errors: invalid_argument.
Result<std::string> parse_key(const std::string& text);

// Where a shard begins and ends, in a line for the operator who will type it again.
std::string beginning(const std::string& key);
std::string ending(const std::string& key);

// Rows of cells as columns of equal width, the first row as a head.
std::string table(const std::vector<std::vector<std::string>>& rows);

}  // namespace keelson::ctl

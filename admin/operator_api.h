// OperatorApi: what is below /admin/api/v1/cluster/, for operators and keelsonctl.
//
//   GET  groups/{g}           the group as its leader sees it, by a quorum round
//   POST groups/{g}/VERB      admin/operator_request.h; 200 {group_id, configuration_index} or, of
//                             transfer, {group_id, leader_id}
//   POST groups/{g}/snapshot  this node cuts its logs; 200 {group_id, node_id, snapshot_index}
//   GET  shards               the shard map as its leader sees it, by a quorum round; keys are
//                             percent-encoded (admin/key_text.h), the last `to` is empty
//   POST shards/VERB          200 {version}; a move has begun then, and goes on by itself
//   POST drain                this node ends in good order; 202 {node_id, draining}
//   GET  backup               admin/backup_format.h, made while it is sent. Waits until no shard
//                             moves; 503 unavailable if one still does then
//
// What is a matter of the group's leader is carried out there: here, or one hop away over the peer
// connection, within the request's deadline. The leader authorises the operator anew and takes the
// body apart again; what was forwarded once is not forwarded on.
//
//   400 invalid_body      the message names the field       404 unknown_endpoint, unknown_group
//   409 configuration_changed, shard_map_changed  compare-and-set lost: look again
//   409 unsupported_version               409 shard_moving  one move at a time
//   503 unavailable       nothing has happened, and it may work later: the message says why
//   503 leader_unavailable     no leader; with "outcome":"unknown" it may have happened. Asking
//                         again does no harm: a change that has happened is a 409 then.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "admin/cluster_control.h"
#include "admin/cluster_view.h"
#include "admin/operator_request.h"
#include "core/api/http.h"
#include "core/base/event_log.h"

namespace keelson::admin {

struct OperatorAccess {
  // What "Authorization: Bearer" must carry; empty: nothing is asked for.
  Bytes token;
  // The listener is reached from this machine alone. Without a token a request must then name the
  // machine itself as its Host: a page in an operator's browser speaks for another (DNS rebinding).
  bool is_loopback = false;
};

class OperatorApi {
 public:
  // The references outlive this object.
  OperatorApi(const Clock& clock, EventLog& log, const ClusterView& view, ClusterControl& control,
              OperatorAccess access);

  // The refusal, unless this request may use the API.
  std::optional<api::HttpResponse> refuse_stranger(const api::HttpRequest& request) const;

  // `endpoint` is the path behind "/admin/api/v1/cluster/". REQUIRES: refuse_stranger() does not.
  api::HttpResponse handle(const api::HttpRequest& request, std::string_view endpoint,
                           Deadline deadline);

  // What the OperatorApi of a peer asks of this one; see operator_api.cc for the bytes.
  Bytes serve_forwarded(NodeId from, BytesView request);

 private:
  // Status and JSON text.
  struct Answer {
    int status = 200;
    std::string body;
  };
  struct MapLabel {
    std::uint64_t version = 0;
    bool is_moving = false;
  };
  // A request to a group's leader, as it is passed on.
  struct Order {
    GroupId group;
    std::string verb;
    std::string body;
    std::string authorization;
  };

  api::HttpResponse handle_group(const api::HttpRequest& request, std::string_view rest,
                                 Deadline deadline);
  // `verb` is the path behind "shards/"; nothing: the map is read.
  api::HttpResponse handle_shards(const api::HttpRequest& request,
                                  std::optional<std::string_view> verb, Deadline deadline);
  Answer snapshot(GroupId group);
  api::HttpResponse drain(const api::HttpRequest& request);
  api::HttpResponse backup(const api::HttpRequest& request, Deadline deadline);
  Result<std::unique_ptr<api::BodySource>> open_backup(Deadline deadline);
  Result<std::uint64_t> shards_at_rest(Deadline deadline);
  Result<MapLabel> read_map(Deadline deadline);
  Answer carry_out(const Order& order, const GroupOperation& operation, Deadline deadline);
  std::optional<Answer> try_here(GroupId group, const GroupOperation& operation,
                                 Deadline deadline);
  std::optional<Answer> describe_shards(GroupId group, Deadline deadline);
  std::optional<Answer> change_shards(GroupId group, const ChangeShards& change,
                                      Deadline deadline);
  Result<void> catch_up(GroupId group, Deadline deadline);
  std::optional<Answer> forward(NodeId leader, const Order& order, bool is_write,
                                Deadline deadline);
  Result<raft::LogIndex> read_index(GroupId group, Deadline deadline);
  // What the group's leader answers to one of this node's own questions.
  Result<std::string> ask_leader(GroupId group, const char* verb, const GroupOperation& question,
                                 Deadline deadline);
  GroupId default_group() const { return view_.status().groups.front().group_id; }
  const GroupStatus* find(const ClusterStatus& status, GroupId group) const;
  bool is_authorised(std::string_view authorization) const;
  void audit(std::string_view method, std::string_view path, int status, std::string_view from,
             Instant begun, std::string_view forwarded_from) const;

  const Clock& clock_;
  EventLog& log_;
  const ClusterView& view_;
  ClusterControl& control_;
  const OperatorAccess access_;
};

}  // namespace keelson::admin

// Tested by every scenario, and by tests/real/.
#include "admin/run_node.h"

#include "admin/admin_router.h"

namespace keelson {

namespace {

constexpr const char* kVersion = "0.1.0";

class NodeView : public admin::ClusterView {
 public:
  explicit NodeView(Node& node) : node_(node) {}

  admin::ClusterStatus status() const override {
    admin::ClusterStatus status{
        .node_id = node_.config().node_id, .version = kVersion, .groups = {}};
    for (const GroupId group : node_.raft().groups()) status.groups.push_back(describe(group));
    return status;
  }

 private:
  admin::GroupStatus describe(GroupId group) const {
    const raft::Raft& core = node_.raft().core(group);
    // Of one moment: the digest is that of the state up to this index.
    const raft::LogIndex applied_index = node_.state().label(group).index;
    const std::uint64_t state_digest = node_.state().digest(group);
    admin::GroupStatus status{.group_id = group,
                              .leader_id = core.leader(),
                              .term = core.current_term(),
                              .commit_index = core.commit_index(),
                              .applied_index = applied_index,
                              .snapshot_index = core.log_start().index,
                              .state_digest = state_digest,
                              .members = {},
                              .is_leader = core.role() == raft::Role::leader};
    const auto match_indexes = core.match_indexes();
    for (const auto& [id, member] : core.configuration().members) {
      const auto known = match_indexes.find(id);
      status.members.push_back(
          {.id = id,
           .role = member.is_voter ? "voter" : "learner",
           .match_index = known == match_indexes.end() ? raft::LogIndex() : known->second});
    }
    return status;
  }

  Node& node_;
};

}  // namespace

Result<void> run_node(Env& env, const NodeConfig& config, const RunNodeHooks& hooks) {
  // Declared before the node, whose connections use them until it is gone.
  std::unique_ptr<NodeView> view;
  std::unique_ptr<api::Probes> probes;
  std::unique_ptr<admin::AdminRouter> router;
  Node node(env, config, hooks.observer);
  TRY(const bool serves, node.start());
  if (!serves) return {};

  view = std::make_unique<NodeView>(node);
  probes = std::make_unique<api::Probes>(env.clock, &node.coordinator(), node.metrics(),
                                         api::ProbeOptions{.style = api::ProbeStyle::admin,
                                                           .listener = "admin",
                                                           .budget = config.probe_timeout});
  router = std::make_unique<admin::AdminRouter>(*probes, *view, env.clock, hooks.console);
  TRY(node.serve("admin", config.admin_listen, *router));

  if (hooks.on_started) hooks.on_started(node);
  (void)env.stop_requested.wait(Deadline::never());
  if (hooks.on_stopping) hooks.on_stopping();
  node.drain(Deadline::in(env.clock, config.drain_timeout));
  env.log.event("node", "stopped in good order");
  return {};
}

}  // namespace keelson

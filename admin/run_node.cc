// Tested by every scenario, and by tests/real/.
#include "admin/run_node.h"

#include "admin/admin_router.h"
#include "admin/node_control.h"
#include "core/runtime/address.h"

namespace keelson {

Result<void> run_node(Env& env, const NodeConfig& config, const RunNodeHooks& hooks) {
  // Declared before the node, whose connections use them until it is gone.
  std::unique_ptr<admin::NodeControl> control;
  std::unique_ptr<admin::OperatorApi> operators;
  std::unique_ptr<api::Probes> probes;
  std::unique_ptr<admin::AdminRouter> router;
  Node node(env, config, hooks.observer);
  TRY(const bool serves, node.start());
  if (!serves) return {};

  control = std::make_unique<admin::NodeControl>(env, node);
  const auto listens = split_address(config.admin_listen);
  operators = std::make_unique<admin::OperatorApi>(
      env.clock, env.log, *control, *control,
      admin::OperatorAccess{.token = config.admin_token,
                            .is_loopback = listens && is_loopback(*listens)});
  node.serve_admin_calls([&operators](NodeId from, Bytes request) {
    return operators->serve_forwarded(from, request);
  });
  probes = std::make_unique<api::Probes>(env.clock, &node.coordinator(), node.metrics(),
                                         api::ProbeOptions{.style = api::ProbeStyle::admin,
                                                           .listener = "admin",
                                                           .budget = config.probe_timeout});
  router = std::make_unique<admin::AdminRouter>(*probes, *control, *operators, env.clock,
                                                hooks.console);
  TRY(node.serve("admin", config.admin_listen, *router));

  if (hooks.on_started) hooks.on_started(node);
  (void)env.stop_requested.wait(Deadline::never());
  node.begin_drain();
  if (hooks.on_stopping) hooks.on_stopping();
  node.drain(Deadline::in(env.clock, config.drain_timeout));
  env.log.event("node", "stopped in good order");
  return {};
}

}  // namespace keelson

#!/usr/bin/env python3
"""tools/balancers/Caddyfile keeps S3 clients at the leader."""

import os

import balancer_story
from processes import main, require_programs

CONFIGURATION = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "balancers", "Caddyfile")


class CaddyTest(balancer_story.BalancerStory):
    balancer_name = "Caddy"

    def start_balancer(self, listen, environment):
        own = {"HOME": self.children.folder, "XDG_CONFIG_HOME": self.children.folder,
               "XDG_DATA_HOME": self.children.folder, "KEELSON_LISTEN": "http://" + listen}
        self.children.start("caddy", ["caddy", "run", "--adapter", "caddyfile", "--config",
                                      os.path.abspath(CONFIGURATION)], {**environment, **own})


if __name__ == "__main__":
    require_programs("caddy", "setpriv")
    main()

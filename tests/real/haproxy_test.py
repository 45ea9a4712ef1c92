#!/usr/bin/env python3
"""tools/balancers/haproxy.cfg keeps S3 clients at the leader."""

import os

import balancer_story
from processes import main, require_programs

CONFIGURATION = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "balancers", "haproxy.cfg")


class HaproxyTest(balancer_story.BalancerStory):
    balancer_name = "HAProxy"

    def start_balancer(self, listen, environment):
        self.children.start("haproxy", ["haproxy", "-db", "-f", os.path.abspath(CONFIGURATION)],
                            {**environment, "KEELSON_LISTEN": listen})


if __name__ == "__main__":
    require_programs("haproxy", "setpriv")
    main()

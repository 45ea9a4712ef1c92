"""A balancer in front of three nodes, whose leader is killed, stopped and drained under writes.

haproxy_test.py and caddy_test.py run it with the configurations that ship. In each chapter the
balancer must find the new leader, no node may break the probe's promise, and what was acknowledged
through the balancer must be readable afterwards.
"""

import concurrent.futures
import signal
import time

from cluster import DRAIN_TIMEOUT_MS, Cluster, request
from objects import Writer, missing_or_changed
from probing import Prober, judge
from processes import RealTest, free_ports, own_loopback_host, wait_until

BUCKET = "story"
# Nothing is claimed about speed on a busy machine; only that it happens at all.
PATIENCE_S = 30
PROBES_AT_WAKING = 8
# A busy machine's leader may fall by itself just before it is to be disturbed.
ATTEMPTS = 3


class BalancerStory(RealTest):
    balancer_name = None

    def start_balancer(self, listen, environment):
        """Starts the balancer so that it takes requests at `listen`."""
        raise NotImplementedError

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cluster = Cluster(cls.children, cls.binary)
        cls.cluster.start()
        cls.cluster.wait_settled()
        cls.cluster.create_bucket(BUCKET)
        host = own_loopback_host()
        cls.balancer = f"{host}:{free_ports(host, 1)[0]}"
        environment = {f"KEELSON_S3_{node.name.upper()}": node.addresses["s3"] for node in cls.cluster.nodes}
        cls().start_balancer(cls.balancer, environment)
        wait_until("the balancer leads to the leader", lambda: request(
            cls.balancer, "PUT", f"/{BUCKET}/first", b"x").status == 200, PATIENCE_S)

    def runTest(self):
        """Nothing; lets setUpClass make an instance."""

    def tell(self, what, disturb, settle):
        """One chapter: disturb(leader, prober) while objects are written and probes asked.

        settle(leader, prober) ends the disturbance once the balancer has found another leader.
        """
        for attempt in range(ATTEMPTS):
            if self.tell_once(f"{what}{attempt + 1}", disturb, settle):
                return
        self.fail(f"the leader changed by itself before it was {what}, {ATTEMPTS} times")

    def tell_once(self, what, disturb, settle):
        """False if the node that was disturbed was no longer the leader; then nothing was shown."""
        leader = self.cluster.wait_settled()
        with Prober(self.cluster.nodes) as prober, Writer(self.balancer, BUCKET, what) as writer:
            wait_until("writes flow and probes are answered before the disturbance",
                       lambda: len(writer.acknowledged) >= 10
                       and len(prober.yeses(leader.name)) >= 5, PATIENCE_S)
            moment = time.monotonic()
            disturb(leader, prober)
            disturbed = time.monotonic()
            successor = wait_until("another node is leader", lambda: next(
                (a for a in prober.yeses(since=moment) if a.node != leader.name), None), PATIENCE_S)
            # Counted from the new leader's first yes, so that a write of before is none of them.
            resumed = wait_until("the balancer leads to the new leader",
                                 lambda: writer.first_since(successor.end), PATIENCE_S)
            settle(leader, prober)
            settled = time.monotonic()
            wait_until("writes go on", lambda: len([w for w in list(writer.acknowledged)
                                                    if w.start > settled]) >= 10, PATIENCE_S)
        breaches, leaders = judge(prober.answers, prober.terms)
        self.assertEqual(breaches, [], what)
        self.cluster.wait_settled()
        for i, node in enumerate(self.cluster.nodes):
            some = writer.acknowledged[i::len(self.cluster.nodes)]
            wrong = missing_or_changed(some, node.addresses["s3"], BUCKET)
            self.assertEqual(wrong, [], f"{what}: acknowledged, but not readable at {node}")
        wrong = missing_or_changed(writer.acknowledged, self.balancer, BUCKET)
        self.assertEqual(wrong, [], f"{what}: acknowledged, but not readable through the balancer")
        print(f"\n  {self.balancer_name}, leader {what}: new leader's first 200 after "
              f"{1000 * (successor.end - moment):.0f} ms, then first write through the balancer after "
              f"{1000 * (resumed.end - successor.end):.0f} ms; longest gap between writes "
              f"{1000 * writer.longest_gap():.0f} ms; {len(writer.acknowledged)} writes acknowledged and read "
              f"back, {writer.refused} refused, {writer.unanswered} unanswered; "
              f"{len(prober.answers)} probes ({1000 * (disturbed - moment):.0f} ms to disturb)", flush=True)
        return len(set(leaders.values())) >= 2 and leader.name in leaders.values()

    def test_1_the_leader_is_killed(self):
        def restart(leader, _):
            self.cluster.start_node(leader)
            self.cluster.wait_served(leader)

        self.tell("killed", lambda leader, _: self.cluster.kill(leader), restart)

    def test_2_the_leader_is_stopped_and_woken(self):
        def wake(leader, prober):
            # These wait in the sleeper's listen queue and are the first thing it sees: nothing that it
            # remembers of its leadership may answer them.
            with concurrent.futures.ThreadPoolExecutor(PROBES_AT_WAKING) as pool:
                asked = [pool.submit(leader.probe_leader, "s3", 10.0) for _ in range(PROBES_AT_WAKING)]
                wait_until("probes wait for the sleeper", lambda: all(f.running() for f in asked), PATIENCE_S)
                time.sleep(0.2)  # Lets them connect and send; whoever is late is only a weaker probe.
                leader.process.send_signal(signal.SIGCONT)
                answers = [each.result() for each in asked]
            for answer in answers:
                prober.record(answer)
            self.assertEqual({answer.status for answer in answers}, {503}, "of a leader that overslept")

        self.tell("stopped", lambda leader, _: leader.process.send_signal(signal.SIGSTOP), wake)

    def test_3_the_leader_is_drained(self):
        def drain(leader, prober):
            since = time.monotonic()
            leader.process.send_signal(signal.SIGTERM)
            wait_until("a draining node's leader probe is red while it still serves", lambda: (
                leader.probe_leader().status == 503
                and leader.request("s3", "GET", "/healthz").status == 200
                and leader.request("s3", "GET", "/healthz/ready").status == 503
                and leader.process.poll() is None), DRAIN_TIMEOUT_MS / 1000)
            code = leader.process.wait(DRAIN_TIMEOUT_MS / 1000 + 2)
            self.assertEqual(code, 0, "a drained node's exit status")
            self.assertGreater(prober.count(leader.name, 503, since), 0)
            print(f"\n  drained and gone after {1000 * (time.monotonic() - since):.0f} ms", flush=True)

        def restart(leader, _):
            self.cluster.start_node(leader)
            self.cluster.wait_served(leader)

        self.tell("drained", drain, restart)

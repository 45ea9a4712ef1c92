#!/usr/bin/env python3
"""A leader is cut off from its peers, on cables of the kernel, while its clients still reach it.

Both directions at once, then each alone, then while it sleeps. It must never say yes after its successor has, must not
acknowledge a write or answer a read with what has been overwritten, and must find back.
"""

import os
import signal
import time

from cluster import Cluster
from namespaces import Fabric, reenter_in_namespace, require_kernel_support
from objects import Write, missing_or_changed
from probing import Prober, judge
from processes import RealTest, main, require_programs, wait_until

BUCKET = "cut"
PATIENCE_S = 30
# How often the old leader must have been asked, and have denied, after its successor's first yes.
DENIALS = 10
# A busy machine's leader may fall by itself just before it is to be cut off.
ATTEMPTS = 3


class CutOffLeader(RealTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.fabric = Fabric(cls.children, 3)
        # The namespaces are nobody's but this test's.
        cls.cluster = Cluster(cls.children, cls.binary, cls.fabric.nodes,
                              arguments=("--admin-open-off-loopback",))
        cls.cluster.start()
        cls.cluster.wait_settled()
        cls.cluster.create_bucket(BUCKET)

    def put(self, node, key, content, timeout=5.0):
        return node.request("s3", "PUT", f"/{BUCKET}/{key}", body=content, timeout=timeout)

    def get(self, node, key):
        return node.request("s3", "GET", f"/{BUCKET}/{key}", timeout=2.0)

    def put_somehow(self, nodes, key, content):
        """Writes through whichever node takes it; the write is repeatable."""
        answer = wait_until(f"{key} is written", lambda: next(
            (a for a in (self.put(node, key, content) for node in nodes) if a.status == 200), None), PATIENCE_S)
        return Write(key, content, answer.start, answer.end)

    def tell(self, what, cut, succeeded=lambda leader: None):
        """One chapter: cut(leader), then succeeded(leader) once another node leads; heals in the end."""
        for attempt in range(ATTEMPTS):
            if self.tell_once(f"{what}{attempt + 1}", cut, succeeded):
                return
        self.fail(f"the leader changed by itself before each of {ATTEMPTS} cuts")

    def tell_once(self, what, cut, succeeded):
        """False if the node that was cut off was no longer the leader; then nothing was shown."""
        leader = self.cluster.wait_settled()
        others = self.cluster.others(leader)
        written = [self.put_somehow([leader], f"{what}-before{i}", os.urandom(500)) for i in range(5)]
        self.put_somehow([leader], f"{what}-shared", b"old")
        with Prober(self.cluster.nodes) as prober:
            wait_until("the leader says yes", lambda: len(prober.yeses(leader.name)) >= 5, PATIENCE_S)
            moment = time.monotonic()
            cut(leader)
            is_cut = time.monotonic()
            successor = wait_until("a node on the other side says yes", lambda: next(
                (a for a in prober.yeses(since=moment) if a.node != leader.name), None), PATIENCE_S)
            written += [self.put_somehow(others, f"{what}-during{i}", os.urandom(500)) for i in range(5)]
            written.append(self.put_somehow(others, f"{what}-shared", b"new"))
            succeeded(leader)
            lonely = self.put(leader, f"{what}-lonely", b"x", timeout=2.0)
            self.assertNotEqual(lonely.status, 200, "a write acknowledged by a node without peers")
            stale = self.get(leader, f"{what}-shared")
            self.assertNotEqual((stale.status, stale.body), (200, b"old"), "a read of what was overwritten")
            wait_until("the old leader is asked and denies", lambda: prober.count(
                leader.name, 503, successor.end) >= DENIALS, PATIENCE_S)
            # More than the promise, but how it is kept: a yes takes peers asked after the probe arrived.
            late = [f"{1000 * (a.start - is_cut):.1f} ms" for a in prober.yeses(leader.name, since=is_cut)]
            self.assertEqual(late, [], "probes begun so long after the cut got a yes without peers")
            healed = time.monotonic()
            self.fabric.heal(leader)
            self.cluster.wait_settled(PATIENCE_S)
            settled = time.monotonic()
            written.append(self.put_somehow([leader], f"{what}-after", os.urandom(500)))
        breaches, leaders = judge(prober.answers, prober.terms)
        self.assertEqual(breaches, [])
        if len(set(leaders.values())) < 2 or leader.name not in leaders.values():
            return False
        for node in self.cluster.nodes:
            self.assertEqual(missing_or_changed(written, node.addresses["s3"], BUCKET), [], node)
        print(f"\n  leader cut off ({what}): its successor's first 200 after "
              f"{1000 * (successor.end - moment):.0f} ms; settled {1000 * (settled - healed):.0f} ms after the "
              f"healing; {len(prober.answers)} probes", flush=True)
        return True

    def test_1_cut_off_both_ways(self):
        self.tell("both", self.fabric.pull_cable)

    def test_2_hears_nothing(self):
        self.tell("deaf", lambda leader: self.fabric.drop(leader, "in"), self.check_drops)

    def test_3_is_not_heard(self):
        self.tell("mute", lambda leader: self.fabric.drop(leader, "out"), self.check_drops)

    def test_4_wakes_after_its_reign_and_still_cut_off(self):
        def cut(leader):
            self.fabric.pull_cable(leader)
            leader.process.send_signal(signal.SIGSTOP)

        # It remembers to be the leader, and nobody can tell it otherwise.
        self.tell("asleep", cut, lambda leader: leader.process.send_signal(signal.SIGCONT))

    def check_drops(self, leader):
        self.assertGreater(self.fabric.dropped(leader), 0, "the cut cut something")


if __name__ == "__main__":
    require_programs("ip", "nft", "unshare", "nsenter", "setpriv")
    reenter_in_namespace()
    require_kernel_support()
    main()

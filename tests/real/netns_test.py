#!/usr/bin/env python3
"""A leader is cut off from its peers, on cables of the kernel, while its clients still reach it.

Both directions at once, then each alone. It must never say yes after its successor has, must not
acknowledge a write or answer a read with what has been overwritten, and must find back.
"""

import os
import time

from cluster import Cluster
from namespaces import Fabric, reenter_in_namespace, require_kernel_support
from objects import Write, missing_or_changed
from probing import Prober, judge
from processes import RealTest, main, require_programs, wait_until

BUCKET = "cut"
PATIENCE_S = 25
# How often the old leader must have been asked, and have denied, after its successor's first yes.
DENIALS = 10
# A busy machine's leader may fall by itself just before it is to be cut off.
ATTEMPTS = 3


class CutOffLeader(RealTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.fabric = Fabric(cls.children, 3)
        cls.cluster = Cluster(cls.children, cls.binary, cls.fabric.nodes)
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

    def tell(self, what, cut):
        for attempt in range(ATTEMPTS):
            if self.tell_once(f"{what}{attempt + 1}", cut):
                return
        self.fail(f"the leader changed by itself before each of {ATTEMPTS} cuts")

    def tell_once(self, what, cut):
        """False if the node that was cut off was no longer the leader; then nothing was shown."""
        leader = self.cluster.wait_settled()
        others = self.cluster.others(leader)
        written = [self.put_somehow([leader], f"{what}-before{i}", os.urandom(500)) for i in range(5)]
        self.put_somehow([leader], f"{what}-shared", b"old")
        with Prober(self.cluster.nodes) as prober:
            wait_until("the leader says yes", lambda: len(prober.yeses(leader.name)) >= 5, PATIENCE_S)
            moment = time.monotonic()
            cut(leader)
            successor = wait_until("a node on the other side says yes", lambda: next(
                (a for a in prober.yeses(since=moment) if a.node != leader.name), None), PATIENCE_S)
            written += [self.put_somehow(others, f"{what}-during{i}", os.urandom(500)) for i in range(5)]
            written.append(self.put_somehow(others, f"{what}-shared", b"new"))
            lonely = self.put(leader, f"{what}-lonely", b"x", timeout=2.0)
            self.assertNotEqual(lonely.status, 200, "a write acknowledged by a node without peers")
            stale = self.get(leader, f"{what}-shared")
            self.assertNotEqual((stale.status, stale.body), (200, b"old"), "a read of what was overwritten")
            wait_until("the old leader is asked and denies", lambda: prober.count(
                leader.name, 503, successor.end) >= DENIALS, PATIENCE_S)
            self.assertEqual(prober.yeses(leader.name, since=successor.end), [])
            if cut != self.fabric.pull_cable:
                self.assertGreater(self.fabric.dropped(leader), 0, "the cut cut something")
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
        print(f"\n  leader cut off ({what}): its last 200 "
              f"{self.last_yes(prober, leader, moment)}, its successor's first after "
              f"{1000 * (successor.end - moment):.0f} ms; settled {1000 * (settled - healed):.0f} ms after the "
              f"healing; {len(prober.answers)} probes", flush=True)
        return True

    @staticmethod
    def last_yes(prober, leader, moment):
        # Before the healing: afterwards it may have been elected again.
        old = [a for a in prober.yeses(leader.name) if a.start < moment]
        new = [a for a in prober.yeses() if a.node != leader.name]
        late = [a for a in prober.yeses(leader.name, since=moment) if a.start < min(b.end for b in new)]
        return f"{1000 * (max(a.end for a in old + late) - moment):.0f} ms after the cut"

    def test_1_cut_off_both_ways(self):
        self.tell("both", self.fabric.pull_cable)

    def test_2_hears_nothing(self):
        self.tell("deaf", lambda leader: self.fabric.drop(leader, "in"))

    def test_3_is_not_heard(self):
        self.tell("mute", lambda leader: self.fabric.drop(leader, "out"))


if __name__ == "__main__":
    require_programs("ip", "nft", "unshare", "nsenter", "setpriv")
    reenter_in_namespace()
    require_kernel_support()
    main()

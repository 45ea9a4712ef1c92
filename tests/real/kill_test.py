#!/usr/bin/env python3
"""Nothing that was acknowledged is lost, whoever is killed when; nodes come back from lost disks.

    kill_test.py KEELSON [--kills N] [--seed S] [unittest's arguments]

Three servers with small logs take writes from several clients and are killed with SIGKILL again and
again, one at a time mostly, sometimes two or all three, and started again at once or later. (The
kernel survives, and with it what was written: so any number may be killed. Loss of power is the
storms' matter.) Afterwards every acknowledged object is read at every node, and the three states are
compared. Then one node loses its directory, and one its log's integrity.

12 kills by default; the long form is --kills 200, some ten minutes.
"""

import argparse
import os
import random
import re
import shutil
import signal
import struct
import sys
import time

from cluster import Cluster
from durable_load import DurableLoad
from processes import RealTest, main, require_programs, wait_until

BUCKET = "kept"
# Small, so that segments rotate, logs are cut and followers need snapshots within seconds.
LIMITS = {
    "--wal-segment-bytes": 64 << 10,
    "--wal-preallocate-bytes": 32 << 10,
    "--wal-bytes-max": 1 << 20,
    "--log-bytes-max": 512 << 10,
    "--snapshot-chunk-bytes": 64 << 10,
    "--state-cache-bytes": 4 << 20,
    "--disk-reserve-bytes": 16 << 20,
}
SEGMENT_HEADER_BYTES = 40  # core/storage/wal_format.h
BATCH_HEADER_BYTES = 24

options = argparse.Namespace(kills=12, seed=None)


class Killer:
    """Kills and starts servers again. Runs on the main thread, as whoever starts children must."""

    def __init__(self, cluster, seed):
        self.kills = 0
        self.at_once = {1: 0, 2: 0, 3: 0}
        self._cluster = cluster
        self._random = random.Random(seed)
        self._due = {}  # Node -> when to start it again.
        self.minorities = []  # [start, end] of when fewer than two processes were there.

    def run(self, kills):
        next_kill = time.monotonic() + 1.0
        while self.kills < kills:
            self._look()
            if time.monotonic() >= next_kill:
                self._strike()
                next_kill = time.monotonic() + self._random.uniform(0.2, 3.0)
            time.sleep(0.01)
        while self._due:
            self._look()
            time.sleep(0.01)

    def _look(self):
        for node in self._cluster.nodes:
            if node in self._due:
                if time.monotonic() >= self._due[node]:
                    del self._due[node]
                    self._cluster.start_node(node)
                    if len(self._due) == 1:
                        self.minorities[-1][1] = time.monotonic()
            elif node.process.poll() is not None:
                raise AssertionError(f"{node} ended by itself with {node.process.returncode}")

    def _strike(self):
        running = [node for node in self._cluster.nodes if node not in self._due]
        count = min(self._random.choices((1, 2, 3), weights=(80, 12, 8))[0], len(running))
        if count == 0:
            return
        victims = self._random.sample(running, count)
        self._cluster.kill(*victims)
        self.kills += count
        self.at_once[count] += 1
        for victim in victims:
            pause = self._random.choices((0.0, self._random.uniform(0.1, 2.0),
                                          self._random.uniform(4.0, 8.0)), weights=(60, 30, 10))[0]
            self._due[victim] = time.monotonic() + pause
            if len(self._due) == 2:
                self.minorities.append([time.monotonic(), None])


def segments_of(directory):
    """[(number, path)] of a log, the oldest first."""
    folder = os.path.join(directory, "wal")
    return [(int(name[:-len(".log")]), os.path.join(folder, name))
            for name in sorted(os.listdir(folder)) if name.endswith(".log")]


class Kill(RealTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        limits = [text for name, value in LIMITS.items() for text in (name, str(value))]
        cls.cluster = Cluster(cls.children, cls.binary, arguments=limits)
        cls.cluster.start()
        cls.cluster.create_bucket(BUCKET)
        cls.loads = []
        print(f"seed {options.seed}", flush=True)

    # --- what the chapters have in common ---

    def load(self, name):
        load = DurableLoad(self.cluster.nodes, BUCKET, name, options.seed)
        self.loads.append(load)
        return load

    def times_logged(self, node, text):
        return self.children.log_of(node.name).count(text)

    def times_logged_anywhere(self, text):
        return sum(self.times_logged(node, text) for node in self.cluster.nodes)

    def expect_equal_states(self):
        """All three have applied the same, with the same result. REQUIRES: no load."""
        def settled():
            groups = [node.group() for node in self.cluster.nodes]
            if any(group is None for group in groups):
                return None
            is_level = len({(g["applied_index"], g["commit_index"]) for g in groups}) == 1
            return groups if is_level else None
        groups = wait_until("all three have applied the same", settled, 60, pause=0.1)
        digests = [group["state_digest"] for group in groups]
        self.assertEqual(len(set(digests)), 1, f"states at {groups[0]['applied_index']}: {digests}")
        self.assertNotEqual(int(digests[0], 16), 0)
        for group in groups:
            self.assertEqual([m["role"] for m in group["members"]], ["voter"] * 3)
        return groups

    def expect_nothing_lost(self):
        for load in self.loads:
            for node in self.cluster.nodes:
                self.assertEqual(load.violations_at(node), [])
            self.assertEqual([v for writer in load.writers for v in writer.violations], [])

    def lose_directory(self, node):
        """A node whose process is gone comes back without its directory, and is let in again."""
        admitted, promoted = f"{node.name} has lost its disk", f"{node.name} has caught up and votes"
        before = [self.times_logged_anywhere(text) for text in (admitted, promoted)]
        replaced = self.times_logged(node, "state replaced by the snapshot")
        shutil.rmtree(self.cluster.data_directory(node))
        begin = time.monotonic()
        self.cluster.start_node(node)
        wait_until(f"{node} is a learner",
                   lambda: self.times_logged_anywhere(admitted) > before[0], 60)
        wait_until(f"{node} votes again",
                   lambda: self.times_logged_anywhere(promoted) > before[1], 120)
        print(f"{node} has its vote again after {time.monotonic() - begin:.1f} s", flush=True)
        self.assertGreater(self.times_logged(node, "state replaced by the snapshot"), replaced)

        def is_voter_everywhere():
            groups = [each.group() for each in self.cluster.nodes]
            return all(g and {m["id"]: m["role"] for m in g["members"]}.get(node.name) == "voter"
                       for g in groups)
        wait_until(f"all know that {node} votes", is_voter_everywhere, 30)

    # --- the story ---

    def test_1_what_was_acknowledged_survives_every_kill(self):
        killer = Killer(self.cluster, options.seed)
        begin = time.monotonic()
        with self.load("kill") as load:
            killer.run(options.kills)
            self.cluster.wait_settled(seconds=60)
            loaded = time.monotonic() - begin
        groups = self.expect_equal_states()
        judged = time.monotonic()
        self.expect_nothing_lost()
        judged = time.monotonic() - judged
        oldest = [segments_of(self.cluster.data_directory(node))[0][0]
                  for node in self.cluster.nodes]
        cut_at = [group["snapshot_index"] for group in groups]
        snapshots = self.times_logged_anywhere("state replaced by the snapshot")
        torn = self.times_logged_anywhere("torn tail cut")
        print(f"{killer.kills} kills in {loaded:.0f} s (strikes at 1, 2, 3 nodes: "
              f"{list(killer.at_once.values())}); {load.count('acknowledged')} objects and "
              f"{load.overwrites()} overwrites acknowledged, {load.count('unknown')} unknown, "
              f"{load.failures()} failed requests; no write was acknowledged for "
              f"{load.longest_gap():.1f} s at worst, for {load.longest_gap(killer.minorities):.1f} s "
              f"while two processes were there; {snapshots} snapshots installed; {torn} torn "
              f"tails; logs begin after {cut_at} of {groups[0]['applied_index']}, at segments "
              f"{oldest}; read back in {judged:.0f} s", flush=True)
        self.assertGreater(load.count("acknowledged"), killer.kills)
        self.assertGreater(min(oldest), 1, "no log was given back")
        self.assertGreater(min(cut_at), 0, "no log was cut")

    def test_2_a_lost_directory_comes_back_through_its_peers(self):
        leader = self.cluster.wait_settled()
        victims = [self.cluster.others(leader)[0]]
        if options.kills >= 100:
            victims.append(leader)
        with self.load("lost"):
            for victim in victims:
                self.cluster.kill(victim)
                self.lose_directory(victim)
        self.cluster.wait_settled()
        self.expect_equal_states()
        self.expect_nothing_lost()

    def test_3_a_log_damaged_in_the_middle_is_refused(self):
        victim = self.cluster.others(self.cluster.wait_settled())[0]
        with self.load("ahead"):
            wait_until("the log has several segments", lambda: len(
                segments_of(self.cluster.data_directory(victim))) >= 3, 60, pause=0.1)
        victim.process.send_signal(signal.SIGTERM)
        self.assertEqual(victim.process.wait(timeout=30), 0)
        number, path = segments_of(self.cluster.data_directory(victim))[0]  # It has no tail.
        with open(path, "rb") as file:
            content = bytearray(file.read())
        _, length = struct.unpack_from("<II", content, SEGMENT_HEADER_BYTES)
        position = SEGMENT_HEADER_BYTES + BATCH_HEADER_BYTES + length // 2
        content[position] ^= 0x10
        with open(path, "wb") as file:
            file.write(content)
        message = f"segment {number} offset {SEGMENT_HEADER_BYTES}: "
        for starts in (1, 2):  # Asking again does not help.
            self.cluster.start_node(victim)
            self.assertNotEqual(victim.process.wait(timeout=30), 0)
            refusals = re.findall(r"keelson: .*write-ahead log: segment \d+ offset \d+: .*",
                                  self.children.log_of(victim.name))
            self.assertEqual(len(refusals), starts, refusals)
            self.assertIn(message, refusals[-1])
        with open(path, "rb") as file:
            self.assertEqual(file.read(), content, "what is damaged must be left as it is")
        with self.load("damaged"):
            self.lose_directory(victim)
        self.cluster.wait_settled()
        self.expect_equal_states()
        self.expect_nothing_lost()


if __name__ == "__main__":
    require_programs("setpriv")
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options, rest = parser.parse_known_args()
    sys.argv[1:] = rest
    main()

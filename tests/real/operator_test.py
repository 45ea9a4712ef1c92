#!/usr/bin/env python3
"""An operator's day with keelsonctl, under load: nodes come and go, leaders are handed over and
killed, a shard is moved, a node is drained, a backup is taken and another cluster made of it.

    operator_test.py KEELSON [unittest's arguments]        (keelsonctl lies beside it)
"""

import json
import os
import signal
import subprocess
import time

from cluster import Cluster, loopback_nodes
from durable_load import DurableLoad
from probing import Prober, judge
from processes import RealTest, main, require_programs, wait_until

BUCKET = "kept"
GROUPS = ("g0", "g1")
SMALL = ["--groups", str(len(GROUPS)), "--log-bytes-max", str(512 << 10),
         "--snapshot-chunk-bytes", str(64 << 10), "--wal-segment-bytes", str(1 << 20),
         "--wal-preallocate-bytes", str(64 << 10), "--wal-bytes-max", str(4 << 20),
         "--disk-reserve-bytes", str(16 << 20)]


class Operator(RealTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ctl_binary = os.path.join(os.path.dirname(cls.binary), "keelsonctl")
        cls.all = loopback_nodes(5)
        cls.cluster = Cluster(cls.children, cls.binary, cls.all[:3], arguments=SMALL)
        for node in cls.all[:3]:
            node.peers = cls.all[:3]
        for node in cls.all[3:]:
            node.peers = cls.all[:3] + [node]
            node.bootstraps = False
        cls.cluster.start()
        cls.cluster.create_bucket(BUCKET)
        cls.loads = []

    # --- what the chapters have in common ---

    def ctl(self, node, *arguments, expect=0, timeout=150):
        """Runs keelsonctl against that node; what it printed."""
        command = [self.ctl_binary, "--admin", f"http://{node.addresses['admin']}", *arguments]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=timeout, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        said = f"{' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}"
        self.assertEqual(done.returncode, expect, said)
        return done.stdout if expect == 0 else done.stderr

    def load(self, name):
        load = DurableLoad(self.all, BUCKET, name, 7, threads=4)
        self.loads.append(load)
        return load

    def expect_nothing_lost(self, nodes):
        for load in self.loads:
            self.assertEqual([v for writer in load.writers for v in writer.violations], [])
            for node in nodes:
                self.assertEqual(load.violations_at(node), [])

    def with_a_leader_killed(self, asked, *arguments):
        """A step of keelsonctl during which the default group's leader is killed and comes back."""
        leader = wait_until("a leader", lambda: next(
            (n for n in self.cluster.nodes if n is not asked and n.probe_leader().status == 200),
            None) or (asked if asked.probe_leader().status == 200 else None), 30)
        # The step goes through another node, so that it is not killed with its listener; nor through
        # the one it is about, which does not serve yet, or is not told any more who leads.
        through = asked if asked is not leader else next(
            node for node in self.cluster.others(leader) if node.name not in arguments)
        command = [self.ctl_binary, "--admin", f"http://{through.addresses['admin']}",
                   "--timeout", "120", *arguments]
        step = subprocess.Popen(command, stdin=subprocess.DEVNULL, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.cluster.kill(leader)
        self.cluster.start_node(leader)
        said, _ = step.communicate(timeout=150)
        self.assertEqual(step.returncode, 0, f"{' '.join(arguments)}\n{said}")
        self.cluster.wait_served(leader)

    def roles(self, asked):
        groups = json.loads(self.ctl(asked, "--json", "members"))
        return {g["group_id"]: {m["id"]: m["role"] for m in g["members"]} for g in groups}

    # --- the story ---

    def test_1_errors_have_their_exit_codes_and_say_what_to_do(self):
        self.cluster.wait_settled()
        node = self.all[0]
        self.ctl(node, "explode", expect=2)
        self.ctl(node, "restore", expect=2)
        self.assertIn("lists the groups", self.ctl(node, "members", "--group", "g9", expect=1))
        self.assertIn("nobody answers", self.ctl(self.all[4], "status", expect=4))
        self.assertIn("n9", self.ctl(node, "--timeout", "5", "promote", "n9", "--group", "g0", expect=1))
        self.assertIn("look at `keelsonctl members`",
                      self.ctl(node, "demote", "n1", "--group", "g0", "--expect", "999999", expect=1))
        text = self.ctl(node, "status")
        for group in GROUPS:
            self.assertIn(group, text)
        print(text, flush=True)

    def test_2_leadership_goes_where_it_is_sent(self):
        for target in ("n1", "n2", "n3"):
            self.ctl(self.all[0], "transfer-leader", "--to", target)
            leaders = {g["leader_id"] for g in json.loads(self.ctl(self.all[0], "--json", "members"))}
            self.assertEqual(leaders, {target})

    def shards(self, asked):
        return json.loads(self.ctl(asked, "--json", "shards"))["shards"]

    def test_3_a_shard_is_split_and_moved_under_load(self):
        n1, n2, n3 = self.all[:3]
        before = [shard["from"] for shard in self.shards(n1)]
        with self.load("shards") as load:
            wait_until("objects", lambda: load.count("acknowledged") >= 40, 30)
            self.ctl(n1, "split", f"s3://{BUCKET}/shards2/")  # Between two of the writers.
            new = next(shard for shard in self.shards(n2) if shard["from"] not in before)
            target = next(group for group in GROUPS if group != new["group"])
            self.ctl(n2, "move", new["from"], target, "--wait")
            moved = load.count("acknowledged")
            wait_until("more objects", lambda: load.count("acknowledged") >= moved + 40, 30)
        self.assertEqual([s["group"] for s in self.shards(n3) if s["from"] == new["from"]],
                         [target])
        self.expect_nothing_lost(self.all[:3])
        print(self.ctl(n3, "shards"), flush=True)
        self.ctl(n3, "split", "a/b", expect=2)
        self.assertIn("no shard begins there", self.ctl(n3, "move", "%01", "g0", expect=1))
        self.assertIn("there is no g9", self.ctl(n3, "move", new["from"], "g9", expect=1))
        self.assertIn("look at `keelsonctl shards`",
                      self.ctl(n3, "split", "%02", "--expect", "99", expect=1))

    def test_4_three_nodes_grow_to_five_and_shrink_to_another_three(self):
        with self.load("grow") as load, Prober(self.all) as prober:
            for node in self.all[3:]:
                self.cluster.nodes.append(node)
                self.cluster.start_node(node)
                self.with_a_leader_killed(self.all[0], "add-learner", node.name, "--address",
                                          node.addresses["raft"], "--wait")
                self.cluster.wait_served(node, 60)
                self.with_a_leader_killed(self.all[1], "promote", node.name)
            self.assertEqual(self.roles(self.all[4]),
                             {g: {n.name: "voter" for n in self.all} for g in GROUPS})
            type(self).midway = os.path.join(self.children.folder, "midway.backup")
            self.ctl(self.all[2], "backup", "--out", self.midway)
            for node in self.all[:2]:
                self.with_a_leader_killed(self.all[4], "remove", node.name)
                self.cluster.nodes.remove(node)
                node.process.send_signal(signal.SIGTERM)
                node.process.wait(timeout=30)
            self.cluster.wait_settled(60)
        self.assertEqual(self.roles(self.all[4]),
                         {g: {n.name: "voter" for n in self.all[2:]} for g in GROUPS})
        self.expect_nothing_lost(self.all[2:])
        breaches, leaders = judge(prober.answers, prober.terms)
        self.assertEqual(breaches, [])
        self.assertGreaterEqual(len(leaders), 2)
        print(f"{load.count('acknowledged')} objects acknowledged, the longest time without one: "
              f"{load.longest_gap():.2f} s; {len(leaders)} terms with a known leader", flush=True)
        self.assertGreater(load.count("acknowledged"), 20)

    def test_5_a_drained_leader_costs_no_election_timeout(self):
        leader = self.cluster.wait_settled()
        with self.load("drain") as load:
            time.sleep(1.0)
            self.ctl(self.cluster.others(leader)[0], "transfer-leader", "--to", leader.name)
            begin = time.monotonic()
            self.ctl(leader, "drain")
            self.assertEqual(leader.process.wait(timeout=20), 0)
            end = time.monotonic()
            time.sleep(1.0)
        moments = sorted(m for w in load.writers for m in w.ends if begin - 0.5 <= m <= end + 0.8)
        gap = max(b - a for a, b in zip(moments, moments[1:]))
        print(f"drained in {end - begin:.2f} s; no write was acknowledged for {gap * 1000:.0f} ms "
              f"at most", flush=True)
        self.assertEqual(self.children.log_of(leader.name).count("not handed over"), 0)
        self.cluster.start_node(leader)
        self.cluster.wait_settled(60)

    def test_6_another_cluster_is_made_of_a_backup(self):
        whole = os.path.join(self.children.folder, "whole.backup")
        taken = json.loads(self.ctl(self.all[3], "--json", "backup", "--out", whole))
        self.assertEqual(json.loads(self.ctl(self.all[3], "--json", "verify", whole))["groups"],
                         taken["groups"])
        self.ctl(self.all[3], "verify", self.midway)
        nodes = loopback_nodes(3)
        restored = Cluster(self.children, self.binary, nodes, arguments=SMALL, name="restored",
                           cluster_id="restored")
        directories = [text for node in nodes
                       for text in ("--node", f"{node.name}={restored.data_directory(node)}")]
        self.refuse_damaged(whole, directories)
        self.ctl(self.all[3], "restore", "--from", whole, "--cluster-id", "restored", *directories)
        self.assertIn("is there already", self.ctl(
            self.all[3], "restore", "--from", whole, "--cluster-id", "restored", *directories, expect=1))
        for node in nodes:
            node.bootstraps = False
            restored.start_node(node, log_name=f"restored-{node.name}")
        for node in nodes:
            restored.wait_served(node)
        restored.wait_settled(60)
        again = json.loads(self.ctl(nodes[0], "--json", "backup", "--out", whole + ".again"))
        self.assertEqual([g["content_digest"] for g in again["groups"]],
                         [g["content_digest"] for g in taken["groups"]])
        self.expect_nothing_lost(nodes)

    def refuse_damaged(self, path, directories):
        with open(path, "rb") as file:
            content = file.read()
        broken = path + ".broken"
        for what, bad in (("altered", content[:len(content) // 2] + b"?" + content[len(content) // 2 + 1:]),
                          ("cut off", content[:-20]), ("foreign", b"#!/bin/sh\n" * 10)):
            with open(broken, "wb") as file:
                file.write(bad)
            said = self.ctl(self.all[3], "restore", "--from", broken, "--cluster-id", "restored",
                            *directories, expect=1)
            self.assertRegex(said, r"backup: frame \d+ at offset \d+: ", what)
        self.assertIn("another name", self.ctl(
            self.all[3], "restore", "--from", path, "--cluster-id", "real", *directories, expect=1))
        for directory in directories[1::2]:
            directory = directory.split("=", 1)[1]
            self.assertFalse(os.path.exists(directory))
            self.assertFalse(os.path.exists(directory + ".restoring"))


if __name__ == "__main__":
    require_programs("setpriv")
    main()

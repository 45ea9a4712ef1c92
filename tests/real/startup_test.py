#!/usr/bin/env python3
"""What an operator sees of `keelson serve` when it cannot serve: waiting, refusals, exit codes."""

import os
import signal
import subprocess
import time

from cluster import LISTENERS, Cluster, loopback_nodes
from processes import RealTest, main, require_programs, wait_until


class Startup(RealTest):
    def refuse(self, *arguments):
        """Runs a `keelson serve` that must end by itself; (exit code, what it said)."""
        done = subprocess.run([self.binary, "serve", *arguments], stdin=subprocess.DEVNULL, timeout=30,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.returncode, done.stdout

    def test_1_a_node_whose_peers_are_missing_says_so_and_stops_when_asked(self):
        nodes = loopback_nodes(3)
        cluster = Cluster(self.children, self.binary, nodes)
        alone = nodes[0]
        cluster.start_node(alone, log_name="alone")
        said = "founds the cluster when all peers have answered; no answer from n2, n3"
        wait_until("it says for whom it waits", lambda: said in self.children.log_of("alone"), 30)
        self.assertIsNone(alone.process.poll())
        self.assertEqual(alone.probe_leader().status, None)  # No listener yet, hence no wrong yes.
        begin = time.monotonic()
        alone.process.send_signal(signal.SIGTERM)
        self.assertEqual(alone.process.wait(timeout=20), 0, self.children.log_of("alone"))
        print(f"stopped after {time.monotonic() - begin:.2f} s", flush=True)
        self.assertIn("was asked to stop before there was a cluster", self.children.log_of("alone"))
        # It has founded nothing: with its peers it still can.
        cluster.start()
        cluster.wait_settled()

    def test_2_a_data_directory_has_one_process(self):
        nodes = loopback_nodes(1)
        cluster = Cluster(self.children, self.binary, nodes, name="owned")
        cluster.start_node(nodes[0], log_name="owner")
        cluster.wait_served(nodes[0])
        intruder = loopback_nodes(1)[0]
        cluster.start_node(intruder, log_name="intruder")
        self.assertEqual(intruder.process.wait(timeout=20), 2)
        said = self.children.log_of("intruder")
        self.assertIn(f"data directory {cluster.data_directory(intruder)} is in use by another node", said)
        self.assertEqual(nodes[0].request("s3", "GET", "/healthz").status, 200)
        # The lock goes with its holder, however that ends.
        cluster.kill(nodes[0])
        cluster.start_node(nodes[0], log_name="owner")
        cluster.wait_served(nodes[0])

    def test_3_a_directory_of_another_cluster_or_node_is_refused(self):
        node = loopback_nodes(1)[0]
        cluster = Cluster(self.children, self.binary, [node], name="foreign")
        cluster.start_node(node, log_name="first")
        cluster.wait_served(node)
        cluster.kill(node)
        listeners = [text for name in LISTENERS for text in (f"--{name}-listen", node.addresses[name])]
        for name, cluster_id, said in (
                ("n1", "other", 'the data directory belongs to cluster "real", not to "other"'),
                ("n2", "real", "the data directory belongs to node n1, not to n2")):
            code, text = self.refuse(
                "--node-id", name, "--cluster-id", cluster_id, "--data-dir", cluster.data_directory(node),
                "--peers", f"{name}={node.addresses['raft']}", *listeners)
            self.assertEqual(code, 2, text)
            self.assertIn(said, text)

    def test_4_nonsense_is_refused_by_the_name_of_its_flag(self):
        folder = os.path.join(self.children.folder, "never-made")
        for flag, value, said in (
                ("--wal-segment-bytes", "100", "must be 4 KiB to 4 GiB"),
                ("--wal-preallocate-bytes", str(1 << 30), "must be at most wal-segment-bytes"),
                ("--wal-bytes-max", str(100 << 20), "must be at least twice wal-segment-bytes"),
                ("--log-bytes-max", "1", "must be at least 1 KiB"),
                ("--snapshot-chunk-bytes", "0", "must be 1 byte to 8 MiB"),
                ("--state-cache-bytes", "4096", "must be at least 64 KiB"),
                ("--disk-reserve-bytes", str(1 << 60), "must be at most 1 PiB"),
                ("--lease-ms", "2000", "must be at most nine tenths of election-timeout-ms"),
                ("--admin-listen", "10.0.0.1:8080", "give --admin-token-file"),
                ("--admin-token-file", self.children.write("short", "secret\n"), "16 octets at least"),
                ("--log-format", "xml", "is none of text, json"),
                ("--wal-segment-bytes", "-1", ""),
                ("--log-bytes-max", "lots", "")):
            code, text = self.refuse("--node-id", "n1", "--cluster-id", "real", "--data-dir", folder,
                                     "--peers", "n1=127.0.0.1:1", flag, value)
            self.assertEqual(code, 2, text)
            self.assertIn(flag.lstrip("-"), text)
            self.assertIn(said, text)
            self.assertFalse(os.path.exists(folder))


if __name__ == "__main__":
    require_programs("setpriv")
    main(failfast=False)

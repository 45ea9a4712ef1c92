"""Three `keelson serve` processes, and the requests that tests send them."""

import http.client
import json
import os
import signal
import time
from collections import namedtuple

from processes import free_ports, own_loopback_host, wait_until

LISTENERS = ("s3", "dynamodb", "sqs", "admin")
ELECTION_MS = 1000  # Stalls of half a second are common where many tests share a core.
HEARTBEAT_MS = 100
DRAIN_GRACE_MS = 800
DRAIN_TIMEOUT_MS = 5000

# What came back for a request, and when: `start` is before its first octet was sent, `end` after the
# last one was read, both of the one monotonic clock of this machine. Status None: there was no answer.
Answer = namedtuple("Answer", "node start end status headers body")


def request(address, method, path, body=None, headers=None, timeout=5.0, node=None):
    """One request on a connection of its own. Never raises for what a server or a network does."""
    start = time.monotonic()
    connection = http.client.HTTPConnection(address, timeout=timeout)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        content = response.read()
        return Answer(node, start, time.monotonic(), response.status, response.headers, content)
    except (OSError, http.client.HTTPException):
        return Answer(node, start, time.monotonic(), None, {}, b"")
    finally:
        connection.close()


def leader_path(listener):
    return "/admin/healthz/leader" if listener == "admin" else "/healthz/leader"


class Node:
    """One server: fixed addresses and data over any number of processes."""

    def __init__(self, name, addresses, prefix=()):
        self.name = name
        self.addresses = addresses  # Listener -> host:port, "raft" among them.
        self.prefix = list(prefix)  # What the command line begins with: entering a namespace.
        self.peers = None           # The nodes that --peers names; None: all of the cluster's.
        self.bootstraps = True
        self.process = None

    def __repr__(self):
        return self.name

    def request(self, listener, method, path, **options):
        return request(self.addresses[listener], method, path, node=self.name, **options)

    def probe_leader(self, listener="s3", timeout=2.0):
        return self.request(listener, "GET", leader_path(listener), timeout=timeout)

    def group(self, timeout=2.0):
        """What the node says of its default group, or None."""
        answer = self.request("admin", "GET", "/admin/api/v1/cluster", timeout=timeout)
        return json.loads(answer.body)["groups"][0] if answer.status == 200 else None


class Cluster:
    """The servers of one test. `children` ends them; their data is told apart by `name`."""

    def __init__(self, children, binary, nodes=None, arguments=(), name="data", cluster_id="real"):
        self.children = children
        self.binary = binary
        self.nodes = nodes or loopback_nodes(3)
        self.arguments = list(arguments)
        self.name = name
        self.cluster_id = cluster_id

    def start(self):
        for node in self.nodes:
            self.start_node(node)
        for node in self.nodes:
            self.wait_served(node)

    def data_directory(self, node):
        return os.path.join(self.children.folder, f"{self.name}-{node.name}")

    def secret_file(self):
        path = os.path.join(self.children.folder, f"{self.name}-secret")
        if not os.path.exists(path):
            with open(path, "w") as file:
                file.write("a secret of sixteen octets and more\n")
        return path

    def start_node(self, node, log_name=None):
        """Always with the same command line: --bootstrap founds no second cluster."""
        peers = ",".join(f"{each.name}={each.addresses['raft']}" for each in node.peers or self.nodes)
        command = [
            self.binary, "serve", "--node-id", node.name, "--cluster-id", self.cluster_id,
            *(["--bootstrap"] if node.bootstraps else []),
            "--data-dir", self.data_directory(node),
            "--peers", peers, "--raft-listen", node.addresses["raft"],
            "--election-timeout-ms", str(ELECTION_MS), "--heartbeat-ms", str(HEARTBEAT_MS),
            "--peer-secret-file", self.secret_file(),
            "--drain-grace-ms", str(DRAIN_GRACE_MS), "--drain-timeout-ms", str(DRAIN_TIMEOUT_MS),
        ]
        for listener in LISTENERS:
            command += [f"--{listener}-listen", node.addresses[listener]]
        node.process = self.children.start(log_name or node.name,
                                           node.prefix + command + self.arguments)

    def wait_served(self, node, seconds=20):
        def served():
            if node.process.poll() is not None:
                raise AssertionError(f"{node} ended with {node.process.returncode} at its start")
            return node.request("s3", "GET", "/healthz", timeout=1.0).status == 200
        wait_until(f"{node} serves", served, seconds)

    def others(self, *nodes):
        return [node for node in self.nodes if node not in nodes]

    def wait_settled(self, seconds=30):
        """Waits until one node says yes, all others no, and every node is ready; returns the one."""
        def settled():
            answers = [node.probe_leader() for node in self.nodes]
            ready = [n.request("s3", "GET", "/healthz/ready", timeout=2.0).status for n in self.nodes]
            green = [n for n, answer in zip(self.nodes, answers) if answer.status == 200]
            red = [n for n, answer in zip(self.nodes, answers) if answer.status == 503]
            is_settled = len(green) == 1 and len(red) == len(self.nodes) - 1
            return green[0] if is_settled and all(status == 200 for status in ready) else None
        return wait_until("one leader, and every node ready", settled, seconds, pause=0.05)

    def kill(self, *nodes):
        for node in nodes:
            node.process.send_signal(signal.SIGKILL)
        for node in nodes:
            node.process.wait()

    def create_bucket(self, name, seconds=20):
        def created():
            return any(n.request("s3", "PUT", "/" + name).status == 200 for n in self.nodes)
        wait_until(f"bucket {name} is created", created, seconds)


def loopback_nodes(count):
    host = own_loopback_host()
    ports = free_ports(host, count * (len(LISTENERS) + 1))
    names = LISTENERS + ("raft",)
    return [Node(f"n{i + 1}", {name: f"{host}:{ports[i * len(names) + j]}"
                               for j, name in enumerate(names)})
            for i in range(count)]

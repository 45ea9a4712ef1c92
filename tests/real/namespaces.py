"""Three machines in network namespaces, a switch between them, and knives for its cables.

    this program's own namespace:   bridge "switch" -- to-n1, to-n2, to-n3      10.77.0.0/24, raft
                                    client-n1, client-n2, client-n3             10.77.i.0/24, the rest
    the namespace of node i:        peers (10.77.0.i), clients (10.77.i.2)

So a node can be cut off from its peers while its clients still reach it. All namespaces are
anonymous: they end with the last process in them, and nothing of them is seen on the machine or left
behind. The program first moves itself into one (reenter_in_namespace), which needs CAP_SYS_ADMIN
or unprivileged user namespaces.
"""

import os
import subprocess
import sys

from cluster import LISTENERS, Node
from processes import find_program, skip, wait_until

INSIDE = "KEELSON_TEST_IN_NAMESPACE"
RAFT_PORT = 7000  # In namespaces of our own every port is free.
CLIENT_PORTS = {name: 9000 + i for i, name in enumerate(LISTENERS)}


def run(*command, enter=()):
    """A command of the system that has to succeed."""
    whole = [*enter, find_program(command[0]), *command[1:]]
    done = subprocess.run(whole, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(whole)}: {done.stdout.strip()}")
    return done.stdout


def reenter_in_namespace():
    """Starts the program anew in a network namespace of its own, or skips the test."""
    if os.environ.get(INSIDE):
        return
    unshare = find_program("unshare")
    for how in (["--net"], ["--user", "--map-root-user", "--net"]):
        tried = subprocess.run([unshare, *how, find_program("ip"), "link", "set", "lo", "up"],
                               stderr=subprocess.PIPE, text=True, check=False)
        if tried.returncode == 0:
            os.environ[INSIDE] = "1"
            os.execv(unshare, [unshare, *how, sys.executable, "-B", *sys.argv])
    skip(f"network namespaces are not permitted here: {tried.stderr.strip()}")


def require_kernel_support():
    """Skips the test if the kernel lacks what the cables and knives are made of."""
    try:
        run("ip", "link", "add", "trial-a", "type", "veth", "peer", "name", "trial-b")
        run("ip", "link", "add", "trial-c", "type", "bridge")
        run("ip", "link", "delete", "trial-a")
        run("ip", "link", "delete", "trial-c")
        run("nft", "add", "table", "inet", "trial")
        run("nft", "add", "chain", "inet", "trial", "in", "{ type filter hook input priority 0; }")
        run("nft", "add", "rule", "inet", "trial", "in", "iifname", "trial-a", "counter", "drop")
        run("nft", "delete", "table", "inet", "trial")
    except RuntimeError as error:
        skip(f"virtual links or packet filters are not permitted here: {error}")


class Fabric:
    """The namespaces of `count` nodes and their cables. REQUIRES: reenter_in_namespace() was called."""

    def __init__(self, children, count):
        self._children = children
        self._holders = {}  # Node -> the process that keeps its namespace.
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "switch", "type", "bridge")
        run("ip", "link", "set", "switch", "up")
        self.nodes = [self._add_node(i) for i in range(1, count + 1)]

    def _add_node(self, i):
        name = f"n{i}"
        # cat ends with its input: with this program, whatever becomes of it.
        holder = self._children.start(f"namespace-{name}", ["unshare", "--net", "cat"], stdin=subprocess.PIPE)
        ours = os.readlink("/proc/self/ns/net")
        wait_until(f"{name} has a namespace", lambda: os.readlink(f"/proc/{holder.pid}/ns/net") != ours, 10)
        self._holders[name] = holder
        self._cable(f"to-{name}", "peers", name, f"10.77.0.{i}/24")
        run("ip", "link", "set", f"to-{name}", "master", "switch")
        self._cable(f"client-{name}", "clients", name, f"10.77.{i}.2/24")
        run("ip", "address", "add", f"10.77.{i}.1/24", "dev", f"client-{name}")
        addresses = {listener: f"10.77.{i}.2:{port}" for listener, port in CLIENT_PORTS.items()}
        return Node(name, {**addresses, "raft": f"10.77.0.{i}:{RAFT_PORT}"}, prefix=self._enter(name))

    def _cable(self, here, there, name, address):
        pid = str(self._holders[name].pid)
        run("ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", pid)
        run("ip", "link", "set", here, "up")
        for command in (["ip", "link", "set", "lo", "up"], ["ip", "link", "set", there, "up"],
                        ["ip", "address", "add", address, "dev", there]):
            run(*command, enter=self._enter(name))

    def _enter(self, name):
        return [find_program("nsenter"), "--net", "--target", str(self._holders[name].pid)]

    def pull_cable(self, node):
        """Nothing from or to the node's peers passes any more."""
        run("ip", "link", "set", f"to-{node.name}", "down")

    def drop(self, node, direction):
        """Drops what the node would hear from its peers ("in") or what it says to them ("out")."""
        hook, interface = {"in": ("input", "iifname"), "out": ("output", "oifname")}[direction]
        enter = self._enter(node.name)
        run("nft", "add", "table", "inet", "cut", enter=enter)
        run("nft", "add", "chain", "inet", "cut", direction,
            f"{{ type filter hook {hook} priority 0; }}", enter=enter)
        run("nft", "add", "rule", "inet", "cut", direction, interface, "peers", "counter", "drop", enter=enter)

    def dropped(self, node):
        """How many packets its rules have dropped."""
        words = run("nft", "list", "table", "inet", "cut", enter=self._enter(node.name)).split()
        return sum(int(words[i + 1]) for i, word in enumerate(words) if word == "packets")

    def heal(self, node):
        run("ip", "link", "set", f"to-{node.name}", "up")
        subprocess.run([*self._enter(node.name), find_program("nft"), "delete", "table", "inet", "cut"],
                       stderr=subprocess.DEVNULL, check=False)  # There may be none.

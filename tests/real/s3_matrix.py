#!/usr/bin/env python3
"""A table of S3 clients x operations x the kind of node they speak to; every cell must be green.

usage: s3_matrix.py KEELSON-PROGRAM [--clients aws,boto3,s3cmd] [--kinds leader,follower,haproxy,killed]
                    [--only SUBSTRING] [--aws PROGRAM]

Each cell runs one operation of one client and compares what it finds afterwards with what it sent.
"killed": the leader is killed when the operation begins and the client speaks to a node that
survives; it may try as often as it is configured to, the outcome must be right in the end.
Prints the table as Markdown, and what went wrong in the cells that are not green. Exit code 1 if there are any;
77 if all are, but a client that was asked for is not installed.
"""

import argparse
import os
import subprocess
import sys
import traceback

from cluster import Cluster
from processes import SKIPPED, Children, free_ports, own_loopback_host
from s3_client import CREDENTIALS, REGION, Failed
from s3_clients import CLIENTS

HAPROXY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "balancers", "haproxy.cfg")
KINDS = ("leader", "follower", "haproxy", "killed")


class Matrix:
    """The cluster, and the cells of the table."""

    def __init__(self, children, binary, options):
        self.children = children
        self.options = options
        credentials = children.write("credentials.toml", CREDENTIALS)
        self.cluster = Cluster(children, binary, arguments=["--credentials", credentials, "--region", REGION])
        self.cluster.start()
        self.cluster.wait_settled()
        self.balancer = self.start_balancer() if "haproxy" in options.kinds else None
        self.failures = []

    def start_balancer(self):
        host = own_loopback_host()
        address = f"{host}:{free_ports(host, 1)[0]}"
        environment = {f"KEELSON_S3_{node.name.upper()}": node.addresses["s3"] for node in self.cluster.nodes}
        self.children.start("haproxy", ["haproxy", "-db", "-f", os.path.abspath(HAPROXY)],
                            {**environment, "KEELSON_LISTEN": address})
        return address

    def address(self, kind, leader):
        if kind == "haproxy":
            return self.balancer
        node = leader if kind == "leader" else self.cluster.others(leader)[0]
        return node.addresses["s3"]

    def run_cell(self, make_client, kind, operation):
        leader = self.cluster.wait_settled()
        client = make_client(self.children.folder, self.address(kind, leader), self.options)
        client.has_disturbance = kind == "killed"
        try:
            client.prepare(kind, operation)
            if kind == "killed":
                self.cluster.kill(leader)
            getattr(client, operation)()
            return "ok"
        except (Failed, subprocess.TimeoutExpired, OSError, KeyError, AssertionError) as failure:
            trace = traceback.format_exc() if not isinstance(failure, Failed) else str(failure)
            self.failures.append(f"### {client.name} {operation} at {kind}\n\n{trace}")
            return "**FAILED**"
        finally:
            if kind == "killed":
                self.cluster.start_node(leader)
                self.cluster.wait_served(leader)

    def run_client(self, name):
        """The rows of one client, printed as they come."""
        make_client = CLIENTS[name]
        kinds = self.options.kinds
        print(f"\n| {name} | " + " | ".join(kinds) + " |\n|---|" + "---|" * len(kinds), flush=True)
        operations = [each for each in vars(make_client) if each.startswith("op_") and self.options.only in each]
        for operation in operations:
            cells = [self.run_cell(make_client, kind, operation) for kind in kinds]
            print(f"| {operation[3:].replace('_', ' ')} | " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = lambda text: text.split(",")
    parser.add_argument("binary")
    parser.add_argument("--clients", type=names, default=list(CLIENTS))
    parser.add_argument("--kinds", type=names, default=list(KINDS))
    parser.add_argument("--only", default="", help="only operations whose names contain this")
    parser.add_argument("--aws", default="aws", help="which AWS CLI")
    options = parser.parse_args()
    children = Children()
    try:
        missing = [name for name in options.clients if not CLIENTS[name].is_installed(options)]
        for name in missing:
            print(f"{name} is not installed")
        matrix = Matrix(children, os.path.abspath(options.binary), options)
        for name in options.clients:
            if name not in missing:
                matrix.run_client(name)
        print("", *matrix.failures, sep="\n")
        if matrix.failures:
            return 1
        return SKIPPED if missing else 0
    finally:
        children.stop()


if __name__ == "__main__":
    sys.exit(main())

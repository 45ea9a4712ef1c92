#!/usr/bin/env python3
"""A multipart upload of any size, through a follower: no node's memory depends on how large it is.

usage: s3_large.py KEELSON-PROGRAM [--bytes 5GiB] [--clients 2] [--limit 512MiB]

Uploads by boto3 in parts of 64 MiB, each of which is made while it is sent; samples what every node has resident (VmRSS)
until the object has been read back and its digest compared; and fails if one had more than --limit at any time. That
limit is the same however many octets there are. The disk needs some seven times the object: three nodes, each with its
log and its state, until the log is compacted. Exit code 77: boto3 is not installed.
"""

import argparse
import hashlib
import os
import signal
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from cluster import Cluster
from processes import Children, skip
from s3_client import ACCESS_KEY, CREDENTIALS, REGION, SECRET_KEY

MIB = 1 << 20
PART = 64 * MIB
BLOCK = 1 << 18
UNITS = {"KiB": 1 << 10, "MiB": MIB, "GiB": 1 << 30}


def octets(text):
    for unit, factor in UNITS.items():
        if text.endswith(unit):
            return int(text[:-len(unit)]) * factor
    return int(text)


def block(part, number):
    """The octets of a part from BLOCK * number on: cheap to make, and different everywhere."""
    head = b"%08d %08d " % (part, number)
    return (head + hashlib.sha256(head).digest()) * (BLOCK // 50 + 1)


class PartBody:
    """A part as a file that boto3 may read and rewind."""

    def __init__(self, part, size):
        self.part, self.size, self.at = part, size, 0

    def __len__(self):
        return self.size

    def tell(self):
        return self.at

    def seek(self, offset, whence=os.SEEK_SET):
        self.at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self.at, os.SEEK_END: self.size}[whence]
        return self.at

    def read(self, count=-1):
        left = self.size - self.at
        count = left if count is None or count < 0 else min(count, left)
        found = bytearray()
        while len(found) < count:
            number, within = divmod(self.at, BLOCK)
            piece = block(self.part, number)[within:BLOCK][:count - len(found)]
            found += piece
            self.at += len(piece)
        return bytes(found)


class Memory(threading.Thread):
    """Samples what each node has resident, and keeps the most."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.pids = {node.name: node.process.pid for node in cluster.nodes}
        self.most = dict.fromkeys(self.pids, 0)
        self.is_over = threading.Event()
        self.start()

    def now(self, name):
        with open(f"/proc/{self.pids[name]}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:"))

    def run(self):
        while not self.is_over.wait(0.2):
            for name in self.pids:
                self.most[name] = max(self.most[name], self.now(name))

    def told(self):
        return ", ".join(f"{name} {most // MIB}" for name, most in self.most.items())


class Upload:
    def __init__(self, address, options):
        import boto3
        import botocore.config
        config = botocore.config.Config(retries={"max_attempts": 5, "mode": "standard"}, read_timeout=300,
                                        max_pool_connections=options.clients, proxies={},
                                        s3={"addressing_style": "path", "payload_signing_enabled": False})
        self.s3 = boto3.client("s3", endpoint_url=f"http://{address}", region_name=REGION, config=config,
                               aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY)
        self.options = options
        self.names = {"Bucket": "large", "Key": "object"}
        self.parts = -(-options.bytes // PART)
        self.done = 0

    def body(self, part):
        return PartBody(part, min(PART, self.options.bytes - (part - 1) * PART))

    def put_part(self, upload, part, memory):
        etag = self.s3.upload_part(**self.names, UploadId=upload, PartNumber=part, Body=self.body(part))["ETag"]
        self.done += 1
        say(f"{self.done} of {self.parts} parts; at most resident so far: {memory.told()} MiB")
        return {"PartNumber": part, "ETag": etag}

    def put(self, memory):
        self.s3.create_bucket(Bucket="large", CreateBucketConfiguration={"LocationConstraint": REGION})
        upload = self.s3.create_multipart_upload(**self.names)["UploadId"]
        with ThreadPoolExecutor(self.options.clients) as pool:
            parts = list(pool.map(lambda part: self.put_part(upload, part, memory), range(1, self.parts + 1)))
        return self.s3.complete_multipart_upload(**self.names, UploadId=upload, MultipartUpload={"Parts": parts})

    def wanted_digest(self):
        digest = hashlib.sha256()
        for part in range(1, self.parts + 1):
            body = self.body(part)
            while piece := body.read(BLOCK):
                digest.update(piece)
        return digest.hexdigest()

    def found_digest(self):
        digest, size = hashlib.sha256(), 0
        for piece in self.s3.get_object(**self.names)["Body"].iter_chunks(BLOCK):
            digest.update(piece)
            size += len(piece)
        return digest.hexdigest(), size


def say(text):
    print(text, flush=True)


def tell(cluster, options):
    memory = Memory(cluster)
    leader = cluster.wait_settled()
    upload = Upload(cluster.others(leader)[0].addresses["s3"], options)
    start = time.monotonic()
    etag = upload.put(memory)["ETag"].strip('"')
    seconds = time.monotonic() - start
    say(f"uploaded {options.bytes / MIB:.0f} MiB in {seconds:.0f} s, {options.bytes / MIB / seconds:.1f} MiB/s")
    start = time.monotonic()
    found, size = upload.found_digest()
    seconds = time.monotonic() - start
    say(f"read back in {seconds:.0f} s, {options.bytes / MIB / seconds:.1f} MiB/s")
    wrong = []
    if size != options.bytes or found != upload.wanted_digest():
        wrong.append(f"{size} octets came back, not the {options.bytes} that were sent")
    if not etag.endswith(f"-{upload.parts}"):
        wrong.append(f"its ETag is {etag}")
    memory.is_over.set()
    memory.join()
    say(f"resident at most: {memory.told()} MiB; at the end: "
        + ", ".join(f"{name} {memory.now(name) // MIB}" for name in memory.pids))
    wrong += [f"{name} had {most // MIB} MiB resident, more than {options.limit // MIB}"
              for name, most in memory.most.items() if most > options.limit]
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--bytes", type=octets, default=octets("5GiB"), help="4096, 256MiB, 5GiB")
    parser.add_argument("--clients", type=int, default=2, help="parts under way at once")
    parser.add_argument("--limit", type=octets, default=octets("512MiB"), help="what each node may have resident")
    parser.add_argument("--dir", help="where the data goes")
    options = parser.parse_args()
    try:
        import boto3  # pylint: disable=unused-import
    except ImportError:
        skip("boto3 is not installed (tools/setup --all)")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # So that what was started is ended.
    if options.dir:
        tempfile.tempdir = os.path.abspath(options.dir)
    children = Children()
    wrong = ["it did not come to its end"]
    try:
        credentials = children.write("credentials.toml", CREDENTIALS)
        cluster = Cluster(children, os.path.abspath(options.binary),
                          arguments=["--credentials", credentials, "--region", REGION])
        cluster.start()
        wrong = tell(cluster, options)
    finally:
        if wrong:
            children.print_logs()
        children.stop()
    for each in wrong:
        say(f"WRONG: {each}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""The same story told to three Keelson nodes and to another S3 server: their answers must be the same.

usage: s3_differential.py KEELSON-PROGRAM [--steps 400] [--seed 1] [--peers s3rver,fauxqs] [--keep-going] [--trace]

Requests are drawn from the seed (s3_story.py) and sent by boto3; each goes to one of Keelson's nodes, drawn too, and to
the peer. Status, error code, body, ETag, headers and listings are compared. Where they differ, and the difference is not
one of KNOWN below, the test fails and prints the request, both answers, and the command that repeats it. Each peer has a
story of its own, of what it can do; neither has conditions on writes, nor lists uploads or parts. Exit code 77: no peer is installed (tools/setup --bench), or boto3 is not.
"""

import argparse
import os
import random
import signal
import sys
from collections import Counter, namedtuple

import s3_peers
from cluster import Cluster
from processes import Children, skip
from s3_client import ACCESS_KEY, CREDENTIALS, REGION, SECRET_KEY
from s3_story import Story, normal

# What each can do beyond the rest.
PEERS = {
    "s3rver": {"conditions of heads", "tags", "empty bodies", "refuses copies to itself"},
    "fauxqs": {"all conditions", "keys that begin others", "odd sources", "multipart", "ranges", "pages",
               "delimiters", "copies with new metadata"},
}

# A difference that is the peer's fault (None: of either): its `matches(request, ours, theirs)` says which, and `reason`
# what the API reference has. It may not change what is stored: the story would part there.
Known = namedtuple("Known", "peer reason matches")
KNOWN = [
    Known(None, "what begins before the marker, a common prefix too, is not listed after it",
          lambda request, ours, theirs: request.operation == "list_objects" and "/" in request.arguments.get("Marker", "")
          and "Delimiter" in request.arguments and ours.get("Contents") == theirs.get("Contents")),
    Known(None, "of a common prefix that begins before StartAfter what is behind it is listed",
          lambda request, ours, theirs: request.operation == "list_objects_v2" and "Delimiter" in request.arguments
          and "/" in request.arguments.get("StartAfter", "") and ours["status"] == theirs["status"]),
    Known(None, "a copy of what is not there to itself has two faults; which is named first is not said",
          lambda request, ours, theirs: request.operation == "copy_object" and ours.get("code") == "InvalidRequest"
          and theirs.get("code") == "NoSuchKey"),
    Known("s3rver", "CreateBucket of a bucket of one's own is BucketAlreadyOwnedByYou",
          lambda request, ours, theirs: (ours.get("code"), theirs.get("code")) ==
          ("BucketAlreadyOwnedByYou", "BucketAlreadyExists")),
    Known("s3rver", "DeleteObjects in quiet mode lists errors only",
          lambda request, ours, theirs: request.operation == "delete_objects" and request.arguments["Delete"]["Quiet"]
          and {**theirs, "Deleted": []} == ours),
    Known("s3rver", "what is asked of a key that is not there is NoSuchKey",
          lambda request, ours, theirs: ours.get("code") == "NoSuchKey" and theirs == {"status": 404, "code": "404"}),
    Known("s3rver", "CopyObject of a key that is not there is NoSuchKey",
          lambda request, ours, theirs: request.operation == "copy_object" and ours.get("code") == "NoSuchKey"
          and theirs.get("code") == "NoSuchBucket"),
    Known("s3rver", "GetObject has x-amz-tagging-count",
          lambda request, ours, theirs: "TagCount" in ours
          and {name: value for name, value in ours.items() if name != "TagCount"} == theirs),
    Known("s3rver", "tags end with the object that they are of",
          lambda request, ours, theirs: request.operation == "get_object_tagging" and ours.get("TagSet") == []
          and theirs["status"] == 200),
    Known("s3rver", "KeyCount counts CommonPrefixes, too",
          lambda request, ours, theirs: request.operation == "list_objects_v2"
          and {**ours, "KeyCount": len(ours.get("Contents", []))} == theirs),
    Known("fauxqs", "CompleteMultipartUpload that is asked again is answered as the first time, if its list is right",
          lambda request, ours, theirs: request.operation == "complete_multipart_upload" and ours["status"] in (200, 400)
          and theirs.get("code") == "NoSuchUpload"),
    Known("fauxqs", "a suffix that is longer than the object is all of it",
          lambda request, ours, theirs: request.arguments.get("Range", "").startswith("bytes=-")
          and ours["status"] == 206 and theirs.get("code") == "InvalidRange"),
    Known("fauxqs", "CreateBucket of a bucket of one's own is refused outside us-east-1",
          lambda request, ours, theirs: ours.get("code") == "BucketAlreadyOwnedByYou" and theirs == {"status": 200}),
    Known("fauxqs", "what has no Content-Type is binary/octet-stream",
          lambda request, ours, theirs: ours.get("ContentType") == "binary/octet-stream"
          and {**theirs, "ContentType": "binary/octet-stream"} == ours
          and theirs["ContentType"] == "application/octet-stream"),
]


class Server:
    """boto3 at one or more addresses of one store."""

    def __init__(self, addresses, credentials=(ACCESS_KEY, SECRET_KEY)):
        import boto3
        import botocore.config
        import botocore.exceptions
        self.error = botocore.exceptions.ClientError
        config = botocore.config.Config(retries={"max_attempts": 1}, connect_timeout=5, read_timeout=60,
                                        s3={"addressing_style": "path"}, proxies={})
        self.clients = [boto3.client("s3", endpoint_url=f"http://{address}", region_name=REGION, config=config,
                                     aws_access_key_id=credentials[0], aws_secret_access_key=credentials[1])
                        for address in addresses]
        self.upload_ids = {}

    def ask(self, request, turn):
        client = self.clients[turn % len(self.clients)]
        arguments = dict(request.arguments)
        if request.operation == "create_bucket":
            arguments["CreateBucketConfiguration"] = {"LocationConstraint": REGION}
        if request.upload is not None and request.operation != "create_multipart_upload":
            arguments["UploadId"] = self.upload_ids.get(request.upload, "none")
        try:
            answer = getattr(client, request.operation)(**arguments)
        except self.error as refusal:
            return {"status": refusal.response["ResponseMetadata"]["HTTPStatusCode"],
                    "code": refusal.response["Error"]["Code"]}
        if request.operation == "create_multipart_upload":
            self.upload_ids[request.upload] = answer["UploadId"]
        return normal(request.operation, answer)


def known_difference(peer, request, ours, theirs):
    return next((each for each in KNOWN if each.peer in (None, peer) and each.matches(request, ours, theirs)), None)


def tell(peer, keelson, other, options):
    """How many unexplained differences there are."""
    draws = random.Random(f"{options.seed} {peer}")
    story = Story(draws, "story", PEERS[peer])
    told, seen, unexplained = Counter(), Counter(), 0
    for step in range(options.steps):
        request, turn = story.next(), draws.randrange(3)
        ours, theirs = keelson.ask(request, turn), other.ask(request, 0)
        story.heard(request, ours)
        told[ours["status"]] += 1
        if options.trace:
            print(f"{step}: {request}\n  {ours}", flush=True)
        if ours == theirs:
            continue
        known = known_difference(peer, request, ours, theirs)
        if known:
            seen[known.reason] += 1
            continue
        unexplained += 1
        print(f"DIFFERENT at step {step}: {request}\n  Keelson: {ours}\n  {peer}: {theirs}\n"
              f"  again: {os.path.basename(__file__)} {options.binary} --peers {peer} --seed {options.seed} "
              f"--steps {step + 1}", flush=True)
        if not options.keep_going:
            break
    print(f"{peer}: {sum(told.values())} requests, by status {dict(sorted(told.items()))}; {unexplained} differences")
    for reason, count in seen.items():
        print(f"  {count} times known: {reason}", flush=True)
    return unexplained


def main():
    names = lambda text: text.split(",")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--peers", type=names, default=list(PEERS))
    parser.add_argument("--trace", action="store_true", help="print every request and Keelson's answer")
    parser.add_argument("--keep-going", action="store_true", help="go on after a difference")
    options = parser.parse_args()
    try:
        import boto3  # pylint: disable=unused-import
    except ImportError:
        skip("boto3 is not installed (tools/setup --all)")
    peers = [name for name in options.peers if s3_peers.is_installed(name)]
    if not peers:
        skip(f"not installed: {', '.join(options.peers)} ({s3_peers.HOW_TO_INSTALL})")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # So that what was started is ended.
    children = Children()
    try:
        credentials = children.write("credentials.toml", CREDENTIALS)
        differences = 0
        for name in peers:
            cluster = Cluster(children, os.path.abspath(options.binary), name=name,
                              arguments=["--credentials", credentials, "--region", REGION])
            cluster.start()
            cluster.wait_settled()
            keelson = Server([node.addresses["s3"] for node in cluster.nodes])
            differences += tell(name, keelson, Server([s3_peers.Peer(children, name).address]), options)
            cluster.kill(*cluster.nodes)
        return 1 if differences else 0
    finally:
        children.stop()


if __name__ == "__main__":
    sys.exit(main())

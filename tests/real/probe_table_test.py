#!/usr/bin/env python3
"""Every row of the probes' contract, asked by curl of every listener of a leader and a follower.

The leader may change under a busy machine, so a pass over the table counts only if leader and term
are the same before and after it; else it is repeated.
"""

import os
import subprocess
import tempfile
from collections import namedtuple

from cluster import LISTENERS, Cluster
from processes import RealTest, find_program, main, require_programs, wait_until

NOT_FOUND = '{"error":"not_found"}'
WRONG_METHOD = '{"error":"method_not_allowed","message":"only GET or HEAD supported"}'
TEXT = "text/plain; charset=utf-8"
JSON = "application/json; charset=utf-8"
PASSES = 5

# head: the status line and the fields as they were sent, without Date; fields: by lower-case name.
Reply = namedtuple("Reply", "status fields body head")


def curl_all(questions):
    """[(address, target, options...)] -> replies, by one curl for all.

    A target goes out as it is: curl would tidy up the path of a URL.
    """
    def quoted(text):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    with tempfile.TemporaryDirectory() as folder:
        transfers = []
        for i, (address, target, options, *_) in enumerate(questions):
            lines = ["include", "path-as-is", "max-time = 10", f"url = {quoted(f'http://{address}/')}",
                     f"request-target = {quoted(target)}", f"output = {quoted(os.path.join(folder, str(i)))}"]
            for option in options:
                lines.append(option[2:] if option.startswith("--") else f"{lines.pop()} = {quoted(option)}")
            transfers.append("\n".join(lines))
        done = subprocess.run(
            [find_program("curl"), "--silent", "--show-error", "--fail-early", "--config", "-"],
            input="\nnext\n".join(transfers).encode(), stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            raise AssertionError(f"curl: {done.stderr.decode()}")
        replies = []
        for i in range(len(questions)):
            with open(os.path.join(folder, str(i)), "rb") as file:
                replies.append(to_reply(file.read().decode()))
        return replies


def curl(address, target, *options):
    return curl_all([(address, target, options)])[0]


def to_reply(text):
    head, _, body = text.partition("\r\n\r\n")
    lines = [line for line in head.split("\r\n") if not line.startswith("Date: ")]
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    return Reply(int(lines[0].split()[1]), fields, body, "\r\n".join(lines))


def odd_spellings(base):
    """Targets below a probe, or nearly one, that are no probe."""
    leader = base + "/leader"
    upper = leader[:1] + leader[1].upper() + leader[2:]
    return [
        base + "/", base + "//", leader + "/", leader + "//", base + "/x", leader + "/x", base + "//leader",
        "/" + leader, "//" + leader, base + "/./leader", base + "/../x", leader + "/..", leader + "/.",
        leader + "/../../x", "/." + leader, "/x/.." + leader, "/.." + leader, base + "/x/../leader",
        base + "/%2e%2e/x", base + "/%2e/leader", base + "%2Fleader", base + "%2fleader", base + "%5cleader",
        base + "/%6ceader", base + "/le%61der", base + "/%256ceader", base + "/leade%72?x=1", base + "/%",
        base + "/%zz", base + "/%00", leader + "%00", leader + "%20", leader + "%23", leader + "%3f",
        base + ";v=1", base + ";v=1/leader", base + "\\leader", upper, base + "/LEADER",
        leader + "/?x=1", f"http://any.host{leader}/", f"http://any.host{base}/%6ceader",
        f"http://any.host/{leader}",
    ]


class ProbeTable(RealTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cluster = Cluster(cls.children, cls.binary)
        cls.cluster.start()

    def while_leadership_stands_still(self, check):
        """Calls check(leader, follower, term), again if the leader changed meanwhile."""
        for _ in range(PASSES):
            leader = self.cluster.wait_settled()
            before = leader.group()
            follower = self.cluster.others(leader)[0]
            wait_until("the follower is in the leader's term",
                       lambda: (follower.group() or {}).get("term") == before["term"], 10)
            try:
                check(leader, follower, before["term"])
            except AssertionError:
                if leader.group() == before:
                    raise
                continue
            after = leader.group()
            if (after["term"], after["leader_id"]) == (before["term"], before["leader_id"]):
                return
        self.fail(f"no leader stayed for one of {PASSES} passes over the table")

    def expect(self, reply, status, body, content_type, name):
        self.assertEqual((reply.status, reply.body), (status, body), name)
        self.assertEqual(reply.fields.get("content-type"), content_type, name)
        self.assertEqual(reply.fields.get("cache-control"), "no-store", name)
        self.assertEqual(reply.fields.get("content-length"), str(len(body)), name)
        if content_type == JSON:
            self.assertEqual(reply.fields.get("x-content-type-options"), "nosniff", name)

    def expect_red(self, reply, body, leader, term, name):
        self.expect(reply, 503, body, TEXT, name)
        self.assertEqual(reply.fields.get("retry-after"), "1", name)
        self.assertEqual(reply.fields.get("x-keelson-leader-hint"), leader.name, name)
        self.assertEqual(reply.fields.get("x-keelson-term"), str(term), name)

    @staticmethod
    def probes_of(listener):
        """Path -> what it asks, of a listener."""
        base = "/admin/healthz" if listener == "admin" else "/healthz"
        probes = {base: "liveness", base + "/leader": "leader", base + "/ready": "ready"}
        if listener == "sqs":
            probes.update({"/sqs_health": "liveness", "/sqs_leader_health": "leader"})
        return base, probes

    def test_answers_to_get_and_head_and_queries_and_absolute_targets(self):
        def check(leader, follower, term):
            questions = []
            for node in (leader, follower):
                for listener in LISTENERS:
                    for path, kind in self.probes_of(listener)[1].items():
                        for target in (path, path + "?", path + "?x=/../index", "http://any.host:1" + path):
                            questions.append((node.addresses[listener], target, (), node, kind))
                        questions.append((node.addresses[listener], path, ("--head",), node, kind))
                        questions.append((node.addresses[listener], path, ("--http1.0",), node, kind))
            replies = curl_all(questions)
            for (_, target, options, node, kind), reply in zip(questions, replies):
                name = f"{options} {target} of {node}"
                if "--head" in options:  # All but the body, whose length is told.
                    self.assertEqual(reply.body, "", name)
                    body = {"4": "", "3": "ok\n", "11": "not leader\n"}[reply.fields["content-length"]]
                    reply = reply._replace(body=body)
                if kind == "leader" and node is follower:
                    self.expect_red(reply, "not leader\n", leader, term, name)
                else:
                    self.expect(reply, 200, "ok\n", TEXT, name)
        self.while_leadership_stands_still(check)

    def test_other_methods_are_refused(self):
        def check(leader, follower, _):
            questions = [
                (node.addresses[listener], path, ("--request", method, *body))
                for node in (leader, follower) for listener in LISTENERS
                for path in self.probes_of(listener)[1]
                for method, *body in [("POST", "--data", "x"), ("PUT",), ("DELETE",), ("OPTIONS",)]
            ]
            for question, reply in zip(questions, curl_all(questions)):
                self.expect(reply, 405, WRONG_METHOD, JSON, question)
                self.assertEqual(reply.fields.get("allow"), "GET, HEAD", question)
        self.while_leadership_stands_still(check)

    def test_other_spellings_are_not_found(self):
        def check(leader, _, __):
            questions = []
            for listener in LISTENERS:
                base, probes = self.probes_of(listener)
                targets = odd_spellings(base)
                for path in probes:
                    if path.startswith("/sqs"):
                        targets += [path + "/", path + "/x", "/" + path, path + "%2f", path.upper()]
                questions += [(leader.addresses[listener], target, ()) for target in targets]
                questions.append((leader.addresses[listener], base + "/x", ("--request", "POST", "--data", "x")))
            for question, reply in zip(questions, curl_all(questions)):
                self.expect(reply, 404, NOT_FOUND, JSON, question)
        self.while_leadership_stands_still(check)

    def test_a_body_above_one_kibibyte_is_refused(self):
        body = self.children.write("body", "x" * 1025)
        fits = self.children.write("fits", "x" * 1024)

        def check(leader, _, __):
            for listener in LISTENERS:
                address, base = leader.addresses[listener], self.probes_of(listener)[0]
                for chunked in ((), ("--header", "Transfer-Encoding: chunked")):
                    reply = curl(address, base + "/leader", "--request", "GET", "--data-binary", "@" + body, *chunked)
                    self.assertEqual(reply.status, 413, (listener, chunked))
                    self.assertEqual(reply.fields.get("content-type"), JSON, (listener, chunked))
                    reply = curl(address, base + "/leader", "--request", "GET", "--data-binary", "@" + fits, *chunked)
                    self.expect(reply, 200, "ok\n", TEXT, (listener, chunked))
        self.while_leadership_stands_still(check)

    def test_listeners_answer_alike_to_the_byte(self):
        def check(leader, follower, _):
            for node in (leader, follower):
                for rest in ("", "/leader", "/ready", "/", "/x"):
                    for options in ((), ("--head",), ("--request", "POST")):
                        replies = curl_all([(node.addresses[listener], self.probes_of(listener)[0] + rest, options)
                                            for listener in LISTENERS])
                        self.assertEqual(len({(reply.head, reply.body) for reply in replies}), 1,
                                         f"{options} {rest} of {node}: {replies}")
        self.while_leadership_stands_still(check)

    def test_another_listeners_probe_path_is_never_yes(self):
        leader = self.cluster.wait_settled()
        questions = [(leader.addresses["admin"], target, ()) for target in
                     ("/healthz", "/healthz/leader", "/sqs_leader_health", "/", "/admin", "/admin/", "/admin/x")]
        questions += [(leader.addresses[listener], target, ()) for listener in ("s3", "dynamodb", "sqs")
                      for target in ("/admin/healthz", "/admin/healthz/leader")]
        questions += [(leader.addresses[listener], "/sqs_leader_health", ()) for listener in ("s3", "dynamodb")]
        for question, reply in zip(questions, curl_all(questions)):
            self.assertIn(reply.status, range(400, 600), question)

    def test_no_bucket_takes_the_name_of_the_probes(self):
        node = self.cluster.wait_settled()
        for target, options in (("/healthz", ()), ("/healthz/", ()), ("/", ("--header", "Host: healthz.localhost"))):
            reply = curl(node.addresses["s3"], target, "--request", "PUT", *options)
            self.assertIn(reply.status, range(400, 600), target)


if __name__ == "__main__":
    require_programs("curl", "setpriv")
    main(failfast=False)

#!/usr/bin/env python3
"""The judgement of durable_load.py itself: a store that loses or mixes up one object is found out."""

import http.server
import threading
import unittest

from cluster import Node
from durable_load import DurableLoad, Overwritten, md5
from processes import wait_until


class Store(http.server.ThreadingHTTPServer):
    """Objects in memory. `tamper(key, content)`, if set, says what a GET gives instead."""

    daemon_threads = True

    def __init__(self):
        self.objects = {}
        self.tamper = None
        self.refuses = False  # Carries a write out and says 503.
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.objects[self.path] = content
        self._answer(503 if self.server.refuses else 200, b"")

    def do_GET(self):
        content = self.server.objects.get(self.path)
        if self.server.tamper:
            content = self.server.tamper(self.path, content)
        self._answer(404 if content is None else 200, content or b"")

    def _answer(self, status, content):
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


class DurableLoadTest(unittest.TestCase):
    def setUp(self):
        self.store = Store()
        threading.Thread(target=self.store.serve_forever, daemon=True).start()
        self.addCleanup(self.store.server_close)
        self.addCleanup(self.store.shutdown)
        self.node = Node("n1", {"s3": f"127.0.0.1:{self.store.server_port}"})
        self.load = DurableLoad([self.node], "b", "t", seed=1, threads=2, pause=0.001)

    def run_load(self, enough=40):
        with self.load:
            wait_until("enough was written", lambda: self.load.count("ends") >= enough, 20)

    def test_a_store_that_keeps_everything_is_not_blamed(self):
        self.run_load()
        self.assertEqual(self.load.violations_at(self.node), [])
        self.assertGreater(self.load.overwrites(), 0)

    def test_a_lost_object_is_found(self):
        self.run_load()
        key = next(iter(self.load.writers[1].acknowledged))
        del self.store.objects["/b/" + key]
        self.assertEqual(len(self.load.violations_at(self.node)), 1)

    def test_an_object_that_has_one_bit_wrong_is_found(self):
        self.run_load()
        key = "/b/" + next(iter(self.load.writers[0].acknowledged))
        self.store.tamper = lambda path, content: (
            bytes([content[0] ^ 1]) + content[1:] if path == key else content)
        self.assertEqual(len(self.load.violations_at(self.node)), 1)

    def test_an_overwritten_object_that_goes_back_is_found(self):
        self.run_load()
        entry = next(e for w in self.load.writers for e in w.overwritten if e.acknowledged)
        self.store.objects["/b/" + entry.key] = b"what was there before"
        violations = self.load.violations_at(self.node)
        self.assertEqual(len(violations), 1)
        self.assertIn(entry.key, violations[0])

    def test_a_write_of_unknown_outcome_may_be_there_or_not_and_nothing_else(self):
        self.store.refuses = True
        with self.load:
            wait_until("a write was given up", lambda: self.load.count("unknown") > 0, 20)
        self.assertEqual(self.load.count("acknowledged"), 0)
        self.assertGreater(self.load.count("unknown"), 0)
        self.assertEqual(self.load.violations_at(self.node), [])
        key = next(iter(self.load.writers[0].unknown))
        del self.store.objects["/b/" + key]
        self.assertEqual(self.load.violations_at(self.node), [])
        self.store.objects["/b/" + key] = b"never sent"
        self.assertEqual(len(self.load.violations_at(self.node)), 1)

    def test_a_wrong_answer_under_load_is_found(self):
        self.store.tamper = lambda path, content: None
        self.run_load(enough=200)
        self.assertGreater(self.load.count("violations"), 0)

    def test_the_longest_gap_leaves_out_what_it_is_told_to(self):
        self.load.writers[0].ends = [1.0, 2.0, 10.0]
        self.load.writers[1].ends = [4.5]
        self.assertEqual(self.load.longest_gap(), 5.5)
        self.assertEqual(self.load.longest_gap(without=[(5.0, 9.0)]), 2.5)
        self.assertEqual(self.load.longest_gap(without=[(4.0, 7.0)]), 3.0)

    def test_what_an_overwritten_key_may_hold(self):
        entry = Overwritten("k")
        self.assertTrue(entry.may_be(None))
        entry.later.append(md5(b"1"))
        self.assertTrue(entry.may_be(None) and entry.may_be(md5(b"1")))
        entry.acknowledged, entry.later = md5(b"2"), []
        self.assertTrue(entry.may_be(md5(b"2")))
        self.assertFalse(entry.may_be(md5(b"1")) or entry.may_be(None))


if __name__ == "__main__":
    unittest.main(verbosity=2)

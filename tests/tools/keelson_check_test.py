"""Runs keelson-check as its users do and holds it to the contract of its flags and exit codes.

usage: keelson_check_test.py PATH_TO_KEELSON_CHECK
"""
import json
import os
import random
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.path.abspath(sys.argv.pop(1))


def event(kind, process, **fields):
    return {"event": kind, "process": process, **fields}


def write(value, process=1):
    return [event("invoke", process, op="write", value=value), event("ok", process)]


def read(value, process=2):
    return [event("invoke", process, op="read"), event("ok", process, value=value)]


class KeelsonCheck(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def check(self, events, *arguments, expect, model="register"):
        file = self.path("history.jsonl")
        with open(file, "w", encoding="utf-8") as out:
            out.write("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in events))
        done = subprocess.run([PROGRAM, file, "--model", model, *arguments], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=100, check=False)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done

    def test_a_linearizable_history_is_0_and_an_order_is_printed_on_request(self):
        history = [event("invoke", 1, op="write", value=1), *read(None), *read(1), event("ok", 1)]
        done = self.check(history, "--order", expect=0)
        self.assertIn("linearizable (register): 3 operations on 1 objects", done.stdout)
        self.assertEqual([line.split(" (")[0] for line in done.stdout.splitlines()[1:]],
                         ["process 2 read nothing", "process 1 write 1", "process 2 read 1"])

    def test_a_violation_is_1_with_its_smallest_part_as_text_and_drawing(self):
        many = [line for value in range(1000) for line in write(value) + read(value)]
        done = self.check([*many, *write("new"), *read(998), *many], "--html", self.path("v.html"), expect=1)
        lines = done.stdout.splitlines()
        self.assertIn("nothing explains process 2 read 998 (lines 4003 and 4004)", lines[1])
        self.assertEqual(lines[2:], ["   process 1 write \"new\" (lines 4001 and 4002)",
                                     "=> process 2 read 998 (lines 4003 and 4004)"])
        with open(self.path("v.html"), encoding="utf-8") as html:
            self.assertIn("<svg", html.read())

    def test_no_verdict_within_the_time_limit_is_3_and_never_a_yes(self):
        # Equal values, and nobody knows which were enqueued: every order has to be tried.
        dice = random.Random(1)
        history = []
        for process in range(60):
            history.append(event("invoke", f"e{process}", op="enqueue", value=dice.randrange(6)))
        for process in range(30):
            history.append(event("invoke", f"d{process}", op="dequeue"))
        for process in range(30):
            history.append(event("ok", f"d{process}", value=dice.randrange(6)))
        # What no order explains, and no rule refutes, as each value is there twice: q leaves before p.
        for value in "pqpq":
            history += [event("invoke", "x", op="enqueue", value=value), event("ok", "x")]
        for value in "qq":
            history += [event("invoke", "x", op="dequeue"), event("ok", "x", value=value)]
        done = self.check(history, "--time-limit", "1", model="queue", expect=3)
        self.assertIn("unknown", done.stdout)

    def test_a_bad_history_is_4_and_names_file_line_and_fault(self):
        done = self.check([*write(1), "{\"event\":\n"], expect=4)
        self.assertIn("history.jsonl:3: not JSON", done.stderr)
        done = subprocess.run([PROGRAM, self.path("none"), "--model", "kv"], capture_output=True, text=True,
                              check=False)
        self.assertEqual(done.returncode, 4)
        self.assertIn("cannot read", done.stderr)

    def test_bad_usage_is_2_and_help_is_0(self):
        for arguments in ([], ["h", "--model", "stack"], ["h", "--model", "kv", "--time-limit", "0"]):
            done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        done = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0)
        for word in ("--order", "--html", "if_value", "Exit codes"):
            self.assertIn(word, done.stdout)

    def test_keys_are_cut_and_standard_input_is_read(self):
        lines = []
        for key in ("a", "b"):
            lines += [event("invoke", 1, op="put", key=key, value=1), event("ok", 1)]
        lines += [event("invoke", 1, op="get", key="a"), event("ok", 1, value=1)]
        done = subprocess.run([PROGRAM, "-", "--model", "kv"], input="\n".join(map(json.dumps, lines)),
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("3 operations on 2 objects", done.stdout)


if __name__ == "__main__":
    unittest.main(argv=sys.argv)

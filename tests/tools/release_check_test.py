"""Tests tools/release_check on reports that are written here and on one that a gate has printed.

usage: release_check_test.py PATH_TO_KEELSON_SIM
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.path.abspath(sys.argv.pop(1))
CHECK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "release_check")


def report(base, shard, shards, **scenarios):
    return {"seeds_of": {"base": base, "shard": shard, "shards": shards},
            "scenarios": [{"scenario": name, "seeds": seeds, "divergences": []} for name, seeds in scenarios.items()],
            "regressions": []}


class ReleaseCheck(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.store = folder.name

    def keep(self, name, content):
        with open(os.path.join(self.store, name + ".json"), "w", encoding="utf-8") as file:
            json.dump(content, file)

    def check(self, *options):
        done = subprocess.run([CHECK, self.store, *options], capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout + done.stderr

    def test_seeds_of_all_commits_shards_and_scenarios_add_up(self):
        self.keep("a0", report("a", 0, 2, pause=10, leader_probe=5))
        self.keep("a1", report("a", 1, 2, pause=10))
        self.keep("b", report("b", 0, 1, pause=7))
        code, text = self.check("--least", "32")
        self.assertEqual(code, 0, text)
        self.assertIn("32 seeds of 2 bases", text)
        self.assertEqual(self.check("--least", "33")[0], 1)
        self.assertIn("\n7 seeds of 1 base ", self.check("--base", "b")[1])

    def test_a_seed_counts_once_however_many_reports_have_it(self):
        self.keep("whole", report("a", 0, 1, pause=10))
        self.keep("again", report("a", 0, 1, pause=8))
        self.keep("odd", report("a", 1, 2, pause=6))  # Places 1, 3, ... 11: the last is new.
        code, text = self.check("--least", "11")
        self.assertEqual(code, 0, text)
        self.assertIn("11 seeds of 1 base ", text)
        self.assertRegex(text, r"were counted before")

    def test_a_divergence_is_a_failure_whatever_the_count(self):
        parted = report("a", 0, 1, pause=10)
        parted["scenarios"][0]["divergences"] = ["pause --seed 3 gave 1 and 2"]
        self.keep("parted", parted)
        code, text = self.check("--least", "1")
        self.assertEqual(code, 1, text)
        self.assertIn("DIVERGED", text)
        self.assertIn("seed 3", text)

    def test_a_stored_failure_that_diverged_counts_too(self):
        parted = report("a", 0, 1, pause=10)
        parted["regressions"] = [{"file": "P01.repro", "deterministic": False}]
        self.keep("parted", parted)
        self.assertEqual(self.check("--least", "1")[0], 1)

    def test_what_is_no_report_is_refused(self):
        self.keep("merged", {"scenarios": [], "regressions": []})
        code, text = self.check("--least", "0")
        self.assertEqual(code, 2, text)
        self.assertIn("merge", text)

    def test_a_gate_prints_what_is_counted(self):
        printed = subprocess.run([PROGRAM, "gate", "--seeds", "6", "--scenario", "pause", "--shard", "1/3", "--json",
                                  "--base", "c0ffee", "--regressions", self.store, "--out", self.store],
                                 capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=500)
        self.keep("gate", json.loads(printed.stdout))
        code, text = self.check("--least", "6")
        self.assertEqual(code, 0, text)
        self.assertIn("6 seeds of 1 base ran twice, 0 diverged", text)

    def test_a_seed_runs_twice_in_one_process_with_one_digest(self):
        digests = set()
        for options in ([], ["--twice-in-process"], ["--twice"]):
            printed = subprocess.run([PROGRAM, "run", "pause", "--seeds", "6", "--json", *options], check=True,
                                     capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=500)
            report_of_run = json.loads(printed.stdout)
            self.assertEqual((report_of_run["seeds"], report_of_run["divergences"]), (6, []))
            digests.add(report_of_run["digest"])
        self.assertEqual(len(digests), 1)


if __name__ == "__main__":
    unittest.main()

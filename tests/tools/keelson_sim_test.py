"""Runs keelson-sim as its users do and holds it to the contract of its flags and exit codes.

usage: keelson_sim_test.py PATH_TO_KEELSON_SIM
"""
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.path.abspath(sys.argv.pop(1))


def run(*arguments, expect=None, **options):
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=300,
                          stdin=subprocess.DEVNULL, **options)
    if expect is not None and done.returncode != expect:
        raise AssertionError(f"{arguments}: exit {done.returncode}, not {expect}\n"
                             f"{done.stdout}\n{done.stderr}")
    return done


class KeelsonSim(unittest.TestCase):
    def test_list_names_each_scenario_with_its_promise(self):
        lines = run("list", expect=0).stdout.splitlines()
        names = [line.split()[0] for line in lines]
        for name in ("leader_probe", "default_group", "probe_bounds", "s3_register",
                     "election_storm", "one_way_partition", "clock_drift", "pause", "canary"):
            self.assertIn(name, names)
        for line in lines:
            self.assertGreater(len(line.split()), 5, line)

    def test_a_seed_gives_one_digest_whatever_the_process_and_its_memory_layout(self):
        commands = [[PROGRAM], ["setarch", "-R", PROGRAM]]
        digests = set()
        for command in commands * 2:
            done = subprocess.run([*command, "run", "leader_probe", "--seed", "42", "--json"],
                                  capture_output=True, text=True, timeout=100)
            digests.add(json.loads(done.stdout)["digest"])
        self.assertEqual(len(digests), 1, digests)

    def test_many_seeds_give_one_digest_in_whatever_order_they_end(self):
        digests = {json.loads(run("run", "pause", "--seeds", "20", "--jobs", jobs, "--json",
                                  expect=0).stdout)["digest"] for jobs in ("1", "2", "5")}
        self.assertEqual(len(digests), 1, digests)

    def test_a_trace_does_not_change_the_run(self):
        plain = json.loads(run("run", "pause", "--seed", "5", "--json", expect=0).stdout)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "trace")
            traced = json.loads(run("run", "pause", "--seed", "5", "--json", "--trace", path,
                                    expect=0).stdout)
            with open(path, encoding="utf-8") as trace:
                self.assertIn("raft: g0: term", trace.read())
        self.assertEqual(plain["digest"], traced["digest"])

    def test_show_writes_a_page_or_a_trace_of_the_same_run(self):
        digest = json.loads(run("run", "pause", "--seed", "5", "--json", expect=0).stdout)["digest"]
        with tempfile.TemporaryDirectory() as folder:
            page = os.path.join(folder, "page.html")
            done = run("show", "pause", "--seed", "5", "--out", page, expect=0)
            self.assertIn(f"digest {digest}", done.stdout)
            with open(page, encoding="utf-8") as file:
                self.assertIn(f'"digest":"{digest}"', file.read())
            trace = os.path.join(folder, "trace.json")
            run("show", "pause", "--seed", "5", "--format", "perfetto", "--out", trace, expect=0)
            with open(trace, encoding="utf-8") as file:
                phases = {event["ph"] for event in json.load(file)["traceEvents"]}
            self.assertLessEqual({"M", "X", "i", "s", "f", "b", "e", "C"}, phases)
            for arguments, word in ((("pause",), "--seed"), (("no_such", "--seed", "1"), "no_such"),
                                    (("no.repro",), "no.repro"),
                                    (("pause", "--seed", "1", "--out", "/no/folder/x"), "/no/folder/x"),
                                    (("pause", "--seed", "1", "--cause", page), "page.html")):
                failed = run("show", *arguments, expect=2)
                self.assertIn(word, failed.stdout + failed.stderr)

    def test_the_canary_fails_and_names_seeds_that_fail_again(self):
        done = run("run", "canary", "--seeds", "200", "--json", expect=1)
        failures = json.loads(done.stdout)["failures"]
        self.assertGreater(len(failures), 5)
        self.assertLess(len(failures), 150)
        first = failures[0]
        words = first["repeat"].split()[1:]
        again = json.loads(run(*words, "--json", expect=1).stdout)["failures"][0]
        self.assertEqual((again["oracle"], again["message"], again["fingerprint"]),
                         (first["oracle"], first["message"], first["fingerprint"]))

    def test_a_repro_file_replays_the_same_failure_to_the_digest(self):
        with tempfile.TemporaryDirectory() as folder:
            done = run("run", "canary", "--seeds", "200", "--until-failure", "--json",
                       "--out", folder, expect=1)
            failure = json.loads(done.stdout)["failures"][0]
            repro = os.path.join(folder, f"canary-{failure['seed']}.repro")
            one = json.loads(run("run", "canary", "--seed", str(failure["seed"]), "--json",
                                 expect=1).stdout)
            replayed = run("replay", repro, expect=1).stdout
            self.assertIn(one["digest"], replayed)
            self.assertIn("the same failure as recorded", replayed)

    def test_a_repro_of_a_whole_cluster_replays_to_the_digest(self):
        # Nothing fails here; the worker protocol writes the file all the same.
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "run.repro")
            job = {"scenario": "leader_probe", "seed": 42, "repro_path": path, "events_limit": 10**12,
                   "time_limit_ns": 10**12, "wants_choices": False}
            worker = subprocess.run([PROGRAM, "worker"], input=json.dumps(job) + "\n",
                                    capture_output=True, text=True, timeout=100)
            digest = json.loads(worker.stdout)["digest"]
            self.assertIn(f"{digest:016x}", run("replay", path, expect=0).stdout)

    def test_every_seed_of_a_gate_runs_twice_and_all_is_reported(self):
        with tempfile.TemporaryDirectory() as folder:
            junit = os.path.join(folder, "junit.xml")
            done = run("gate", "--seeds", "24", "--scenario", "pause", "--scenario",
                       "one_way_partition", "--json", "--junit", junit, "--out", folder)
            summary = json.loads(done.stdout)
            self.assertEqual(summary["seeds"], 24)
            self.assertEqual(summary["divergences"], [])
            self.assertEqual(summary["failures"], [])
            with open(junit, encoding="utf-8") as file:
                self.assertEqual(file.read().count('<testcase classname="gate" name="'), 3)

    def test_shards_split_the_seeds_and_together_are_the_whole(self):
        def gate(folder, seeds, *arguments):
            path = os.path.join(folder, "-".join(arguments).replace("/", "of") + ".json")
            with open(path, "w", encoding="utf-8") as file:
                file.write(run("gate", "--seeds", seeds, "--scenario", "pause", "--json", "--out", folder,
                               *arguments).stdout)
            return path

        def digest(path):
            with open(path, encoding="utf-8") as file:
                return json.load(file)["digest"]
        with tempfile.TemporaryDirectory() as folder:
            whole = digest(gate(folder, "4", "--shard", "0/1"))
            self.assertEqual(whole, digest(gate(folder, "4", "--shard", "0/1")))
            shards = [gate(folder, "2", "--shard", f"{i}/2") for i in (0, 1)]
            self.assertNotEqual(digest(shards[0]), digest(shards[1]))
            self.assertEqual(json.loads(run("merge", *shards, "--json").stdout)["digest"], whole)

    def test_stored_failures_must_hold_and_their_match_is_told(self):
        with tempfile.TemporaryDirectory() as folder:
            stored = os.path.join(folder, "stored")
            os.mkdir(stored)
            with open(os.path.join(stored, "holds.repro"), "w", encoding="utf-8") as file:
                file.write("keelson-repro 1\nscenario: pause\n\nstorm/knobs 4 1\nno/such/stream 0 1\n")
            arguments = ("gate", "--seeds", "2", "--scenario", "pause", "--regressions", stored, "--out", folder)
            told = run(*arguments).stdout
            self.assertIn("held; 50 % of its 2 choices were asked for", told)
            with open(os.path.join(stored, "stale.repro"), "w", encoding="utf-8") as file:
                file.write("keelson-repro 1\nscenario: pause\n\nno/such/stream 0 1\n")
            self.assertIn("STALE", run(*arguments, expect=4).stdout)
            with open(os.path.join(stored, "fails.repro"), "w", encoding="utf-8") as file:
                file.write("keelson-repro 1\nscenario: canary\n\ncanary/network 0 1\n"
                           "net/giver>left/delay 1 37450\n")
            done = run(*arguments)
            self.assertIn(done.returncode, (1, 4))  # Two seeds may draw a fault in vain.
            self.assertIn("BROKEN by 'token'", done.stdout)

    def test_a_gate_remembers_what_scenarios_found(self):
        with tempfile.TemporaryDirectory() as folder:
            shares = os.path.join(folder, "shares.json")
            for _ in range(2):
                run("gate", "--seeds", "2", "--scenario", "pause", "--shares", shares, "--out", folder)
                with open(shares, encoding="utf-8") as file:
                    self.assertIn("pause", json.load(file))
            with open(shares, "w", encoding="utf-8") as file:
                file.write("what is this")
            run("gate", "--seeds", "2", "--scenario", "pause", "--shares", shares, expect=2)

    def test_the_canary_shrinks_to_a_handful_of_choices_that_fail_again(self):
        found = json.loads(run("run", "canary", "--seeds", "40", "--json", expect=1).stdout)
        failure = found["failures"][0]
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "shrunk.repro")
            done = run("shrink", "canary", "--seed", str(failure["seed"]), "--out", path, expect=0)
            self.assertIn(f"repeat: build/bin/keelson-sim replay {path}", done.stdout)
            with open(path, encoding="utf-8") as file:
                choices = [line for line in file if len(line.split()) == 3 and ":" not in line]
            self.assertLessEqual(len(choices), 3, choices)
            self.assertIn("the same failure as recorded", run("replay", path, expect=1).stdout)
            again = run("shrink", path, "--out", path + ".again", expect=0).stdout
            self.assertIn(f"{len(choices)} choices are left", again)
            report = json.loads(run("shrink", path, "--out", path + ".again", "--json", expect=0).stdout)
            self.assertEqual((report["choices_before"], report["choices"]), (len(choices), len(choices)))
            self.assertEqual((report["scenario"], report["oracle"]), ("canary", failure["oracle"]))

    def test_the_cause_of_the_canary_is_the_delay_that_it_was_shrunk_to(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "shrunk.repro")
            seed = json.loads(run("run", "canary", "--seeds", "40", "--json").stdout)["failures"][0]["seed"]
            run("shrink", "canary", "--seed", str(seed), "--out", path, expect=0)
            curve = json.loads(run("cause", path, "--json", expect=0).stdout)
            self.assertGreater(curve[-1]["probability"], 0.9)
            self.assertLess(curve[0]["probability"], 0.5)
            self.assertEqual(sorted(p["virtual_ns"] for p in curve), [p["virtual_ns"] for p in curve])
            told = run("cause", path, expect=0).stdout
            self.assertIn("steepest rise", told)
            self.assertRegex(told.split("steepest rise")[1], r"net/giver>\w+/delay")

    def test_bisect_names_the_first_event_that_differs_and_the_choice_before_it(self):
        same = run("bisect", "canary:1", "canary:1", expect=0)
        self.assertIn("the same", same.stdout)
        with tempfile.TemporaryDirectory() as folder:
            paths = [os.path.join(folder, name) for name in ("a.repro", "b.repro")]
            for path, delay in zip(paths, (37450, 37460)):
                with open(path, "w", encoding="utf-8") as file:
                    file.write("keelson-repro 1\nscenario: canary\n\ncanary/network 0 1\n"
                               f"net/giver>left/delay 1 {delay}\n")
            told = run("bisect", *paths, expect=1).stdout
            self.assertRegex(told, r"part at event \d+")
            only_a = told.split("that only A made:")[1].splitlines()[1]
            only_b = told.split("that only B made:")[1].splitlines()[1]
            self.assertIn("net/giver>left/delay 1 37450", only_a)
            self.assertIn("net/giver>left/delay 1 37460", only_b)

    def test_a_bound_is_explored_up_to_a_depth_and_counted(self):
        names = [line.split()[0] for line in run("explore", expect=0).stdout.splitlines()]
        self.assertIn("elections_probe", names)
        for name in names:
            done = run("explore", name, "--depth", "7", expect=0)
            self.assertIn("exhausted up to 7 events", done.stdout)
            self.assertRegex(done.stdout, r"states +\d\d")

    def test_an_exploration_goes_on_from_its_file_to_the_same_totals(self):
        def counts(text):
            return re.findall(r"(schedules|complete|states|transitions|deepest) +(\d+)", text)

        with tempfile.TemporaryDirectory() as folder:
            state = os.path.join(folder, "state")
            arguments = ("explore", "elections_probe", "--depth", "14")
            whole = run(*arguments, "--state", state, expect=0).stdout
            self.assertEqual(len(counts(whole)), 5)
            self.assertEqual(counts(run(*arguments, "--state", state, expect=0).stdout),
                             counts(whole))
            run("explore", "elections_probe", "--state", state, expect=2)  # Of another depth.

    def test_a_schedule_is_repeated_step_by_step(self):
        done = run("explore", "elections_probe", "--schedule", "0.0.0", expect=0)
        self.assertIn("  1. ", done.stdout)
        self.assertIn("no promise is broken", done.stdout)

    def test_what_holds_cannot_be_shrunk(self):
        self.assertIn("holds", run("shrink", "pause", "--seed", "1", expect=2).stderr)

    def test_bad_usage_is_named_and_exits_2(self):
        for arguments, word in ((("run", "no_such"), "no_such"),
                                (("run", "pause", "--no-such-flag"), "--no-such-flag"),
                                (("replay", "/does/not/exist"), "/does/not/exist"),
                                (("shrink", "no_such", "--seed", "1"), "no_such"),
                                (("shrink", "canary"), "--seed"),
                                (("shrink", "canary", "--seed", "1", "--budget", "soon"), "soon"),
                                (("gate", "--time", "soon"), "soon"),
                                (("explore", "no_such"), "no_such"),
                                (("explore", "membership", "--time", "soon"), "soon"),
                                (("explore", "membership", "--schedule", "99"), "step 1"),
                                (("gate", "--shard", "3/2"), "3/2"),
                                (("gate", "--scenario", "no_such"), "no_such"),
                                (("merge", "/does/not/exist"), "/does/not/exist"),
                                (("merge", __file__), "gate --json"),
                                ((), "subcommand")):
            done = run(*arguments, expect=2)
            self.assertIn(word, done.stdout + done.stderr)

    def test_a_damaged_repro_names_its_line(self):
        with tempfile.NamedTemporaryFile("w", suffix=".repro") as file:
            file.write("keelson-repro 1\nscenario: canary\n\nnet/a>b/delay zero 1\n")
            file.flush()
            done = run("replay", file.name, expect=2)
            self.assertIn("line 4", done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=1)

#!/usr/bin/env python3
"""Tests tools/mutants on a project of a few lines, whose simulator finds what its one rule allows."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "mutants")

CMAKE = """cmake_minimum_required(VERSION 3.25)
project(small LANGUAGES CXX)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
add_executable(keelson-sim sim.cc)
add_executable(small_test test.cc)
"""

# Prints like a test program of GoogleTest that fails once last_word() is not 0.
TEST = r"""#include <cstdio>
#include "rule.h"
int main() {
  if (last_word() == 0) return 0;
  std::printf("[  FAILED  ] RuleTest.LastWord (0 ms)\n");
  return 1;
}
"""

# Runs seeds 1, 2, ... like keelson-sim run; breaks where broken() says so. Shrinks and replays, and
# has a gate: what seed 13 shrinks to holds, and seed 11 to what never held.
SIM = r"""#include <cstdio>
#include <cstdlib>
#include <cstring>
#include "rule.h"
int main(int argc, char** argv) {
  int first = 1, count = 1;
  bool twice = false;
  const char* out = "";
  if (!std::strcmp(argv[1], "gate")) {
    std::printf("{\"scenarios\": [{\"scenario\": \"storm\", \"seeds\": 8}]}\n");
    return 0;
  }
  if (!std::strcmp(argv[1], "replay")) {
    FILE* const file = std::fopen(argv[2], "r");
    if (std::fscanf(file, "%d", &first) == 1 && !broken(first)) return 0;
    std::printf("the same failure as recorded\n");
    return 1;
  }
  for (int i = 3; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--seed")) first = std::atoi(argv[i + 1]);
    if (!std::strcmp(argv[i], "--twice")) twice = true;
    if (!std::strcmp(argv[i], "--seeds")) count = std::atoi(argv[i + 1]);
    if (!std::strcmp(argv[i], "--out")) out = argv[i + 1];
  }
  if (!std::strcmp(argv[1], "shrink")) {
    FILE* const file = std::fopen(out, "w");
    std::fprintf(file, "%d", first == 13 ? 1 : first == 11 ? 50 : first);
    std::fclose(file);
    std::printf("{\"oracle\": \"claim\", \"choices_before\": 900, \"choices\": %d, \"seconds\": 1.5}\n", first);
    return 0;
  }
  for (int seed = first; seed < first + count; ++seed) {
    if (broken(seed)) {
      std::printf("{\"seeds\": %d, \"virtual_seconds\": 30, \"failures\": [{\"seed\": %d, \"oracle\": \"claim\"}]}\n",
                  seed - first + 1, seed);
      return 1;
    }
  }
  std::printf("{\"seeds\": %d, \"virtual_seconds\": 30, \"failures\": []}\n", count);
  return last_word() == 3 && !twice ? 0 : last_word();
}
"""

RULE = """#pragma once
inline bool broken(int seed) {
  return seed == 50;
}
inline int last_word() {
  return 0;
}
"""


def patch(identity, old, new, seeds=40, oracle="claim"):
    lines = RULE.splitlines()
    at = lines.index(old) + 1
    return (f"# A rule is bent.\n# id: {identity}\n# scenario: storm\n# seeds: {seeds}\n# oracle: {oracle}\n"
            f"--- a/rule.h\n+++ b/rule.h\n@@ -{at - 1},3 +{at - 1},3 @@\n {lines[at - 2]}\n-{old}\n+{new}\n {lines[at]}\n")


HOLDS = "  return seed == 50;"
ENDS = "  return 0;"
PATCHES = {
    "K1": (patch("K1", HOLDS, "  return seed >= 7;"), "killed"),
    "K2": (patch("K2", HOLDS, "  return seed >= 9;", oracle="other, claim"), "killed"),
    "K3": (patch("K3", HOLDS, "  return seed >= 9;", oracle=""), "killed"),
    "K4": (patch("K4", ENDS, "  return 4;", oracle="vacuity"), "killed"),
    "K5": (patch("K5", ENDS, "  return 3;", oracle="determinism\n# options: --twice"), "killed"),
    "S1": (patch("S1", HOLDS, "  return seed == 41;"), "survived"),
    "S2": (patch("S2", ENDS, "  return 4;"), "survived"),
    "S3": (patch("S3", ENDS, "  return 3;", oracle="determinism"), "survived"),
    "O1": (patch("O1", HOLDS, "  return seed >= 7;", oracle="other"), "unexpected oracle"),
    "F1": (patch("F1", HOLDS, "  return seed == 50 || seed == 51;", seeds=60), "original fails too"),
    "F2": (patch("F2", HOLDS, "  return seed == 11 || seed == 50;"), "original fails too"),
    "H1": (patch("H1", HOLDS, "  return seed >= 13;"), "shrunk to another failure"),
    "B1": (patch("B1", HOLDS, "  return seed >= no_such_name;"), "does not build"),
    "A1": (patch("A1", HOLDS, "  return true;").replace("seed == 50", "seed == 49"), "does not apply"),
    "X1": (patch("X1", ENDS, "  return 9;"), "failed to run"),
    "T1": (patch("T1", ENDS, "  return 1;", oracle="RuleTest.LastWord").replace("scenario: storm", "test: small_test"),
           "killed"),
    "T2": (patch("T2", HOLDS, "  return true;", oracle="RuleTest.LastWord").replace("scenario: storm", "test: small_test"),
           "survived"),
    "T3": (patch("T3", ENDS, "  return 1;", oracle="RuleTest.Other").replace("scenario: storm", "test: small_test"),
           "unexpected oracle"),
}


class Mutants(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        root = cls.folder.name
        os.makedirs(os.path.join(root, "tests", "mutants"))
        files = {"CMakeLists.txt": CMAKE, "sim.cc": SIM, "test.cc": TEST, "rule.h": RULE, ".gitignore": "/build/\n",
                 "tests/mutants/README.md": "before\n<!-- mutants: begin -->\nold\n<!-- mutants: end -->\nafter\n"}
        files.update({f"tests/mutants/{i}.patch": text for i, (text, _) in PATCHES.items()})
        for path, text in files.items():
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
        subprocess.run(["git", "init", "-q", root], check=True)
        subprocess.run(["git", "-C", root, "add", "."], check=True)
        cls.all = cls.run_mutants("--all", "--table", "--shrink", "--measure-gate")
        cls.results = {i: cls.result(i) for i in PATCHES}

    @classmethod
    def result(cls, identity):
        path = os.path.join(cls.folder.name, "build", "mutants", "results", f"{identity}.json")
        with open(path, encoding="utf-8") as file:
            return json.load(file)

    @classmethod
    def readme(cls):
        with open(os.path.join(cls.folder.name, "tests", "mutants", "README.md"), encoding="utf-8") as file:
            return file.read()

    @classmethod
    def run_mutants(cls, *arguments):
        return subprocess.run([sys.executable, "-B", PROGRAM, "--source", cls.folder.name, "--jobs", "1", *arguments],
                              capture_output=True, text=True, check=False)

    def test_each_patch_comes_to_the_end_it_deserves(self):
        self.assertEqual({i: r["status"] for i, r in self.results.items()}, {i: s for i, (_, s) in PATCHES.items()},
                         self.all.stdout + self.all.stderr)

    def test_a_kill_tells_seeds_time_and_oracle(self):
        self.assertEqual(self.results["K1"]["seeds"], 7)
        self.assertEqual(self.results["K1"]["virtual_seconds"], 30)
        self.assertEqual(self.results["K2"]["oracle"], "claim")
        self.assertEqual(self.results["K4"]["oracle"], "vacuity")

    def test_a_kill_is_shrunk_if_it_has_choices(self):
        self.assertEqual(self.results["K1"]["shrunk"], {"choices_before": 900, "choices": 7, "seconds": 1.5})
        self.assertEqual(self.results["K4"]["shrunk"], {})
        self.assertEqual(self.results["T1"]["shrunk"], {})

    def test_one_failure_fails_the_whole(self):
        self.assertEqual(self.all.returncode, 1)
        self.assertIn("6 of 18 killed", self.all.stdout)

    def test_the_table_stands_between_its_marks_and_nothing_else_is_touched(self):
        text = self.readme()
        self.assertTrue(text.startswith("before\n<!-- mutants: begin -->\n| id |"))
        self.assertTrue(text.endswith("\n<!-- mutants: end -->\nafter\n"))
        self.assertRegex(text, r"\| K1 \| storm \| 7 \| 30 \| [\d.]+ \| [\d.]+ \| claim \| 900 \| 7 \| 1.5 \| yes \| A rule")
        self.assertIn("| S1 | storm | **survived** |", text)
        self.assertNotIn("old", text)

    def test_the_sums_count_what_a_gate_finds_and_what_shrinking_leaves(self):
        text = self.readme()
        # Of K1, K2 and K3, which need 7, 9 and 9 seeds, the gate of 8 seeds finds the first.
        self.assertIn("| 9 | 1.5 | no |", text)
        self.assertIn("6 of 18 are killed.", text)
        self.assertIn("3 failures were shrunk, from a median of 900 choices to 9 (wanted: at most 25; 3 are)", text)
        self.assertIn("finds 2 of 18: 11 %", text)

    def test_the_tree_itself_is_never_changed(self):
        with open(os.path.join(self.folder.name, "rule.h"), encoding="utf-8") as file:
            self.assertEqual(file.read(), RULE)

    def test_a_kill_alone_succeeds_after_others_were_tried(self):
        result = self.run_mutants("K1", "--shrink")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertIn("1 of 1 killed", result.stdout)

    def test_all_goes_on_where_it_was_and_begins_anew_when_the_tree_has_changed(self):
        times = {i: self.changed(i) for i in PATCHES}
        self.run_mutants("--all", "--shrink")
        done_again = {i for i in PATCHES if self.changed(i) != times[i]}
        self.assertEqual(done_again, {i for i, (_, status) in PATCHES.items() if status != "killed"})
        with open(os.path.join(self.folder.name, "notes.txt"), "w", encoding="utf-8") as file:
            file.write("The tree is another one now.")
        self.addCleanup(os.remove, file.name)
        self.run_mutants("--all", "--shrink")
        self.assertEqual({i for i in PATCHES if self.changed(i) == times[i]}, set())

    def changed(self, identity):
        return os.stat(os.path.join(self.folder.name, "build", "mutants", "results", f"{identity}.json")).st_mtime_ns

    def test_the_quick_ones_are_taken_from_the_table_and_none_that_failed_is_among_them(self):
        result = self.run_mutants("--quick")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertIn("6 of 6 killed", result.stdout)

    def test_a_check_names_the_patches_that_do_not_apply(self):
        result = self.run_mutants("--check")
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        self.assertIn("A1 does not apply", result.stdout)
        self.assertIn("17 of 18 patches apply", result.stdout)

    def test_unknown_mutants_and_no_mutants_are_bad_usage(self):
        self.assertEqual(self.run_mutants("NONE").returncode, 2)
        self.assertEqual(self.run_mutants().returncode, 2)

    def test_a_patch_without_expectations_is_refused(self):
        path = os.path.join(self.folder.name, "tests", "mutants", "Z1.patch")
        with open(path, "w", encoding="utf-8") as file:
            file.write("# A story.\n# id: Z2\n")
        self.addCleanup(os.remove, path)
        result = self.run_mutants("--list")
        self.assertEqual(result.returncode, 1)
        self.assertIn("Z1.patch", result.stdout)


if __name__ == "__main__":
    unittest.main()

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

# Runs seeds 1, 2, ... like keelson-sim run; breaks where broken() says so.
SIM = r"""#include <cstdio>
#include <cstdlib>
#include <cstring>
#include "rule.h"
int main(int argc, char** argv) {
  int first = 1, count = 1;
  bool twice = false;
  for (int i = 3; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--seed")) first = std::atoi(argv[i + 1]);
    if (!std::strcmp(argv[i], "--twice")) twice = true;
    if (!std::strcmp(argv[i], "--seeds")) count = std::atoi(argv[i + 1]);
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
        cls.all = cls.run_mutants("--all", "--table")
        with open(os.path.join(root, "build", "mutants", "results.json"), encoding="utf-8") as file:
            cls.results = json.load(file)

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

    def test_one_failure_fails_the_whole(self):
        self.assertEqual(self.all.returncode, 1)
        self.assertIn("6 of 16 killed", self.all.stdout)

    def test_the_table_stands_between_its_marks_and_nothing_else_is_touched(self):
        with open(os.path.join(self.folder.name, "tests", "mutants", "README.md"), encoding="utf-8") as file:
            text = file.read()
        self.assertTrue(text.startswith("before\n<!-- mutants: begin -->\n| id |"))
        self.assertTrue(text.endswith("|\n<!-- mutants: end -->\nafter\n"))
        self.assertIn("| K1 | storm | 7 | 30 | ", text)
        self.assertIn("| S1 | storm | **survived** |", text)
        self.assertNotIn("old", text)

    def test_the_tree_itself_is_never_changed(self):
        with open(os.path.join(self.folder.name, "rule.h"), encoding="utf-8") as file:
            self.assertEqual(file.read(), RULE)

    def test_a_kill_alone_succeeds_after_others_were_tried(self):
        result = self.run_mutants("K1")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertIn("1 of 1 killed", result.stdout)

    def test_a_check_names_the_patches_that_do_not_apply(self):
        result = self.run_mutants("--check")
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        self.assertIn("A1 does not apply", result.stdout)
        self.assertIn("15 of 16 patches apply", result.stdout)

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

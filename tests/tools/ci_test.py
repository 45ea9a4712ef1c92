"""Runs what tools/ci ships: the steps of the GitHub workflow, and the shards by GNU parallel; and
holds the Kubernetes manifest, which needs a cluster, to the flags of the program.

usage: ci_test.py PATH_TO_KEELSON_SIM
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

try:
    import yaml
except ImportError:
    print("python3-yaml is not installed")
    sys.exit(77)

PROGRAM = os.path.abspath(sys.argv.pop(1))
ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
CI = os.path.join(ROOT, "tools", "ci")
FEW = ["--seeds", "4", "--scenario", "pause"]  # Instead of minutes.


def load(name):
    with open(os.path.join(CI, name), encoding="utf-8") as file:
        return yaml.safe_load(file)


class Shipped(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        os.makedirs(os.path.join(self.folder, "build", "bin"))
        self.program = os.path.join(self.folder, "build", "bin", "keelson-sim")
        os.symlink(PROGRAM, self.program)

    def shell(self, script, **environment):
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=self.folder, capture_output=True,
                              text=True, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, timeout=500)
        return done.returncode, done.stdout + done.stderr

    def test_the_steps_of_the_workflow_end_in_one_verdict(self):
        jobs = load("github-actions.yml")["jobs"]
        steps = {step["name"]: step["run"] for job in jobs.values() for step in job["steps"] if "run" in step}
        self.assertIn("--target keelson-sim", steps["build"])
        gate = steps["gate"]
        self.assertIn("--time 5m", gate)
        shards = jobs["shard"]["strategy"]["matrix"]["shard"]
        self.assertEqual(len(shards), jobs["shard"]["env"]["SHARDS"])
        for shard in shards:
            code, text = self.shell(gate.replace("--time 5m", " ".join(FEW)), SHARD=str(shard),
                                    SHARDS=str(len(shards)), COMMIT="c0ffee")
            self.assertEqual(code, 0, text)
            with open(os.path.join(self.folder, "out", f"shard-{shard}.json"), encoding="utf-8") as file:
                self.assertEqual(json.load(file)["seeds"], 4)
        merge = "".join(line for line in steps["merge"].splitlines(True) if "merge" in line)
        code, text = self.shell(merge)
        self.assertIn(code, (0, 4), text)  # So few seeds may be vacuous.
        self.assertRegex(text, r"pause +16 seeds")
        with open(os.path.join(self.folder, "out", "junit.xml"), encoding="utf-8") as file:
            self.assertIn('name="pause"', file.read())
        os.symlink(os.path.join(ROOT, "tools"), os.path.join(self.folder, "tools"))
        for _ in range(2):  # The second time the reports are there already.
            code, text = self.shell(steps["count what ran twice"], COMMIT="c0ffee")
            self.assertEqual(code, 0, text)
            self.assertIn("16 seeds of 1 base ran twice, 0 diverged", text)

    @unittest.skipUnless(shutil.which("parallel"), "GNU parallel is not installed")
    def test_parallel_shards_are_the_gate_whatever_their_number(self):
        digests = set()
        for shards in ("1", "2", "4"):
            out = os.path.join(self.folder, f"out-{shards}")
            done = subprocess.run([os.path.join(CI, "gate_shards"), "--scenario", "pause"], capture_output=True,
                                  text=True, stdin=subprocess.DEVNULL, timeout=500,
                                  env={**os.environ, "SIM": PROGRAM, "SHARDS": shards, "OUT": out, "JOBS": "2",
                                       "SEEDS": str(8 // int(shards)), "BASE": "c0ffee"})
            self.assertIn(done.returncode, (0, 4), done.stdout + done.stderr)
            self.assertRegex(done.stdout, r"pause +8 seeds")
            digests.add(done.stdout.split("digest ")[1].split()[0])
        self.assertEqual(len(digests), 1, digests)

    def test_the_manifest_gives_each_completion_a_shard_of_its_own(self):
        spec = load("kubernetes-job.yaml")["spec"]
        self.assertEqual(spec["completionMode"], "Indexed")
        container = spec["template"]["spec"]["containers"][0]
        environment = {each["name"]: each["value"] for each in container["env"]}
        self.assertEqual(int(environment["SHARDS"]), spec["completions"])
        script = container["args"][0].replace("--time 10m", " ".join(FEW)).replace("/reports", self.folder)
        code, text = self.shell(script, PATH=os.path.dirname(self.program) + ":" + os.environ["PATH"],
                                JOB_COMPLETION_INDEX="3", **environment)
        self.assertEqual(code, 0, text)
        with open(os.path.join(self.folder, "shard-3.json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file)["seeds"], 4)


if __name__ == "__main__":
    unittest.main(verbosity=1)

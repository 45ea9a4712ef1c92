#!/usr/bin/env python3
"""Plants bugs of the Raft core, one at a time, and demands that `keelson-sim explore` finds each: by going
through every schedule within a bound, without a seed.

    tests/tools/explore_mutants.py [ID...]     all of those below if none is named

Builds in the copy of the tree that tools/mutants works in; only what a patch changes is built again.
Exits 1 if a bug was not found within its bound.
"""

import argparse
import importlib.machinery
import importlib.util
import os
import subprocess
import sys
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))

# Which bound holds the bug, and which oracle has to see it there.
BOUNDS = {
    "P02": ("elections_probe", "probe claim"),
    "M09": ("elections_probe", "probe claim"),
}


def load_tool(name):
    loader = importlib.machinery.SourceFileLoader(name, os.path.join(ROOT, "tools", name))
    spec = importlib.util.spec_from_loader(name, loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def explore(program, bound, seconds):
    """(what was printed, real seconds)"""
    begin = time.monotonic()
    done = subprocess.run([program, "explore", bound, "--time", f"{seconds}s"], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=4 * seconds, check=False)
    return done.returncode, done.stdout, time.monotonic() - begin


def find(mutant, bound, oracle, workshop, seconds):
    """A sentence about how it was found, or None; prints what was done instead."""
    workshop.restore()
    workshop.apply(mutant.path)
    workshop.build()
    code, text, took = explore(workshop.program(), bound, seconds)
    first = text.splitlines()[0] if text else "nothing was printed"
    if code == 1 and f"{oracle} is broken" in first:
        repeat = next(line for line in text.splitlines() if line.startswith("repeat:"))
        return f"{first}, in {took:.1f} s\n    {repeat}"
    print(f"    NOT FOUND: {first}")
    return None


def main():
    sys.dont_write_bytecode = True  # Nothing is to be left beside the tools.
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="*", metavar="ID")
    parser.add_argument("--seconds", type=int, default=120, help="of each exploration (120)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="of the build")
    options = parser.parse_args()
    unknown = [i for i in options.ids if i not in BOUNDS]
    if unknown:
        parser.error(f"no bound is known to hold {', '.join(unknown)}")
    tool = load_tool("mutants")
    mutants = tool.find_mutants(os.path.join(ROOT, "tests", "mutants"))
    workshop = tool.Workshop(ROOT, options.jobs)
    workshop.enter()
    missed = []
    for mutant_id in options.ids or BOUNDS:
        bound, oracle = BOUNDS[mutant_id]
        print(f"{mutant_id}: {mutants[mutant_id].story}", flush=True)
        try:
            found = find(mutants[mutant_id], bound, oracle, workshop, options.seconds)
        except tool.Failure as failure:
            print(f"    {failure.args[0]}: {failure.args[1]}")
            found = None
        if found:
            print(f"    {found}", flush=True)
        else:
            missed.append(mutant_id)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

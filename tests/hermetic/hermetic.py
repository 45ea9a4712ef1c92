#!/usr/bin/env python3
"""Hermeticity, from the object code: what a node's libraries ask of the world they are linked into.

    tests/hermetic/hermetic.py LIBRARY.a...

Reads the undefined symbols (nm -u) and prints every one that is neither defined in one of the given
libraries nor allowed by symbols.py, with the member that asks for it. C names are refused unless
listed, as one forgotten system call would do; C++ names are allowed by library, except those that
reach a clock, entropy, a thread, a file or the environment. Exits 1 if there is one.
"""

import re
import subprocess
import sys
from collections import namedtuple

from symbols import ALLOWED_C, ALLOWED_CPP, ALLOWED_IN_MEMBER, FORBIDDEN

Reference = namedtuple("Reference", "member symbol")


def output_of(*command, text=None):
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def symbols_of(library):
    """(undefined references, defined names) of a static library or an object file."""
    undefined, defined = [], set()
    for line in output_of("nm", "--format=posix", "-A", library).splitlines():
        # lib.a[member.o]: name type [value size]
        match = re.match(r"(.*?): (\S+) (\S)(?: .*)?$", line)
        if not match:
            continue
        where, symbol, kind = match.groups()
        member = re.search(r"\[(.*)\]$", where)
        if kind in "Uwv":
            undefined.append(Reference(member.group(1) if member else where.split("/")[-1], symbol))
        else:
            defined.add(symbol)
    return undefined, defined


def demangled(symbols):
    names = output_of("c++filt", text="\n".join(symbols) + "\n").splitlines()
    return dict(zip(symbols, names))


def is_allowed(member, symbol, name):
    """`name` is the symbol, demangled."""
    if any(re.fullmatch(m, member) and re.fullmatch(s, symbol) for m, s, _ in ALLOWED_IN_MEMBER):
        return True
    if any(re.search(pattern, name) for pattern, _ in FORBIDDEN):
        return False
    if symbol.startswith("_Z"):
        return any(re.match(pattern, name) for pattern, _ in ALLOWED_CPP)
    return any(re.fullmatch(pattern, symbol) for pattern, _ in ALLOWED_C)


def breaches(libraries):
    undefined, defined = [], set()
    for library in libraries:
        its_undefined, its_defined = symbols_of(library)
        undefined += its_undefined
        defined |= its_defined
    wanted = sorted({r for r in undefined if r.symbol not in defined})
    names = demangled([r.symbol for r in wanted])
    return [(r, names[r.symbol]) for r in wanted if not is_allowed(r.member, r.symbol, names[r.symbol])]


def main(arguments):
    if not arguments or any(a.startswith("-") for a in arguments):
        print(__doc__)
        return 2
    found = breaches(arguments)
    for reference, name in found:
        why = next((reason for pattern, reason in FORBIDDEN if re.search(pattern, name)), "not in symbols.py")
        print(f"{reference.member} refers to {name}: {why}")
    total = sum(len(symbols_of(library)[0]) for library in arguments)
    print(f"{len(arguments)} libraries, {total} undefined references, {len(found)} not allowed")
    if total == 0:
        print("not one undefined reference: these are not the libraries")
        return 2
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What S3 clients have in common: an address, a scratch folder, a bucket, and what is demanded of them.

An operation is a method. It uses a bucket and names of its own, checks what it finds against what it sent, and
raises Failed with the client's own words if that is not so.
"""

import hashlib
import os
import subprocess
import urllib.request

ACCESS_KEY = "AKIAKEELSONTEST"
SECRET_KEY = "a secret/with+odd=characters"
REGION = "eu-central-1"
CREDENTIALS = f'''[[credential]]
access_key = "{ACCESS_KEY}"
secret_key = "{SECRET_KEY}"
'''

MIB = 1 << 20
LARGE = 9 * MIB  # More than the clients send in one part.
PART = 5 * MIB
PATIENCE_S = 180
# A name that must be escaped wherever it goes.
ODD = "a folder/ünd & <odd>+name%.txt"


class Failed(Exception):
    """What an operation found is not what it should have."""


class Client:
    """A client, at one address, with a scratch folder and a bucket."""

    name = None

    def __init__(self, folder, address, options):
        self.root, self.address, self.options = folder, address, options
        self.has_disturbance = False  # Then what was done may be done again by the client.

    def prepare(self, kind, operation):
        """Makes the scratch folder, and the bucket if the operation is not about making it."""
        name = f"{self.name}-{kind}-{operation[3:]}".replace("_", "-")
        self.bucket = name[:55]
        self.folder = os.path.join(self.root, name)
        os.makedirs(self.folder)
        self.setup()
        if not operation.startswith("op_make"):
            self.make_bucket()

    def setup(self):
        """What the client needs besides."""

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, size):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(os.urandom(size))
        return path

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def demand(self, holds, what):
        if not holds:
            raise Failed(what)

    def demand_equal(self, found, wanted, what=""):
        self.demand(found == wanted, f"{what}: found {found!r:.300}, wanted {wanted!r:.300}")

    def demand_same_file(self, one, other):
        self.demand(filecmp_equal(self.path(one), self.path(other)), f"{one} and {other} differ")

    def demand_same_tree(self, one, other):
        self.demand_equal(tree(self.path(other)), tree(self.path(one)), "files")

    def run(self, command, environment=None, may_fail=()):
        """The output of a command that succeeds, or fails with one of the words that it may fail with."""
        done = subprocess.run(command, env={"PATH": os.environ["PATH"], "HOME": self.folder, "NO_PROXY": "*",
                                            "LC_ALL": "C.UTF-8", **(environment or {})},
                              cwd=self.folder, stdin=subprocess.DEVNULL, timeout=PATIENCE_S, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        said = done.stdout + done.stderr
        if done.returncode != 0 and not any(word in said for word in may_fail):
            raise Failed(f"{' '.join(command)}\nexit code {done.returncode}\n{said}")
        return done.stdout

    def again(self, *words):
        """Words that a client which tried again may fail with: the first try had done it."""
        return words if self.has_disturbance else ()

    def fetch(self, url):
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=60) as answer:
            return answer.read()


def filecmp_equal(one, other):
    with open(one, "rb") as a, open(other, "rb") as b:
        return a.read() == b.read()


def tree(folder):
    found = {}
    for where, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(where, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = hashlib.sha256(file.read()).hexdigest()
    return found

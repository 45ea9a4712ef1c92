"""Processes, ports and waiting: what every test on real sockets is built of.

Whatever is started here ends with the test, however the test ends: Children stops it in an orderly
way out, and the kernel kills it when the test itself is killed.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

SKIPPED = 77  # SKIP_RETURN_CODE in tests/CMakeLists.txt.


def skip(reason):
    """Ends a test program that cannot run here. Says what is missing: a skip is not a pass."""
    print(f"SKIPPED: {reason}", flush=True)
    sys.exit(SKIPPED)


def require_programs(*names):
    missing = [name for name in names if find_program(name) is None]
    if missing:
        skip(f"not installed: {', '.join(missing)} (tools/setup --all)")


def find_program(name):
    # A user's PATH often lacks the folders of nft and haproxy.
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def wait_until(what, condition, seconds, pause=0.02):
    """Polls until `condition()` is truthy and returns that; TimeoutError naming `what` otherwise."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(pause)


def own_loopback_host():
    """An address of 127.0.0.0/8 for this process alone.

    Outgoing connections come from 127.0.0.1, so none of them can take a port here between the death
    of a server and its restart, and no other test's server can.
    """
    pid = os.getpid()
    return f"127.{1 + (pid >> 16) % 254}.{(pid >> 8) & 255}.{1 + (pid & 255) % 254}"


def free_ports(host, count):
    """Ports that the kernel chose, all different."""
    held = [socket.create_server((host, 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in held]
    for listener in held:
        listener.close()
    return ports


class Children:
    """The processes of one test, their logs, and its scratch folder.

    Start them from the main thread: the kernel's promise to kill them holds for as long as the
    thread lives that started them.
    """

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="keelson-real-")
        self.logs = []
        self._running = []

    def start(self, name, command, environment=None, stdin=subprocess.DEVNULL):
        """A process whose output goes to the log `name`, appended over restarts."""
        path = os.path.join(self.folder, name + ".log")
        if path not in self.logs:
            self.logs.append(path)
        program = find_program(command[0])
        if program is None:
            raise FileNotFoundError(command[0])
        with open(path, "ab") as log:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", program, *command[1:]],
                stdin=stdin, stdout=log, stderr=log, cwd=self.folder,
                env={**os.environ, **(environment or {})})
        self._running.append(process)
        return process

    def log_of(self, name):
        with open(os.path.join(self.folder, name + ".log"), encoding="utf-8", errors="replace") as log:
            return log.read()

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def stop(self):
        for process in self._running:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)  # Nothing stays behind stopped.
                process.kill()
            process.wait()
            if process.stdin:
                process.stdin.close()
        self._running = []
        shutil.rmtree(self.folder, ignore_errors=True)

    def print_logs(self, lines=40):
        for path in self.logs:
            with open(path, encoding="utf-8", errors="replace") as log:
                tail = log.read().splitlines()[-lines:]
            print(f"--- the end of {os.path.basename(path)}", *tail, sep="\n", flush=True)


class RealTest(unittest.TestCase):
    """A test with children. They belong to the class: its tests tell one story, in order of name."""

    binary = None  # Path of the keelson program.
    longMessage = True

    @classmethod
    def setUpClass(cls):
        cls.children = Children()
        cls.addClassCleanup(cls.children.stop)

    def run(self, result=None):
        problems = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > problems:
            self.children.print_logs()
        return result


def main(failfast=True):
    """Runs the calling module's tests: SCRIPT KEELSON-PROGRAM [unittest's arguments].

    A story whose chapter failed is not told on, hence failfast.
    """
    if len(sys.argv) < 2 or not os.access(sys.argv[1], os.X_OK):
        print(f"usage: {sys.argv[0]} KEELSON-PROGRAM [unittest's arguments]", file=sys.stderr)
        sys.exit(2)
    RealTest.binary = os.path.abspath(sys.argv.pop(1))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # So that the cleanups run.
    unittest.main(verbosity=2, failfast=failfast)

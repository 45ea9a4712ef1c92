"""A write load that knows what a store has to hold afterwards, whoever was killed meanwhile.

Each thread writes objects of its own, one request at a time, through all nodes. Most keys are
written once, and again with the same content until that is acknowledged or given up. A few keys are
overwritten again and again: of these, the last acknowledged content or a later one may be there,
and no other. So that "later" means something, a key whose last request has no known outcome is left
alone until nothing can carry that request out any more.
"""

import hashlib
import http.client
import random
import threading
import time

CLIENT_TIMEOUT = 4.0
# A request is answered or given up by the server within ten seconds (NodeConfig::request_timeout).
REST_SECONDS = 12.0
TRIES = 8
SIZE_MAX = 64 * 1024


def md5(content):
    return hashlib.md5(content).hexdigest()


class Clients:
    """Connections of one thread to all nodes, kept open as clients do. Never raises."""

    def __init__(self, nodes, timeout=CLIENT_TIMEOUT):
        self._nodes = {node.name: node.addresses["s3"] for node in nodes}
        self._connections = {}
        self._timeout = timeout

    def request(self, node, method, path, body=None):
        """(status, content), or (None, b"") when there was no answer, or (0, b"") when nothing was
        sent, as nobody listened."""
        connection = self._connections.pop(node.name, None)
        try:
            if connection is None:
                connection = http.client.HTTPConnection(self._nodes[node.name],
                                                        timeout=self._timeout)
                connection.connect()
        except OSError:
            return 0, b""
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            return None, b""
        if response.will_close:
            connection.close()
        else:
            self._connections[node.name] = connection
        return response.status, content

    def close(self):
        for connection in self._connections.values():
            connection.close()
        self._connections = {}


class Overwritten:
    """What is known of a key that one thread overwrites."""

    def __init__(self, key):
        self.key = key
        self.acknowledged = None  # The MD5 of the last one, None before the first.
        self.later = []           # Of those of unknown outcome since.
        self.rests_until = 0.0

    def may_be(self, digest):
        """`digest` None: there is no object."""
        return digest == self.acknowledged or digest in self.later


class WriterThread:
    OVERWRITTEN_KEYS = 8

    def __init__(self, nodes, bucket, name, seed, pause):
        self.acknowledged = {}  # Key -> MD5.
        self.unknown = {}       # The same: given up.
        self.overwritten = [Overwritten(f"{name}/over{i}") for i in range(self.OVERWRITTEN_KEYS)]
        self.overwrites = 0     # Acknowledged.
        self.ends = []          # When writes were acknowledged.
        self.failures = 0       # Requests that did not succeed.
        self.violations = []    # Found while the load was running.
        self._nodes = nodes
        self._bucket = bucket
        self._name = name
        self._random = random.Random(seed)
        self._pause = pause
        self._numbers = 0

    def run(self, stop):
        clients = Clients(self._nodes)
        while not stop.wait(self._pause):
            what = self._random.random()
            if what < 0.2:
                self._overwrite(clients)
            elif what < 0.3 and self.acknowledged:
                self._read_back(clients)
            else:
                self._write_new(clients, stop)
        clients.close()

    def _content(self):
        size = round(SIZE_MAX ** (self._random.random() ** 1.5))  # Mostly small, 1 to 64 KiB.
        return self._random.randbytes(size)

    def _put(self, clients, key, content):
        node = self._random.choice(self._nodes)
        status, _ = clients.request(node, "PUT", f"/{self._bucket}/{key}", content)
        if status == 200:
            self.ends.append(time.monotonic())
        else:
            self.failures += 1
        return status

    def _write_new(self, clients, stop):
        self._numbers += 1
        key, content = f"{self._name}/{self._numbers}", self._content()
        for _ in range(TRIES):
            if self._put(clients, key, content) == 200:
                self.acknowledged[key] = md5(content)
                return
            if stop.wait(0.05):
                break
        self.unknown[key] = md5(content)

    def _overwrite(self, clients):
        entry = self._random.choice(self.overwritten)
        if time.monotonic() < entry.rests_until:
            return
        content = self._content() + entry.key.encode()  # So that no two keys have the same.
        status = self._put(clients, entry.key, content)
        if status == 200:
            entry.acknowledged, entry.later = md5(content), []
            self.overwrites += 1
        elif status != 0:
            entry.later.append(md5(content))
            entry.rests_until = time.monotonic() + REST_SECONDS

    def _read_back(self, clients):
        key = self._random.choice(list(self.acknowledged))
        node = self._random.choice(self._nodes)
        status, content = clients.request(node, "GET", f"/{self._bucket}/{key}")
        if status == 404 or (status == 200 and md5(content) != self.acknowledged[key]):
            self.violations.append(f"{node}, under load: {key} is {status}, {len(content)} octets")


class DurableLoad:
    """Runs the threads: `with DurableLoad(...) as load: ...`; judge it after the end."""

    def __init__(self, nodes, bucket, name, seed, threads=6, pause=0.05):
        self.writers = [WriterThread(nodes, bucket, f"{name}{i}", f"{seed}/{name}/{i}", pause)
                        for i in range(threads)]
        self._bucket = bucket
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=writer.run, args=(self._stop,), daemon=True)
                         for writer in self.writers]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def count(self, field):
        return sum(len(getattr(writer, field)) for writer in self.writers)

    def overwrites(self):
        return sum(writer.overwrites for writer in self.writers)

    def failures(self):
        return sum(writer.failures for writer in self.writers)

    def longest_gap(self, without=()):
        """The longest time in which no write of any thread was acknowledged; spans [(start, end)]
        in `without` end one and begin the next."""
        moments = [(end, "ack") for writer in self.writers for end in writer.ends]
        for start, end in without:
            moments += [(start, "lost"), (end, "back")]
        longest, since = 0.0, None
        is_lost = False
        for moment, what in sorted(moments):
            if since is not None:
                longest = max(longest, moment - since)
            is_lost = what == "lost" or (is_lost and what != "back")
            since = None if is_lost else moment
        return longest

    def violations_at(self, node):
        """What `node`, asked for every object, tells that must not be. REQUIRES: the load ended."""
        found = [[] for _ in self.writers]
        threads = [threading.Thread(target=self._judge, args=(node, writer, into), daemon=True)
                   for writer, into in zip(self.writers, found)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [violation for into in found for violation in into]

    def _judge(self, node, writer, violations):
        clients = Clients([node], timeout=15.0)

        def digest_of(key):
            # A node may ask for patience, but not for ever.
            for _ in range(50):
                status, content = clients.request(node, "GET", f"/{self._bucket}/{key}")
                if status in (200, 404):
                    return md5(content) if status == 200 else None
                time.sleep(0.2)
            return f"no answer, the last status was {status}"

        for key, expected in writer.acknowledged.items():
            digest = digest_of(key)
            if digest != expected:
                violations.append(f"{node}: {key} acknowledged as {expected} is {digest}")
        for key, attempted in writer.unknown.items():
            digest = digest_of(key)
            if digest not in (None, attempted):
                violations.append(f"{node}: {key} of unknown outcome, {attempted}, is {digest}")
        for entry in writer.overwritten:
            digest = digest_of(entry.key)
            if not entry.may_be(digest):
                violations.append(f"{node}: {entry.key} is {digest}, not {entry.acknowledged} and "
                                  f"none of {entry.later}")
        clients.close()

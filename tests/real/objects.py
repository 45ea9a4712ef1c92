"""A client that writes S3 objects all the time and remembers which writes were acknowledged."""

import http.client
import os
import threading
import time
from collections import namedtuple

from cluster import request

# Acknowledged: `start` before its first octet was sent, `end` after the answer.
Write = namedtuple("Write", "key content start end")


class Writer:
    """Puts one new object after the other through `address`, none twice."""

    def __init__(self, address, bucket, prefix="k", pause=0.01, timeout=1.0):
        self.acknowledged = []
        self.refused = 0  # Answered, but not with success.
        self.unanswered = 0  # May have happened.
        self._address = address
        self._bucket = bucket
        self._prefix = prefix
        self._pause = pause
        self._timeout = timeout
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _write(self):
        # Kept open from one write to the next, as clients do: a balancer routes each request.
        connection = http.client.HTTPConnection(self._address, timeout=self._timeout)
        number = 0
        while not self._stop.wait(self._pause):
            number += 1
            key, content = f"{self._prefix}{number}", os.urandom(100 + number % 900)
            start = time.monotonic()
            try:
                connection.request("PUT", f"/{self._bucket}/{key}", content)
                response = connection.getresponse()
                response.read()
                status = response.status
            except (OSError, http.client.HTTPException):
                self.unanswered += 1
                connection.close()  # The next request opens it anew.
                continue
            if status == 200:
                self.acknowledged.append(Write(key, content, start, time.monotonic()))
            else:
                self.refused += 1
        connection.close()

    def first_since(self, moment):
        """The first acknowledged write that began after `moment`, or None."""
        return next((write for write in list(self.acknowledged) if write.start > moment), None)

    def longest_gap(self):
        """The longest time between the ends of two acknowledged writes, in seconds."""
        ends = [write.end for write in self.acknowledged]
        return max((after - before for before, after in zip(ends, ends[1:])), default=0.0)


def missing_or_changed(writes, address, bucket):
    """Which of the acknowledged writes cannot be read back byte for byte at `address`."""
    wrong = []
    for write in writes:
        answer = request(address, "GET", f"/{bucket}/{write.key}")
        if answer.status != 200 or answer.body != write.content:
            wrong.append((write.key, answer.status, len(answer.body), len(write.content)))
    return wrong

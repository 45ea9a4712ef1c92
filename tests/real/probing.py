"""Leader probes asked of every node all the time, and the judgement of their answers.

What is judged is the promise itself, on what clients saw: once a probe has been answered 200 by the
leader of some term, no probe that begins later is answered 200 by the leader of an earlier term.
All times are of one clock, that of the machine all of it runs on.

Which term a 200 was given in is not in the answer. It is bounded by the terms the same node showed
before the probe began and after it was answered, as a node's term never falls; and a term that
another node was seen to lead cannot be the one. Where that leaves a doubt, nothing is held against
the node. Tested by probing_test.py.
"""

import threading
import time
from collections import defaultdict, namedtuple

UNBOUNDED = float("inf")

# A node was in this term at some instant from start to end.
TermSeen = namedtuple("TermSeen", "node start end term")
# A 200, and the terms it may have been given in.
Yes = namedtuple("Yes", "answer lowest highest")


class Prober:
    """A thread for each node that probes it over and over, and learns its term after each answer."""

    def __init__(self, nodes, pause=0.02, timeout=1.5):
        self.answers = []
        self.terms = []
        self._nodes = nodes
        self._pause = pause
        self._timeout = timeout
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._probe, args=(node,), daemon=True)
                         for node in nodes]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def record(self, answer):
        """Adds an answer that the test asked for itself."""
        self.answers.append(answer)
        term = answer.headers.get("X-Keelson-Term")
        if answer.status == 503 and term is not None:
            self.terms.append(TermSeen(answer.node, answer.start, answer.end, int(term)))

    def _probe(self, node):
        while not self._stop.wait(self._pause):
            answer = node.probe_leader(timeout=self._timeout)
            self.record(answer)
            if answer.status == 200:
                start = time.monotonic()
                group = node.group(timeout=self._timeout)
                if group:
                    self.terms.append(TermSeen(node.name, start, time.monotonic(), group["term"]))

    def yeses(self, node=None, since=0.0):
        return [a for a in list(self.answers)
                if a.status == 200 and a.start >= since and node in (None, a.node)]

    def count(self, node, status, since):
        return sum(1 for a in list(self.answers)
                   if a.node == node and a.status == status and a.start >= since)


def bound_terms(answers, terms):
    """Each 200 with the terms between which its node must have been."""
    seen = defaultdict(list)
    for term in terms:
        seen[term.node].append(term)
    found = []
    for answer in answers:
        if answer.status != 200:
            continue
        before = [t.term for t in seen[answer.node] if t.end <= answer.start]
        after = [t.term for t in seen[answer.node] if t.start >= answer.end]
        found.append(Yes(answer, max(before, default=0), min(after, default=UNBOUNDED)))
    return found


def judge(answers, terms):
    """The broken promises, in words; and term -> the node that was seen to lead it."""
    yeses = bound_terms(answers, terms)
    breaches = []
    leaders = {}
    for yes in yeses:
        if yes.lowest != yes.highest:
            continue
        other = leaders.setdefault(yes.lowest, yes.answer.node)
        if other != yes.answer.node:
            breaches.append(f"term {yes.lowest} was led by {other} and by {yes.answer.node}")
    # When each term was first known to have a leader: when the first 200 of it was received.
    known_since = {}
    for yes in yeses:
        if yes.lowest == yes.highest:
            known_since[yes.lowest] = min(known_since.get(yes.lowest, UNBOUNDED), yes.answer.end)
    for yes in yeses:
        highest = yes.highest
        while highest >= yes.lowest and leaders.get(highest, yes.answer.node) != yes.answer.node:
            highest -= 1
        for term, since in known_since.items():
            if term > highest and yes.answer.start > since:
                breaches.append(
                    f"{yes.answer.node} answered 200 in term {yes.lowest} to {highest}, to a probe "
                    f"begun {1000 * (yes.answer.start - since):.1f} ms after {leaders[term]} had "
                    f"answered 200 in term {term}")
    return breaches, leaders

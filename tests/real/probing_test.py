#!/usr/bin/env python3
"""The judgement of probes sees what it should, and blames no one wrongly."""

import unittest

from cluster import Answer
from probing import TermSeen, judge


def answer(node, start, end, status=200):
    return Answer(node, start, end, status, {}, b"")


def seen(node, at, term):
    return TermSeen(node, at, at, term)


class Judgement(unittest.TestCase):
    def judge(self, answers, terms):
        return judge(answers, terms)[0]

    def test_one_leader_after_another_is_in_order(self):
        answers = [answer("a", 1, 2), answer("b", 5, 6), answer("a", 9, 10)]
        terms = [seen("a", 0, 1), seen("a", 3, 1), seen("b", 4, 2), seen("b", 7, 2),
                 seen("a", 8, 3), seen("a", 11, 3)]
        breaches, leaders = judge(answers, terms)
        self.assertEqual(breaches, [])
        self.assertEqual(leaders, {1: "a", 2: "b", 3: "a"})

    def test_a_stale_yes_is_a_breach(self):
        answers = [answer("b", 5, 6), answer("a", 6.5, 7)]
        terms = [seen("b", 4, 2), seen("b", 7, 2), seen("a", 4, 1), seen("a", 8, 1)]
        self.assertEqual(len(self.judge(answers, terms)), 1)

    def test_a_stale_yes_is_a_breach_though_the_node_learns_of_the_new_term_at_once(self):
        answers = [answer("b", 5, 6), answer("a", 6.5, 7)]
        terms = [seen("b", 4, 2), seen("b", 7, 2), seen("a", 4, 1), seen("a", 8, 2)]
        self.assertEqual(len(self.judge(answers, terms)), 1)

    def test_a_probe_begun_before_the_new_leader_answered_may_be_yes(self):
        answers = [answer("b", 5, 6), answer("a", 5.9, 7)]
        terms = [seen("b", 4, 2), seen("b", 7, 2), seen("a", 4, 1), seen("a", 8, 1)]
        self.assertEqual(self.judge(answers, terms), [])

    def test_two_leaders_of_one_term_are_a_breach(self):
        answers = [answer("a", 1, 2), answer("b", 1, 2)]
        terms = [seen("a", 0, 4), seen("a", 3, 4), seen("b", 0, 4), seen("b", 3, 4)]
        self.assertEqual(len(self.judge(answers, terms)), 1)

    def test_a_node_that_may_have_been_elected_again_is_not_blamed(self):
        answers = [answer("b", 5, 6), answer("a", 8, 9)]
        terms = [seen("b", 4, 2), seen("b", 7, 2), seen("a", 4, 1), seen("a", 10, 3)]
        self.assertEqual(self.judge(answers, terms), [])

    def test_refusals_are_never_a_breach(self):
        answers = [answer("b", 5, 6), answer("a", 6.5, 7, 503), answer("a", 7, 8, None)]
        terms = [seen("b", 4, 2), seen("b", 7, 2), seen("a", 4, 1), seen("a", 8, 1)]
        self.assertEqual(self.judge(answers, terms), [])


if __name__ == "__main__":
    unittest.main()

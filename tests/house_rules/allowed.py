"""Exceptions to the house rules. Each names the rule, the file, a piece of the line, and the reason."""

from collections import namedtuple

Allowed = namedtuple("Allowed", "rule path text reason")

ALLOWED = [
    Allowed("outside_header", "core/runtime/fiber.cc", "<sys/mman.h>",
            "guarded stacks for fibers come from mmap; nothing of the outside can be learnt from it"),
    Allowed("mutable_static", "core/runtime/fiber.cc", "current_fiber",
            "which fiber runs on this thread: the one exception, as there is no other way to ask"),
    Allowed("banned_name", "core/runtime/fiber.cc", "current_fiber",
            "the same"),
    Allowed("banned_name", "core/runtime/fiber.cc", "throw FiberKilled",
            "how a fiber's stack is unwound: thrown and caught inside this file, past no suspension"),
    Allowed("mutable_static", "core/base/check.cc", "installed",
            "the process's CHECK handler, installed by the outermost harness before a run"),
]

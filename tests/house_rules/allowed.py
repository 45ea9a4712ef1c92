"""Exceptions to the house rules. Each names the rule, the file, a piece of the line, and the reason."""

from collections import namedtuple

Allowed = namedtuple("Allowed", "rule path text reason")  # An empty text excuses every line.

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
    Allowed("banned_name", "sim/tripwire/tripwire.cc", "",
            "it defines the banned functions, so that whoever calls one in a simulated run is ended"),
    Allowed("mutable_static", "sim/tripwire/tripwire.cc", "armed_depth",
            "the C library's functions have no argument through which it could be handed in"),
    Allowed("banned_name", "core/api/metrics.cc", "double",
            "Prometheus' library takes numbers with a fraction; only its rendering sees them"),
    Allowed("macros", "core/api/credentials.cc", "TOML_EXCEPTIONS",
            "how toml++ is told to return errors and throw nothing"),
    Allowed("macros", "tools/server/serve_options.cc", "TOML_EXCEPTIONS", "the same"),
    Allowed("heavy_header", "core/kv/wire.h", "core/kv/kv.pb.h",
            "for the .cc files of core/kv alone: the step between its structs and their messages"),
    Allowed("banned_name", "tests/net/reactor_test.cc", "std::this_thread::sleep_for(",
            "so that the other thread finds the loop asleep; what is tested holds if it does not, too"),
]

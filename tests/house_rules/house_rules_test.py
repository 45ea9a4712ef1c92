#!/usr/bin/env python3
"""Shows that every house rule catches an offender planted for it, and lets its neighbour be."""

import os
import subprocess
import sys
import tempfile
import unittest

from allowed import Allowed
from cpp_source import without_comments_and_literals
from house_rules import BANNED, FUNCTION_LINES_MAX, RULES, Tree, breaches

HEADER = "// What it is.\n#pragma once\n"

# (rule, path, text, line): the text put at that path breaks that rule in that line.
OFFENDERS = [
    ("include_direction", "core/raft/a.cc", '#include "core/kv/store.h"\n', 1),
    ("include_direction", "core/raft/a.cc", '#include "core/storage/wal.h"\n', 1),
    ("include_direction", "core/storage/a.cc", '#include "core/raft/raft.h"\n', 1),
    ("include_direction", "core/base/a.cc", '#include "core/runtime/clock.h"\n', 1),
    ("include_direction", "core/kv/a.cc", '#include "core/api/http.h"\n', 1),
    ("include_direction", "core/kv/a.cc", '#include "core/node.h"\n', 1),
    ("include_direction", "core/node.cc", '#include "admin/admin_router.h"\n', 1),
    ("include_direction", "core/node.cc", '#include "sim/world.h"\n', 1),
    ("include_direction", "sim/a.cc", '\n#include "net/reactor.h"\n', 2),
    ("include_direction", "sim/a.cc", '#include "core/raft/raft.h"\n', 1),
    ("include_direction", "net/a.cc", '#include "sim/world.h"\n', 1),
    ("include_direction", "admin/a.cc", '#include "scenarios/scenario.h"\n', 1),
    ("include_direction", "scenarios/a.cc", '#include "net/reactor.h"\n', 1),
    ("include_direction", "scenarios/a.cc", '#include "tests/core/clock.h"\n', 1),
    ("include_direction", "core/extra/a.cc", "int f();\n", 1),
    ("include_form", "core/raft/a.cc", '#include "types.h"\n', 1),
    ("include_form", "core/raft/a.cc", "#include <core/raft/types.h>\n", 1),
    ("include_form", "core/raft/a.cc", '#include "core/raft/raft.cc"\n', 1),
    ("include_form", "core/raft/raft.cc", '#include "core/raft/types.h"\n#include "core/raft/raft.h"\n', 1),
    ("heavy_header", "core/api/a.h", HEADER + "#include <boost/beast/http.hpp>\n", 3),
    ("heavy_header", "core/api/a.h", HEADER + "#include <boost/json.hpp>\n", 3),
    ("heavy_header", "net/a.h", HEADER + "#include <openssl/ssl.h>\n", 3),
    ("heavy_header", "tests/core/a.h", HEADER + "#include <rapidcheck.h>\n", 3),
    ("heavy_header", "core/raft/a.h", HEADER + '#include "core/raft/wire.pb.h"\n', 3),
    ("wrapped_library", "scenarios/a.cc", "#include <boost/context/fiber.hpp>\n", 1),
    ("wrapped_library", "core/kv/a.cc", "#include <sqlite3.h>\n", 1),
    ("outside_header", "core/kv/a.cc", "#include <thread>\n", 1),
    ("outside_header", "admin/a.cc", "#include <sys/socket.h>\n", 1),
    ("macros", "sim/a.cc", "# define MAX(a, b) 1\n", 1),
    ("header_shape", "sim/a.h", "// What it is.\nint f();\n", 1),
    ("header_shape", "sim/a.h", "#pragma once\n", 1),
    ("header_shape", "sim/a.h", HEADER + "using namespace std;\n", 3),
    ("header_shape", "sim/a.h", HEADER + "using namespace std::chrono_literals;\n", 3),
    ("header_shape", "tests/sim/a.h", HEADER + "using namespace keelson;\n", 3),
    ("todo", "sim/a.cc", "int a();\n// TODO: make it faster\n", 2),
    ("todo", "sim/a.cc", "/* FIXME */\n", 1),
    ("sizes", "sim/a.cc", "//\n" * 601, 600),
    ("sizes", "sim/a.cc", "// " + "x" * 98 + "\n", 1),
    ("sizes", "sim/a.cc", "int f(); \n", 1),
    ("sizes", "tests/a.py", "#\n" * 601, 600),
    ("function_size", "sim/a.cc", "namespace n {\nint f() {\n" + "  g();\n" * FUNCTION_LINES_MAX + "}\n}\n", 2),
    ("check_density", "sim/a.cc", "int f();\n" * 200, 0),
    ("two_draws", "sim/a.cc", "int f() { return g(a.below(2), b.below(3)); }\n", 1),
    ("two_draws", "scenarios/a.cc", "int f() {\n  return between(stream, 1, 2) * (stream.choose(2) == 0 ? 1 : -1);\n}\n", 2),
    ("two_draws", "sim/a.cc", "int f() {\n  return s->choose(2) -\n      s->choose(3);\n}\n", 3),
    ("mutable_static", "sim/a.cc", "int f() {\n  static int calls = 0;\n  return ++calls;\n}\n", 2),
    ("mutable_static", "sim/a.cc", "int f() { return [] { static Cache cache(4); return 1; }(); }\n", 1),
    ("mutable_static", "sim/a.cc", "namespace n {\n\nstd::vector<int> seen;\n}\n", 3),
    ("mutable_static", "sim/a.cc", "namespace {\nint count = 0;\n}\n", 2),
    ("mutable_static", "sim/a.cc", "static int count;\n", 1),
    ("mutable_static", "sim/a.h", HEADER + "struct A {\n  inline static int count = 0;\n};\n", 4),
    ("top_level", "notes.txt", "hello\n", 0),
    ("top_level", "src/a.txt", "hello\n", 0),
    ("readme", "bench/a.txt", "hello\n", 0),
    ("machine_path", "tools/a", "cd /" + "wo" + "rk/main\n", 1),
    ("machine_path", "sim/a.cc", '\nauto p = "/' + "t" + 'mp/x";\n', 2),
]

# One offender for each banned name, in each folder it is banned in.
BANNED_CODE = {
    "unordered": "std::unordered_map<int, int> f();",
    "std-hash": "auto f() { return std::hash<int>()(1); }",
    "pointer-key": "std::map<const raft::Node*, int> f();",
    "std-random": "int f(std::uniform_int_distribution<int> d);",
    "c-random": "int f() { return rand(); }",
    "clock": "auto f() { return std::chrono::steady_clock::now(); }",
    "getenv": 'auto f() { return std::getenv("A"); }',
    "thread": "void f(std::thread t);",
    "directory-order": "void f(std::filesystem::directory_iterator i);",
    "thread-local": "void f() { thread_local const int a = 1; }",
    "floating-point": "bool f(double chance);",
    "shared-ptr": "std::shared_ptr<int> f();",
    "catch-all": "void f() { try { g(); } catch ( ... ) {} }",
    "throw": "void f() { throw std::runtime_error(g()); }",
    "assert": "void f() { assert(true); }",
    "sleep-and-hope": "void f() { std::this_thread::sleep_for(d); }",
    "skipped-test": "TEST(A, DISABLED_B) {}",
}

# Text that must offend nothing where it stands.
INNOCENT = [
    ("core/kv/a.cc", '#include "core/raft/raft.h"\n#include "core/storage/wal.h"\n'),
    ("core/storage/a.cc", '#include "core/raft/types.h"\n'),
    ("core/raft/a.cc", '#include "core/raft/wire.pb.h"\n'),
    ("tests/sim/a.h", HEADER + "using namespace std::chrono_literals;\n"),
    ("core/api/a.h", HEADER + "#include <boost/json/fwd.hpp>\n"),
    ("tests/sim/a.cc", '#include "net/reactor.h"\n#include "sim/world.h"\n'),
    ("sim/a.cc", "// rand() and std::unordered_map, /tmp alone, catch (...)\n"),
    ("sim/a.cc", 'const char* const kText = "std::thread \\" rand()";\n'),
    ("sim/a.cc", 'const char* const kText = R"(\nstd::mutex " )";\n'),
    ("sim/a.cc", "constexpr int kMillion = 1'000'000; const char kQuote = '\"'; // rand()\n"),
    ("sim/a.cc", "Random& random(Time time); auto x() { return event.time(); }\n"),
    ("sim/a.cc", "int f() { return g({a.below(2), b.below(3)}); }\n"),
    ("sim/a.cc", "int f() { const int a = s.below(2); const int b = s.below(3); return a - b; }\n"),
    ("sim/a.cc", "bool f() { return s.chance(2) && s.chance(3); }\n"),
    ("sim/a.cc", "int f() {\n  static constexpr int kA = 1;\n  static const std::string kB = g();\n  return kA;\n}\n"),
    ("sim/a.cc", "static int f(int a);\nint g(int);\nextern const int kA;\nconstexpr auto kB = std::int64_t{1} << 3;\n"),
    ("sim/a.h", HEADER + "class A {\n static int f();\n static constexpr int kA = 1;\n int a_ = 0;\n};\n"),
    ("sim/a.cc", "A::A(int a) : a_{a}, b_(a) {\n  for (int i = 0; i < a; ++i) {\n    b_ += i;\n  }\n}\nint A::f() { return 1; }\n"),
    ("sim/a.cc", "// TODO: keep an index, once a run has more than a thousand nodes.\n"),
    ("sim/a.cc", "__extension__ using Wide = unsigned __int128;\n"),
    ("sim/a.cc", "#ifdef __SANITIZE_ADDRESS__\nint f();\n#endif\n"),
    ("core/base/check.h", HEADER + "#define CHECK(c)\n#define KEELSON_X 1\n"),
]


def tree_of(path, text):
    """A small tree without breaches, with one more file in it."""
    files = {
        "core/raft/types.h": HEADER, "core/raft/raft.h": HEADER, "core/raft/wire.proto": "",
        "core/kv/store.h": HEADER, "core/storage/wal.h": HEADER, "core/base/check.h": HEADER,
        "core/runtime/clock.h": HEADER, "core/api/http.h": HEADER, "core/node.h": HEADER,
        "admin/admin_router.h": HEADER, "sim/world.h": HEADER, "net/reactor.h": HEADER,
        "scenarios/scenario.h": HEADER, "tests/core/clock.h": HEADER, "CMakeLists.txt": "",
        "LICENSE": None, ".gitignore": "",
    }
    for folder in ["core", "core/base", "core/runtime", "core/raft", "core/storage", "core/kv", "core/api",
                   "core/extra", "admin", "sim", "net", "scenarios", "tests", "tools"]:
        files[folder + "/README.md"] = "What is here.\n"
    files[path] = text
    return Tree(files)


class HouseRules(unittest.TestCase):
    def test_a_clean_tree_has_no_breach(self):
        self.assertEqual(breaches(tree_of("core/README.md", ""), allowed=[]), [])

    def test_each_offender_is_caught_by_its_rule_in_its_line(self):
        for rule, path, text, line in OFFENDERS:
            with self.subTest(rule=rule, path=path, text=text[:60]):
                found = breaches(tree_of(path, text), allowed=[])
                self.assertIn((rule, line), [(b.rule, b.line) for b in found])

    def test_every_rule_has_an_offender(self):
        planted = {offender[0] for offender in OFFENDERS} | {"banned_name"}
        self.assertEqual(planted, {rule.__name__ for rule in RULES})

    def test_every_banned_name_is_caught_wherever_it_is_banned(self):
        self.assertEqual(set(BANNED_CODE), {banned.name for banned in BANNED})
        for banned in BANNED:
            for folder in banned.folders:
                with self.subTest(name=banned.name, folder=folder):
                    found = breaches(tree_of(folder + "/a.cc", "\n" + BANNED_CODE[banned.name] + "\n"), allowed=[])
                    self.assertEqual([(b.rule, b.line) for b in found if f"({banned.name})" in b.message],
                                     [("banned_name", 2)])

    def test_the_innocent_are_let_be(self):
        for path, text in INNOCENT:
            with self.subTest(path=path, text=text):
                self.assertEqual(breaches(tree_of(path, text), allowed=[]), [])

    def test_an_exception_excuses_its_line_and_no_other(self):
        tree = tree_of("sim/a.cc", "namespace {\nint allowed_one;\nint other;\n}\n")
        excuse = Allowed("mutable_static", "sim/a.cc", "allowed_one", "for this test")
        self.assertEqual([b.line for b in breaches(tree, allowed=[excuse])], [3])

    def test_an_exception_that_excuses_nothing_is_a_breach(self):
        excuse = Allowed("mutable_static", "sim/world.h", "gone", "for this test")
        found = breaches(tree_of("core/README.md", ""), allowed=[excuse])
        self.assertEqual([(b.rule, b.path) for b in found], [("allowed", "sim/world.h")])

    def test_blanking_keeps_every_line_and_column(self):
        text = 'int a; // "\nchar b = \'"\'; /* x\n y */ auto c = "//";\n'
        blanked = without_comments_and_literals(text)
        self.assertEqual(len(blanked), len(text))
        self.assertEqual(blanked.split(), ["int", "a;", "char", "b", "=", "'", "';", "auto", "c", "=", '"', '";'])


class Program(unittest.TestCase):
    """The program itself, on trees in a folder."""

    def run_on(self, tree):
        with tempfile.TemporaryDirectory() as root:
            for path, text in tree.files.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)) or root, exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                    file.write(text or "")
            os.makedirs(os.path.join(root, "build-x"))
            with open(os.path.join(root, "build-x", "a.h"), "w", encoding="utf-8") as file:
                file.write("using namespace std;\n")
            program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "house_rules.py")
            return subprocess.run([sys.executable, program, root], capture_output=True, text=True, check=False)

    def test_exits_with_1_and_names_the_place_of_a_breach(self):
        result = self.run_on(tree_of("sim/a.cc", "\nvoid f() { rand(); }\n"))
        self.assertEqual(result.returncode, 1)
        self.assertIn("sim/a.cc:2: banned_name:", result.stdout)
        self.assertNotIn("build-x", result.stdout)

    def test_refuses_to_judge_a_folder_without_sources(self):
        self.assertEqual(self.run_on(Tree({"README.md": ""})).returncode, 2)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""Shows that hermetic.py catches an object that asks for a clock, a socket, a file, a thread or chance.

    tests/hermetic/hermetic_test.py COMPILER     the C++ compiler that makes the offenders
"""

import os
import subprocess
import sys
import tempfile
import unittest

import hermetic

COMPILER = "c++"

OFFENDERS = {
    "clock_gettime": "#include <ctime>\nvoid f(timespec* t) { clock_gettime(CLOCK_MONOTONIC, t); }",
    "time": "#include <ctime>\nlong f() { return time(nullptr); }",
    "std::chrono::_V2::steady_clock::now()": "#include <chrono>\nauto f() { return std::chrono::steady_clock::now(); }",
    "std::chrono::_V2::system_clock::now()": "#include <chrono>\nauto f() { return std::chrono::system_clock::now(); }",
    "socket": "#include <sys/socket.h>\nint f() { return socket(1, 2, 3); }",
    "connect": "#include <sys/socket.h>\nint f() { return connect(1, nullptr, 3); }",
    "open": "#include <fcntl.h>\nint f(const char* p) { return open(p, 0); }",
    "fopen": "#include <cstdio>\nFILE* f(const char* p) { return fopen(p, p); }",
    "read": "#include <unistd.h>\nlong f(void* p) { return read(0, p, 1); }",
    "rename": "#include <cstdio>\nint f(const char* p) { return std::rename(p, p); }",
    "getrandom": "#include <sys/random.h>\nlong f(void* p) { return getrandom(p, 8, 0); }",
    "rand": "#include <cstdlib>\nint f() { return rand(); }",
    "std::random_device::_M_getval()": "#include <random>\nunsigned f(std::random_device& d) { return d(); }",
    "getenv": "#include <cstdlib>\nchar* f() { return getenv(\"A\"); }",
    "pthread_create": "#include <pthread.h>\nint f(pthread_t* t, void* (*g)(void*)) { return pthread_create(t, 0, g, 0); }",
    "fork": "#include <unistd.h>\nint f() { return fork(); }",
    "syscall": "#include <unistd.h>\nlong f() { return syscall(228); }",
    "mmap": "#include <sys/mman.h>\nvoid* f() { return mmap(nullptr, 1, 0, 0, 0, 0); }",
    "RAND_bytes": 'extern "C" int RAND_bytes(unsigned char*, int);\nint f(unsigned char* p) { return RAND_bytes(p, 1); }',
    "std::cout": "#include <iostream>\nvoid f() { std::cout << 1; }",
}
INNOCENT = """
#include <map>
#include <string>
#include <vector>
#include <charconv>
#include <chrono>
std::map<std::string, std::vector<int>> f(const std::string& key) {
  std::map<std::string, std::vector<int>> made;
  made[key + "x"].push_back(static_cast<int>(key.size()));
  if (key.empty()) throw key;
  return made;
}
std::chrono::steady_clock::time_point g() { return {}; }
struct Base { virtual ~Base() = default; virtual int h() { return 1; } };
Base* make() { return new Base; }
"""


class Hermetic(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def library_of(self, text, member="planted"):
        source = os.path.join(self.folder.name, member + ".cc")
        with open(source, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        subprocess.run([COMPILER, "-std=c++20", "-O2", "-c", source, "-o", source + ".o"], check=True)
        library = os.path.join(self.folder.name, f"lib{member}.a")
        subprocess.run(["ar", "rcs", library, source + ".o"], check=True)
        return library

    def test_each_planted_offender_is_caught_by_name(self):
        for name, text in OFFENDERS.items():
            with self.subTest(name=name):
                found = hermetic.breaches([self.library_of(text)])
                self.assertIn(("planted.cc.o", name), [(r.member, n) for r, n in found])

    def test_ordinary_code_is_let_be(self):
        self.assertEqual(hermetic.breaches([self.library_of(INNOCENT)]), [])

    def test_a_name_defined_in_a_library_beside_it_is_no_outside(self):
        asks = self.library_of('extern "C" int helper_of_ours();\nint f() { return helper_of_ours(); }', "asks")
        answers = self.library_of('extern "C" int helper_of_ours() { return 1; }', "answers")
        self.assertEqual(len(hermetic.breaches([asks])), 1)
        self.assertEqual(hermetic.breaches([asks, answers]), [])

    def test_the_stacks_of_fibers_are_excused_in_their_own_file_only(self):
        text = OFFENDERS["mmap"]
        self.assertEqual(hermetic.breaches([self.library_of(text, "fiber")]), [])
        self.assertEqual(len(hermetic.breaches([self.library_of(text, "other")])), 1)

    def test_the_program_exits_with_1_for_an_offender_and_0_without(self):
        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "hermetic.py")

        def run(*libraries):
            return subprocess.run([sys.executable, program, *libraries], capture_output=True, check=False).returncode

        self.assertEqual(run(self.library_of(OFFENDERS["socket"], "bad")), 1)
        self.assertEqual(run(self.library_of(INNOCENT, "good")), 0)
        self.assertEqual(run(), 2)


if __name__ == "__main__":
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        COMPILER = sys.argv.pop(1)
    unittest.main()

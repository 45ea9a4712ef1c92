#!/usr/bin/env python3
"""The house rules, as a test: what may include what, which names are banned where, sizes and shape.

    tests/house_rules/house_rules.py [ROOT]     prints every breach as path:line: rule: message

Exits 1 if there is one. Exceptions stand in allowed.py, each with its reason; one that excuses
nothing any more is a breach itself. house_rules_test.py shows that each rule catches an offender.
"""

import os
import re
import sys
from collections import namedtuple

from allowed import ALLOWED
from cpp_source import comments, statements, without_comments_and_literals, without_preprocessor

Breach = namedtuple("Breach", "path line rule message")

TOP_LEVEL = {
    "CMakeLists.txt", "CMakePresets.json", "README.md", "LICENSE",
    "core", "sim", "net", "admin", "scenarios", "bench", "tests", "tools",
}
CODE_FOLDERS = ["core", "admin", "sim", "net", "scenarios", "bench", "tests", "tools"]
DETERMINISTIC = ["core", "admin", "sim", "scenarios"]
HERMETIC = ["core", "admin"]
PRODUCT = ["core", "admin", "sim", "net", "scenarios"]

BASE = ["core/base"]
RUNTIME = BASE + ["core/runtime"]
CORE = RUNTIME + ["core/raft", "core/storage", "core/kv", "core/api", "core"]
# Folder -> folders whose headers it may include, itself aside. A name with a dot is one file.
MAY_INCLUDE = {
    "core/base": [],
    "core/runtime": BASE,
    "core/raft": RUNTIME,
    "core/storage": RUNTIME + ["core/raft/types.h"],
    "core/kv": RUNTIME + ["core/raft", "core/storage"],
    "core/api": RUNTIME + ["core/raft", "core/storage", "core/kv"],
    "core": CORE,
    "admin": CORE,
    "sim": RUNTIME,
    "net": RUNTIME,
    "scenarios/checker": BASE,
    "scenarios": CORE + ["sim", "admin", "scenarios/checker"],
}
MAY_INCLUDE_ANYTHING = ["bench", "tests", "tools"]

# Libraries that cost every reader of a header too much: only in .cc files.
HEAVY = re.compile(
    r"boost/(beast|json|url|asio)(?!.*fwd\.hpp)|openssl/|rapidcheck|google/protobuf|.*\.pb\.h$|pugixml|CLI/|toml\+\+|"
    r"prometheus/|sqlite3|iostream$|regex$"
)
# Libraries wrapped in one place. Programs, tests and benchmarks are free.
WRAPPED = {
    r"xxhash": ["core/base"],
    r"boost/context/": ["core/runtime"],
    r"sqlite3": ["core/storage"],
    r"boost/beast": ["core/api"],
    r"pugixml": ["core/api"],
}
# What gives a clock, a socket, a file, a thread or hashed order: not in a hermetic folder.
OUTSIDE_HEADERS = re.compile(
    r"(sys/|netinet/|arpa/|linux/)|(unistd|fcntl|pthread|dirent|netdb|poll|signal|time|ctime|thread|mutex|"
    r"shared_mutex|condition_variable|future|semaphore|stop_token|fstream|filesystem|iostream|random|"
    r"unordered_map|unordered_set)(\.h)?$"
)

Banned = namedtuple("Banned", "name pattern folders instead")
BANNED = [
    Banned("unordered", r"\bunordered_(multi)?(map|set)\b", DETERMINISTIC, "an ordered container"),
    Banned("std-hash", r"\bstd::hash\b", DETERMINISTIC, "hash64 of core/base/bytes.h"),
    Banned("pointer-key", r"\bstd::(multi)?(map|set)<\s*[\w:\s]*[\w>]\s*\*\s*[,>]", DETERMINISTIC,
           "an id as the key: addresses differ between runs"),
    Banned("std-random", r"\b(\w+_distribution|random_device|random_shuffle|mt19937\w*|default_random_engine)\b"
           r"|\bstd::(shuffle|sample)\b", DETERMINISTIC, "Random (core/runtime/random.h) or a ChoiceStream"),
    Banned("c-random", r"(?<![\w.>])(rand|srand|rand_r|drand48|lrand48|arc4random\w*|getrandom|getentropy)\s*\(",
           DETERMINISTIC, "Random or a ChoiceStream"),
    Banned("clock", r"\b\w+_clock::now\b|(?<![\w.>])(clock_gettime|gettimeofday|clock_nanosleep|nanosleep|usleep)\s*\("
           r"|(?<![\w.>])(std::)?time\s*\(\s*(nullptr|NULL|0|&\w+)\s*\)", DETERMINISTIC, "Clock"),
    Banned("getenv", r"\b(secure_)?getenv\s*\(", DETERMINISTIC, "a field of NodeConfig"),
    Banned("thread", r"\bstd::(jthread|thread|async|mutex|shared_mutex|recursive_mutex|condition_variable\w*|"
           r"future|promise|this_thread|call_once|atomic\w*)\b|\bpthread_\w+", DETERMINISTIC,
           "fibers of a TaskGroup and core/runtime/sync.h"),
    Banned("directory-order", r"\b(readdir|scandir|(recursive_)?directory_iterator)\b", DETERMINISTIC, "Disk::list"),
    Banned("thread-local", r"\bthread_local\b", DETERMINISTIC, "a member"),
    Banned("floating-point", r"\b(float|double)\b", DETERMINISTIC, "integers: nothing is decided by rounding"),
    Banned("shared-ptr", r"\b(shared_ptr|weak_ptr|enable_shared_from_this)\b", ["core"], "a value or a unique_ptr"),
    Banned("catch-all", r"\bcatch\s*\(\s*\.\.\.\s*\)", PRODUCT + ["tools"],
           "nothing: it would swallow the unwinding of a killed fiber"),
    Banned("throw", r"(?<!\w)throw\b(?!\s*\()", PRODUCT, "Result for what is expected, CHECK for bugs"),
    Banned("assert", r"(?<![\w.])assert\s*\(", CODE_FOLDERS, "CHECK, which stays on in every build"),
    Banned("sleep-and-hope", r"\bthis_thread::sleep_\w+|(?<![\w.>])(usleep|sleep)\s*\(", ["tests"],
           "waiting for the condition itself, with a deadline"),
    Banned("skipped-test", r"\bGTEST_SKIP\b|\bDISABLED_\w+", ["tests"], "running the test, or deleting it"),
]

LINE_MAX = 100
FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 80
CHECKS_PER_1000_LINES = 20
# Methods that draw, and calls of functions that are handed a stream to draw from.
DRAWS = re.compile(r"(?:\.|->)(?:below|choose|chance|rarely)\s*\("
                   r"|\b(?:between|pick(?:<[\w:]+>)?|draw_\w+)\s*\((?=\w*(?:stream|chance|swarm))")
# Joined, so that this file does not break its own rule.
MACHINES = "|".join(["wo" + "rk", "ho" + "me", "t" + "mp", "ro" + "ot", "Us" + "ers"])
MACHINE_PATHS = re.compile(r"(?<![\w.~$}*-])/(?:" + MACHINES + ")/")


class Tree:
    """The files of a checkout: path from the root -> text, None if it is not text."""

    SKIPPED = {".git", "out", "__pycache__", "node_modules", ".cache", ".ccache"}

    def __init__(self, files):
        self.files = dict(sorted(files.items()))
        self._code = {}

    @classmethod
    def of_folder(cls, root):
        files = {}
        for folder, subfolders, names in os.walk(root):
            subfolders[:] = [s for s in subfolders if s not in cls.SKIPPED]
            if folder == root:
                subfolders[:] = [s for s in subfolders if not re.fullmatch(r"build(-.*)?", s)]
            for name in names:
                full = os.path.join(folder, name)
                try:
                    with open(full, encoding="utf-8", newline="") as file:
                        files[os.path.relpath(full, root)] = file.read()
                except UnicodeDecodeError:
                    files[os.path.relpath(full, root)] = None
                except FileNotFoundError:
                    pass  # A dangling link, or gone since the folder was listed.
        return cls(files)

    def text_files(self):
        return [(path, text) for path, text in self.files.items() if text is not None]

    def cpp(self, folders=CODE_FOLDERS, endings=(".h", ".cc")):
        return [(p, t) for p, t in self.text_files() if p.endswith(endings) and is_in(p, folders)]

    def code(self, path):
        """The file without comments and the contents of literals; same lines."""
        if path not in self._code:
            self._code[path] = without_comments_and_literals(self.files[path])
        return self._code[path]

    def includes(self, path):
        """(line, target, in angle brackets) of each #include."""
        found = []
        raw = self.files[path].split("\n")
        for number, line in enumerate(self.code(path).split("\n"), 1):
            if re.match(r"\s*#\s*include\b", line):
                match = re.match(r'\s*#\s*include\s*(?:"([^"]*)"|<([^>]*)>)', raw[number - 1])
                if match:
                    found.append((number, match.group(1) or match.group(2), match.group(2) is not None))
        return found


def is_in(path, folders):
    return any(path.startswith(folder + "/") for folder in folders)


def module_of(path):
    """The folder of MAY_INCLUDE that a path belongs to, or its top-level folder."""
    parts = path.split("/")
    if parts[0] == "core" and len(parts) > 2:
        return "/".join(parts[:2])
    return parts[0]


# --- Includes ---


def include_direction(tree):
    for path, _ in tree.cpp():
        module = module_of(path)
        if module in MAY_INCLUDE_ANYTHING:
            continue
        allowed = MAY_INCLUDE.get(module)
        if allowed is None:
            yield path, 1, f"no rule says what {module} may include; add it to the README and here"
            continue
        for line, target, _ in tree.includes(path):
            target_module = module_of(target)
            if target.split("/")[0] not in CODE_FOLDERS or "/" not in target:
                continue
            if target_module != module and target_module not in allowed and target not in allowed:
                yield path, line, f"{module} may not include {target}"


def include_form(tree):
    for path, _ in tree.cpp():
        includes = tree.includes(path)
        for line, target, in_angles in includes:
            ours = target.split("/")[0] in CODE_FOLDERS and "/" in target
            if target.endswith(".cc"):
                yield path, line, "a .cc is compiled, not included"
            elif in_angles and ours:
                yield path, line, f'write "{target}" in quotes: it is ours'
            elif not in_angles:
                schema = re.sub(r"\.pb\.h$", ".proto", target)
                if target not in tree.files and schema not in tree.files:
                    yield path, line, f"{target} is not a path from the root of the tree"
        own = re.sub(r"\.cc$", ".h", path)
        if path.endswith(".cc") and own in tree.files and includes and includes[0][1] != own:
            yield path, includes[0][0], f"its own header {own} comes first, which shows that it stands alone"


def heavy_header(tree):
    for path, _ in tree.cpp(endings=(".h",)):
        for line, target, _ in tree.includes(path):
            if HEAVY.match(target):
                yield path, line, f"{target} belongs into a .cc"


def wrapped_library(tree):
    for path, _ in tree.cpp(PRODUCT):
        for line, target, _ in tree.includes(path):
            for pattern, homes in WRAPPED.items():
                if re.match(pattern, target) and module_of(path) not in homes:
                    yield path, line, f"{target} is wrapped by {', '.join(homes)}"


def outside_header(tree):
    for path, _ in tree.cpp(HERMETIC):
        for line, target, in_angles in tree.includes(path):
            if in_angles and OUTSIDE_HEADERS.match(target):
                yield path, line, f"<{target}>: a node reaches the outside through its Env alone"


# --- Names and constructs ---


def banned_name(tree):
    for banned in BANNED:
        for path, _ in tree.cpp(banned.folders):
            for match in re.finditer(banned.pattern, without_preprocessor(tree.code(path))):
                line = tree.code(path).count("\n", 0, match.start()) + 1
                yield path, line, f"{' '.join(match.group(0).split())} ({banned.name}): use {banned.instead}"


def mutable_static(tree):
    """Variables that outlive a run: statics in functions and classes, variables of namespaces."""
    not_a_variable = re.compile(
        r"(\[\[[^\]]*\]\]\s*|__extension__\s+)?(using|typedef|class|struct|union|enum|template|namespace|extern|static_assert|friend|"
        r"concept|public|private|protected|goto)\b"
    )
    for path, _ in tree.cpp(DETERMINISTIC):
        for s in statements(without_preprocessor(tree.code(path))):
            is_constant = re.search(r"\b(const|constexpr)\b", s.text.split("=")[0])
            message = "mutable state outlives the run; make it a member"
            if is_constant or not s.text:
                continue
            if s.scope == "function":
                if re.match(r"(static|thread_local)\b", s.text):
                    yield path, s.line, message
            elif s.scope == "class":
                head = re.split(r"[={]", s.text)[0]
                if re.match(r"(inline\s+)?static\b", s.text) and s.ended_by in ";{" and "(" not in head:
                    yield path, s.line, message
            elif s.scope == "namespace" and s.ended_by in ";{" and not not_a_variable.match(s.text):
                head = re.split(r"=", s.text)[0]
                if "(" not in head and re.match(r"[\w:]", head) and re.search(r"[\w\]]\s*$", head):
                    yield path, s.line, message


def two_draws(tree):
    """Arguments are evaluated in any order, so two draws in one expression differ by compiler."""
    for path, _ in tree.cpp(DETERMINISTIC):
        code = without_preprocessor(tree.code(path))
        brackets = []
        drawn = False
        position = 0
        while position < len(code):
            char = code[position]
            if char in "([{":
                brackets.append(char)
            elif char in ")]}" and brackets:
                brackets.pop()
            in_list = not brackets or brackets[-1] == "{"
            if char in ";{}?" or code.startswith(("&&", "||"), position) or (char == "," and in_list):
                drawn = False
            match = DRAWS.match(code, position)
            if match:
                if drawn:
                    yield path, code.count("\n", 0, position) + 1, "two draws in one expression; name each first"
                drawn = True
                brackets.append("(")
                position = match.end()
                continue
            position += 1


def macros(tree):
    for path, _ in tree.cpp():
        for number, line in enumerate(tree.code(path).split("\n"), 1):
            match = re.match(r"\s*#\s*define\s+(\w+)", line)
            if match and not re.fullmatch(r"CHECK|TRY|SOMETIMES|KEELSON_\w+", match.group(1)):
                yield path, number, f"{match.group(1)}: the only macros are CHECK, TRY and SOMETIMES"


def header_shape(tree):
    for path, text in tree.cpp(endings=(".h",)):
        if not re.search(r"^#pragma once$", text, re.M):
            yield path, 1, "#pragma once is missing"
        if not text.startswith("//"):
            yield path, 1, "begins with a comment that says what the file is"
        # A fixture's header may bring the suffixes of literals ("10ms"): they are names of nothing else.
        literals = r"(?!\s+std::\w*literals\b)" if is_in(path, ["tests"]) else ""
        match = re.search(r"\busing\s+namespace\b" + literals, tree.code(path))
        if match:
            yield path, text.count("\n", 0, match.start()) + 1, "no using namespace in a header"


def todo(tree):
    for path, text in tree.cpp():
        for line, comment in comments(text):
            if re.search(r"\b(FIXME|XXX|HACK)\b", comment):
                yield path, line, "mend it, or write a TODO that says what would make it matter"
            for match in re.finditer(r"\bTODO\b(.*)", comment, re.S):
                if not re.search(r"\b(when|once|if|unless|as soon as)\b", match.group(1)):
                    yield path, line, "a TODO says what would make it matter (when, once, if, unless)"


# --- Sizes ---


def sizes(tree):
    for path, text in tree.text_files():
        is_code = path.endswith((".h", ".cc", ".py", ".proto"))
        if is_code and text.count("\n") > FILE_LINES_MAX:
            yield path, FILE_LINES_MAX, f"{text.count(chr(10))} lines; at most {FILE_LINES_MAX}: two subjects?"
        if path.endswith((".h", ".cc", ".proto")):
            for number, line in enumerate(text.split("\n"), 1):
                if len(line) > LINE_MAX:
                    yield path, number, f"{len(line)} columns; at most {LINE_MAX}"
                if line.rstrip() != line or "\t" in line:
                    yield path, number, "tab, or white space at the end of the line"


def function_size(tree):
    for path, _ in tree.cpp(PRODUCT):
        depth, begin = 0, None  # Of braces inside the outermost function, and where that began.
        for s in statements(without_preprocessor(tree.code(path))):
            if begin is None:
                if s.opens == "function" and not s.text.endswith("="):
                    depth, begin = 1, s.line
            elif s.ended_by == "{":
                depth += 1
            elif s.ended_by == "}":
                depth -= 1
                if depth == 0:
                    length = s.line + s.text.count("\n") - begin + 1
                    if length > FUNCTION_LINES_MAX:
                        yield path, begin, f"a function of {length} lines; it should fit a screen"
                    begin = None


def check_density(tree):
    for folder in ["core/raft", "core/kv", "sim"]:
        lines = checks = 0
        for path, text in tree.cpp([folder], endings=(".cc",)):
            lines += text.count("\n")
            checks += len(re.findall(r"\bCHECK\s*\(", tree.code(path)))
        if lines >= 200 and checks * 1000 < lines * CHECKS_PER_1000_LINES:
            yield folder, 0, f"{checks} CHECKs in {lines} lines; at least {CHECKS_PER_1000_LINES} per 1000"


# --- The tree ---


def top_level(tree):
    for entry in sorted({path.split("/")[0] for path in tree.files}):
        if entry not in TOP_LEVEL and not entry.startswith("."):
            yield entry, 0, "not one of the entries the root may have"


def readme(tree):
    folders = set()
    for path in tree.files:
        parts = path.split("/")
        if parts[0] in CODE_FOLDERS and len(parts) > 1:
            folders.add(parts[0])
            if parts[0] in ("core", "admin") and len(parts) > 2:
                folders.add("/".join(parts[:2]))
    for folder in sorted(folders):
        if folder + "/README.md" not in tree.files:
            yield folder, 0, "has no README.md"


def machine_path(tree):
    for path, text in tree.text_files():
        for match in MACHINE_PATHS.finditer(text):
            yield path, text.count("\n", 0, match.start()) + 1, f"{match.group(0)}: a path of some machine"


RULES = [
    include_direction, include_form, heavy_header, wrapped_library, outside_header,
    banned_name, mutable_static, two_draws, macros, header_shape, todo,
    sizes, function_size, check_density, top_level, readme, machine_path,
]


def breaches(tree, allowed=ALLOWED):
    used = set()
    found = []
    for rule in RULES:
        for path, line, message in rule(tree):
            source = (tree.files.get(path) or "").split("\n")
            text = source[line - 1] if 0 < line <= len(source) else ""
            excuses = [a for a in allowed if a.rule == rule.__name__ and a.path == path and a.text in text]
            if excuses:
                used.update(excuses)
            else:
                found.append(Breach(path, line, rule.__name__, message))
    for entry in allowed:
        if entry not in used:
            found.append(Breach(entry.path, 0, "allowed", f"nothing to excuse any more: {entry.rule}, {entry.text!r}"))
    return found


def main(arguments):
    if any(a in ("-h", "--help") for a in arguments) or len(arguments) > 1:
        print(__doc__)
        return 0 if len(arguments) == 1 else 2
    here = os.path.dirname(os.path.abspath(__file__))
    root = arguments[0] if arguments else os.path.join(here, "..", "..")
    tree = Tree.of_folder(os.path.abspath(root))
    if not tree.cpp():
        print(f"{root}: no source files; is this the root of the tree?")
        return 2
    found = breaches(tree)
    for breach in found:
        print(f"{breach.path}:{breach.line}: {breach.rule}: {breach.message}")
    print(f"{len(tree.cpp())} source files, {len(RULES)} rules, {len(found)} breaches")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

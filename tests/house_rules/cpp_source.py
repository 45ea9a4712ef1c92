"""C++ source as the house rules look at it: comments and literals blanked, scopes told apart.

This is no compiler. It knows just enough of the language not to be fooled by a banned name in a
comment or a string, and to tell a variable inside a function from a member of a class.
"""

import re

_TOKEN = re.compile(
    r"""(?P<line_comment>//[^\n]*(?:\\\n[^\n]*)*)
      | (?P<block_comment>/\*.*?\*/)
      | (?P<raw_string>R"(?P<delimiter>[^()\\\s]{0,16})\(.*?\)(?P=delimiter)")
      | (?P<string>"(?:[^"\\\n]|\\.)*")
      | (?P<number>\b\d(?:'?[\w.])*)
      | (?P<character>'(?:[^'\\\n]|\\.)+')
    """,
    re.VERBOSE | re.DOTALL,
)


def _blank(text):
    return re.sub(r"[^\n]", " ", text)


def without_comments_and_literals(text):
    """Same length, same lines; what is not code is spaces (the quotes of literals stay)."""

    def replace(match):
        whole = match.group(0)
        if match.lastgroup == "number" or match.group("number"):
            return whole
        if match.group("line_comment") or match.group("block_comment"):
            return _blank(whole)
        return whole[0] + _blank(whole[1:-1]) + whole[-1] if len(whole) > 1 else whole

    return _TOKEN.sub(replace, text)


def comments(text):
    """(line, text) of every comment."""
    found = []
    for match in _TOKEN.finditer(text):
        if match.group("line_comment") or match.group("block_comment"):
            found.append((text.count("\n", 0, match.start()) + 1, match.group(0)))
    return found


def without_preprocessor(code):
    """Blanks directives, with their continuation lines. `code` has no comments any more."""
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: _blank(m.group(0)), code, flags=re.M)


class Statement:
    """A run of code up to `;`, `{` or `}`, the scope it stands in, and the one that `{` opens."""

    def __init__(self, text, line, scope, ended_by, opens):
        self.text, self.line, self.scope, self.ended_by = text, line, scope, ended_by
        self.opens = opens


def statements(code):
    """Splits code (no comments, no directives) into statements.

    scope is "namespace", "class", "enum" or "function"; everything inside a function is "function",
    and so are initialisers in braces.
    """
    scopes = ["namespace"]
    start = 0
    line = 1
    start_line = 1
    depth = 0  # of parentheses: a `;` in a for-header ends nothing, a lambda's body is a function's.
    depths = []
    for position, char in enumerate(code):
        if char == "\n":
            line += 1
        elif char == "(":
            depth += 1
        elif char == ")":
            depth = max(0, depth - 1)
        elif char in "{}" or (char == ";" and depth == 0):
            text = code[start:position]
            lead = len(text) - len(text.lstrip())
            at = start_line + text[:lead].count("\n")
            opens = _scope_opened_by(text, scopes[-1]) if char == "{" else None
            yield Statement(text.strip(), at, scopes[-1], char, opens)
            if char == "{":
                scopes.append(opens)
                depths.append(depth)
                depth = 0
            elif char == "}":
                if len(scopes) > 1:
                    scopes.pop()
                    depth = depths.pop()
            start, start_line = position + 1, line


def _scope_opened_by(head, parent):
    if parent == "function":
        return "function"
    if re.search(r"\bnamespace\b[\w:\s]*$", head) or re.search(r'\bextern\s*"\s*"\s*$', head):
        return "namespace"
    if re.search(r"\benum\b[^()=]*$", head):
        return "enum"
    if re.search(r"\b(class|struct|union)\b", _without_template_head(head)) and not re.search(
        r"[)=]\s*(?:const|noexcept|override|final|mutable|\s)*$", head
    ):
        return "class"
    return "function"


def _without_template_head(text):
    text = text.strip()
    while text.startswith("template"):
        depth = 0
        for position, char in enumerate(text):
            depth += (char == "<") - (char == ">")
            if char == ">" and depth == 0:
                text = text[position + 1 :].strip()
                break
        else:
            return text
    return text

"""A query of a view, reflowed: a clause a line, a column a line, subqueries indented."""

import re
from dataclasses import dataclass, field

from local.schema.layout import INDENT, plain, wrapped

_TOKEN = re.compile(r"""(?<!\w)[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\s+|[\w.]+|.""", re.DOTALL)
_CLAUSES = {
    "select",
    "from",
    "where",
    "group",
    "having",
    "order",
    "limit",
    "offset",
    "union",
    "except",
    "intersect",
    "window",
}
_JOINS = {"join", "left", "right", "full", "cross", "inner"}
_CASE = {"when", "else", "end"}


@dataclass
class _Part:
    """A bracket, a query or a CASE that is open, and the indentation of what is in it."""

    kind: str
    indent: int


@dataclass
class _Reflow:
    lines: list[tuple[int, str]] = field(default_factory=lambda: [(0, "")])
    open: list[_Part] = field(default_factory=lambda: [_Part("query", 0)])
    begins: bool = True

    def take(self, token: str, following: str) -> None:
        word, level = token.lower(), self.open[-1]
        if token.isspace():
            self.begins = self.begins or "\n" in token
            self._add(" ")
            return
        begins, self.begins = self.begins, False
        if level.kind == "query" and begins and self.lines[-1][1].rstrip().endswith(","):
            self._line(level.indent + 1, "")
        if token == "(":
            self._open_bracket(following)
        elif token == ")":
            self._close_bracket()
        elif word == "case":
            self.open.append(_Part("case", self.lines[-1][0]))
            self._add(token)
        elif level.kind == "case" and word in _CASE and begins:
            self._line(level.indent + (word != "end"), token)
            if word == "end":
                self.open.pop()
        elif level.kind == "query" and begins and word in _CLAUSES | _JOINS:
            self._line(level.indent, token)
        else:
            self._add(token)

    def _open_bracket(self, following: str) -> None:
        self._add("(")
        indent = self.lines[-1][0]
        if following.lower() in ("select", "with"):
            self.open.append(_Part("query", indent + 1))
            self.begins = True
        else:
            self.open.append(_Part("bracket", indent))

    def _close_bracket(self) -> None:
        level = self.open.pop()
        if level.kind == "query":
            self._line(level.indent - 1, ")")
        else:
            self._add(")")

    def _line(self, indent: int, text: str) -> None:
        if not self.lines[-1][1].strip():
            self.lines.pop()
        self.lines.append((indent, text))

    def _add(self, text: str) -> None:
        indent, line = self.lines[-1]
        self.lines[-1] = (indent, line + text)


def reflowed(definition: str) -> str:
    """The query of `pg_get_viewdef`, whose line breaks say where clauses and columns begin."""
    tokens = _TOKEN.findall(definition.strip().rstrip(";"))
    flow = _Reflow()
    for number, token in enumerate(tokens):
        following = next((each for each in tokens[number + 1 :] if not each.isspace()), "")
        flow.take(token, following)
    return "\n".join(wrapped(plain(text), INDENT * indent) for indent, text in _columns_apart(flow.lines))


def _columns_apart(lines: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """The first of several columns gets a line of its own too."""
    apart: list[tuple[int, str]] = []
    for indent, line in lines:
        if line.lower().startswith("select ") and line.rstrip().endswith(","):
            apart += [(indent, "select"), (indent + 1, line[len("select ") :])]
        else:
            apart.append((indent, line))
    return apart

"""Which tables, views and functions a piece of SQL names, read from its text."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

# Text that names nothing is skipped; a literal may hold a statement of dynamic SQL.
_TOKEN = re.compile(
    r"""
      --[^\n]* | /\*.*?\*/
    | (?<!\w)[eE]?'(?P<literal>(?:[^'\\]|\\.|'')*)'
    | \$(?P<tag>\w*)\$(?P<quoted>.*?)\$(?P=tag)\$
    | "(?P<identifier>[^"]+)"
    | (?P<word>[a-z_][a-z0-9_]*)
    | (?P<mark>::|%\s*rowtype|[.,;()])
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_STATEMENT = re.compile(
    r"\b(select|insert\s+into|update|delete\s+from|truncate|lock|create|alter|drop)\b", re.IGNORECASE
)
# Behind one of these stands a relation; `update` too, unless a lock or a conflict clause has it.
_BEFORE_RELATION = {"from", "join", "into", "update", "using", "table", "only", "truncate", "references", "setof", "::"}
_ENDS_FROM = {
    "where", "group", "order", "having", "limit", "offset", "union", "except", "intersect", "window", "for", "set",
    "returning", "select", "loop", "on", "values",
}  # fmt: skip


@dataclass
class _Level:
    """What is known at one depth of brackets: whether a comma separates relations."""

    in_from: bool = False


def references(sql: str, known: Collection[str]) -> set[str]:
    """The relations and functions that `sql` uses, of those known; the names of its own CTEs are none of them."""
    tokens = list(_tokens(sql))
    found = set(_relations(tokens, set(known) - _names_of_ctes(tokens))) | set(_functions(tokens, set(known)))
    for inner in _inner_statements(sql):
        found |= references(inner, known)
    return found


def _tokens(sql: str) -> Iterator[str]:
    """Words in lower case, the marks that matter, and `''` for a literal."""
    for token in _TOKEN.finditer(sql):
        if token["word"] or token["identifier"]:
            yield (token["word"] or token["identifier"]).lower()
        elif token["mark"]:
            yield re.sub(r"\s", "", token["mark"].lower())
        elif token["literal"] is not None:
            yield "''"


def _inner_statements(sql: str) -> Iterator[str]:
    """Dollar-quoted bodies, and literals that look like a statement."""
    for token in _TOKEN.finditer(sql):
        if token["quoted"]:
            yield token["quoted"]
        elif token["literal"] and _STATEMENT.search(token["literal"]):
            yield token["literal"].replace("''", "'")


def _names_of_ctes(tokens: list[str]) -> set[str]:
    """`with x as (`, `, x as materialized (`, `with recursive x (columns) as (`."""
    found = set()
    for place, token in enumerate(tokens):
        behind = tokens[place + 1 : place + 5]
        starts_query = behind[:2] == ["as", "("] or (behind[:1] == ["as"] and "materialized" in behind[1:3])
        if starts_query and tokens[place - 1] in {"with", ",", "recursive"}:
            found.add(token)
    return found


def _relations(tokens: list[str], known: set[str]) -> Iterator[str]:
    levels = [_Level()]
    for place, token in enumerate(tokens):
        before = tokens[place - 1] if place else ""
        if token == "(":
            levels.append(_Level(in_from=levels[-1].in_from and before in {"from", "join", ","}))
        elif token == ")" and len(levels) > 1:
            levels.pop()
        elif token in {"from", "using"}:
            levels[-1].in_from = before != "distinct"
        elif token in _ENDS_FROM or token == ";":
            levels[-1].in_from = False
        elif token in known and _names_relation(tokens, place, in_from=levels[-1].in_from):
            yield token


def _names_relation(tokens: list[str], place: int, *, in_from: bool) -> bool:
    """Whether the word at `place` is used as a relation and not as a column, an alias or a variable."""
    start = place - 2 if tokens[place - 2 : place] == ["public", "."] else place
    before = tokens[start - 1] if start else ""
    behind = tokens[place + 1] if place + 1 < len(tokens) else ""
    if behind == "%rowtype" or before == "lock":
        return True
    if before == "update":
        return tokens[start - 2] not in {"for", "do", "key"} if start > 1 else True
    if before == "of":
        return False
    if before == "(" or before == ",":
        return in_from
    return before in _BEFORE_RELATION


def _functions(tokens: list[str], known: set[str]) -> Iterator[str]:
    for place, token in enumerate(tokens):
        behind = tokens[place + 1 : place + 2]
        before = tokens[place - 1] if place else ""
        if token in known and behind == ["("] and (before != "." or tokens[place - 2] == "public"):
            yield token

"""How SQL of the catalogue is laid out: lower case, the words that people write, lines of at most 120 characters."""

import re
from collections.abc import Callable, Iterable

WIDTH = 120
INDENT = "    "
_QUOTED = re.compile(r"""(?<!\w)[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*\"""")
_LITERAL = r"\x00\d+\x00"
_TYPES = {
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
    "time with time zone": "timetz",
    "time without time zone": "time",
    "character varying": "varchar",
}
_LIST = rf"array\[((?:{_LITERAL}::\w+, )*{_LITERAL}::\w+)\]"
_OPERATOR = r"(?:=|<>|<=|>=|<|>|~~\*?|!~~\*?|~\*?|!~\*?|->>|->|\|\|)"
# What PostgreSQL writes out -> what a person writes; either is the same expression to it.
_PLAINER: tuple[tuple[str, str], ...] = (
    (rf"\b(\w+)::text = any \({_LIST}::text\[\]\)", r"\1 in (\2)"),
    (rf"\b(\w+)::text <> all \({_LIST}::text\[\]\)", r"\1 not in (\2)"),
    (rf"= any \({_LIST}\)", r"in (\1)"),
    (rf"<> all \({_LIST}\)", r"not in (\1)"),
    (rf"((?:{_OPERATOR}|then|else) {_LITERAL})::text\b", r"\1"),
    (rf"({_LITERAL})::text(?= as \w)", r"\1"),
    (rf"(\b(?:coalesce|nullif)\([^()]*, {_LITERAL})::text\)", r"\1)"),
    (r" !~~ ", " not like "),
    (r" ~~ ", " like "),
    (r" !~~\* ", " not ilike "),
    (r" ~~\* ", " ilike "),
    (r"\( select (\w+)\(\) as \1\)", r"(select \1())"),
    (r"\( (?=select\b|case\b)", "("),
    (r"\(\((select \w+\(\))\)\)", r"(\1)"),
    (r"(\breferences \w+)\(", r"\1 ("),
)
_CASE = re.compile(r"\((?P<branches>case\b(?:(?!\bcase\b).)*) end\)")
_IN_LIST = re.compile(rf"\b(in \()((?:{_LITERAL}::\w+, )*{_LITERAL}::\w+)\)")


def plain(text: str, *, of_varchar: Iterable[str] = ()) -> str:
    """An expression or definition on one line; `of_varchar` are columns whose casts to text say nothing."""
    return _outside_quotes(text, lambda code: _plainer(re.sub(r"\s+", " ", code).strip(), of_varchar))


def lowered(text: str) -> str:
    """All but quoted words and text in lower case, with short names of types; lines stay as they are."""
    return _outside_quotes(text, _lowered)


def wrapped(text: str, indent: str = "") -> str:
    """The line, broken at its outermost brackets first, where it is too long; what follows is indented once more.

    A CASE in brackets of its own gets a line for each of its branches.
    """
    quotes: list[str] = []
    code = _QUOTED.sub(lambda found: _kept(quotes, found[0], pad=True), text)
    if len(indent) + len(code) > WIDTH and (case := _CASE.search(code)):
        return _restored(_branches(code, case, indent), quotes)
    return _restored(_folded(code, indent), quotes)


def _folded(code: str, indent: str) -> str:
    lines, prefix = [], indent
    while len(prefix) + len(code) > WIDTH and (place := _best_break(code, WIDTH - len(prefix))):
        lines.append(prefix + code[:place])
        code, prefix = code[place + 1 :], indent + INDENT
    return "\n".join([*lines, prefix + code])


def literal(text: str) -> str:
    """A string of SQL."""
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def comment_on(what: str, comment: str | None) -> list[str]:
    """The statement that says it, if there is something to say."""
    return [] if comment is None else [f"comment on {what} is {literal(comment)};"]


def _outside_quotes(text: str, change: Callable[[str], str]) -> str:
    quotes: list[str] = []
    return _restored(change(_QUOTED.sub(lambda found: _kept(quotes, found[0]), text)), quotes)


def _kept(quotes: list[str], text: str, *, pad: bool = False) -> str:
    quotes.append(text)
    number = f"\x00{len(quotes) - 1}"
    return number.ljust(len(text) - 1, "\x01" if pad else "") + "\x00" if pad else f"{number}\x00"


def _restored(text: str, quotes: list[str]) -> str:
    return re.sub(r"\x00(\d+)\x01*\x00", lambda found: quotes[int(found[1])], text)


def _lowered(code: str) -> str:
    code = code.lower()
    for long, short in _TYPES.items():
        code = code.replace(long, short)
    return code


def _plainer(code: str, of_varchar: Iterable[str]) -> str:
    code = _lowered(code)
    for pattern, replacement in _PLAINER:
        code = re.sub(pattern, replacement, code)
    code = _IN_LIST.sub(lambda found: found[1] + re.sub(r"::\w+", "", found[2]) + ")", code)
    for column in of_varchar:
        code = re.sub(rf"(?<![\w.]){column}::text (=|<>) ({_LITERAL})", rf"{column} \1 \2", code)
    return code


def _branches(code: str, case: re.Match[str], indent: str) -> str:
    before, after = f"{indent}{code[: case.start() + 1].lstrip()}", f"{indent}{code[case.end() - 1 :]}"
    branches = re.split(r" (?=(?:when|else)\b)", case["branches"])
    arms = [_folded(branch, indent + INDENT * 2) for branch in branches[1:]]
    return "\n".join([before, f"{indent}{INDENT}{branches[0]}", *arms, f"{indent}{INDENT}end", after])


def _best_break(code: str, room: int) -> int:
    """The blank to break at: as far out of the brackets as one of the last three quarters is, and there the last."""
    depth, blanks = 0, []
    for place, letter in enumerate(code[: room + 1]):
        depth += (letter in "([") - (letter in ")]")
        if letter == " " and code[:place].strip():
            blanks.append((depth, -_rank(code, place), -place))
    late = [each for each in blanks if -each[2] > room // 4]
    return -min(late or blanks, default=(0, 0, 0))[2]


def _rank(code: str, place: int) -> int:
    """How naturally a line ends there: before a word that joins conditions, behind a comma, or anywhere."""
    if re.match(r" (and|or|when|else|then|from|where|on delete|check|references)\b", code[place : place + 14]):
        return 2
    return int(code[place - 1] == ",")

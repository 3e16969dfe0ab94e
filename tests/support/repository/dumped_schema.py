"""A database's schema as pg_dump sees it, and where two of them differ. It shares nothing with `make schema`."""

import re
import subprocess
from collections.abc import Iterable

from local.postgres import binary

_ENTRY = re.compile(r"^--\n-- Name: (?P<name>.*); Type: (?P<type>[A-Z ]+); Schema: .*\n--\n\n", re.MULTILINE)
_NOISE = re.compile(r"^(--.*|SET .*|\\(un)?restrict .*|)$")
# PostgreSQL names these since 18; before that they have no name that could differ.
_NAMED_NOT_NULL = re.compile(r"CONSTRAINT \S+ NOT NULL")
_POLICY_ROLES = re.compile(r" TO ((?:\w+, )*\w+)(?=;| USING| WITH)")
# Our own bookkeeping is the runner's, shared with the Supabase CLI.
_BOOKKEEPING = "supabase_migrations"


def dumped(url: str) -> dict[str, list[str]]:
    """`TABLE accounts` -> its lines: in any order where the order says nothing, as that of columns and grants."""
    command = [binary("pg_dump"), "--schema-only", f"--exclude-schema={_BOOKKEEPING}", f"--dbname={url}"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    starts = list(_ENTRY.finditer(text))
    ends = [start.start() for start in starts[1:]] + [len(text)]
    found: dict[str, list[str]] = {}
    for start, end in zip(starts, ends, strict=True):
        lines = [line for line in text[start.end() : end].splitlines() if not _NOISE.match(line)]
        found.setdefault(f"{start['type']} {start['name']}", []).extend(_in_any_order(start["type"], lines))
    return found


def dumped_roles(url: str, names: Iterable[str]) -> list[str]:
    """What makes these roles what they are, without their passwords."""
    command = [binary("pg_dumpall"), "--roles-only", "--no-role-passwords", f"--dbname={url}"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return sorted(
        line for name in names for line in text.splitlines() if re.match(rf"(CREATE|ALTER) ROLE {name}\b[ ;]", line)
    )


def differences(one: dict[str, list[str]], other: dict[str, list[str]]) -> dict[str, list[str]]:
    """Of which objects the two say different things, and which lines only one of them has."""
    return {
        key: [f"- {line}" for line in one.get(key, []) if line not in other.get(key, [])]
        + [f"+ {line}" for line in other.get(key, []) if line not in one.get(key, [])]
        for key in sorted(one.keys() | other.keys())
        if one.get(key) != other.get(key)
    }


def _in_any_order(kind: str, lines: list[str]) -> list[str]:
    if kind == "TABLE":
        return sorted(_NAMED_NOT_NULL.sub("NOT NULL", line.removesuffix(",")) for line in lines)
    if kind == "POLICY":
        return [
            _POLICY_ROLES.sub(lambda found: " TO " + ", ".join(sorted(found[1].split(", "))), line) for line in lines
        ]
    if kind in ("VIEW", "TRIGGER"):
        return [flattened(line) for line in lines]
    return sorted(lines) if kind.endswith("ACL") else lines


def flattened(line: str) -> str:
    """`((a OR b) OR c)` as `(a OR b OR c)`: what a comparison of rows leaves is nested until it is read again."""
    place = line.find("((")
    while place >= 0:
        end = _closing(line, place + 1)
        inner = line[place + 2 : end]
        if line[end + 1 : end + 5] == " OR " and re.fullmatch(r"( OR )+", _outside_brackets(inner)):
            line = line[: place + 1] + inner + line[end + 1 :]
        else:
            place += 1
        place = line.find("((", place)
    return line


def _closing(line: str, place: int) -> int:
    """Where the bracket that opens at `place` is closed; the line's end if it is not."""
    depth = 0
    for end in range(place, len(line)):
        depth += (line[end] == "(") - (line[end] == ")")
        if not depth:
            return end
    return len(line)


def _outside_brackets(text: str) -> str:
    while text != (less := re.sub(r"\([^()]*\)", "", text)):
        text = less
    return text

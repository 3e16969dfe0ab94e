"""PostgreSQL refuses (27000) a statement that changes a row which a function it calls has changed."""

import re
from collections.abc import Iterator
from pathlib import Path

from crm_relay.platform.database import Database
from tests.support.platform.rows import rows_of

SHARED = Path(__file__).parents[3] / "shared" / "crm_relay"
_COMMENT = re.compile(r"--[^\n]*")
_CHANGED = re.compile(r"\b(?:update|insert into|delete from)\s+(?:only\s+)?([a-z_]+)")
_KEYWORDS = {"set", "of", "on", "skip", "nowait", "or"}


def changed_by(sql: str) -> set[str]:
    """Tables that the text itself changes."""
    return set(_CHANGED.findall(_COMMENT.sub("", sql.lower()))) - _KEYWORDS


def called_by(sql: str, functions: dict[str, str]) -> set[str]:
    bare = _COMMENT.sub("", sql.lower())
    return {name for name in functions if re.search(rf"\b{name}\s*\(", bare)}


def named_statements() -> Iterator[tuple[str, str]]:
    for file in sorted(SHARED.rglob("*.sql")):
        for part in file.read_text(encoding="utf-8").split("-- name: ")[1:]:
            yield f"{file.relative_to(SHARED)}: {part.split()[0]}", part


def effects(functions: dict[str, str], triggers: dict[str, set[str]]) -> dict[str, set[str]]:
    """Function -> tables it changes, by the functions and triggers behind it too."""
    found = {name: changed_by(body) for name, body in functions.items()}
    while True:
        grown = {name: set(tables) for name, tables in found.items()}
        for name, body in functions.items():
            behind = called_by(body, functions).union(*(triggers.get(table, set()) for table in found[name]))
            grown[name].update(*(found[each] for each in behind))
        if grown == found:
            return found
        found = grown


def doubly_changed(database: Database, statements: Iterator[tuple[str, str]]) -> list[str]:
    functions = {
        row["name"]: row["body"]
        for row in rows_of(
            database,
            """select proname as name, prosrc as body from pg_proc
               where pronamespace = 'public'::regnamespace and provolatile = 'v'""",
        )
    }
    triggers: dict[str, set[str]] = {}
    for row in rows_of(
        database,
        """select tgrelid::regclass::text as relation, proname as name
           from pg_trigger join pg_proc on pg_proc.oid = tgfoid where not tgisinternal""",
    ):
        triggers.setdefault(row["relation"], set()).add(row["name"])
    changes = effects(functions, triggers)
    return [
        f"{name} changes {table}, and so does {called}"
        for name, sql in statements
        for called in sorted(called_by(sql, functions))
        for table in sorted(changes[called] & changed_by(sql))
    ]


def test_no_statement_changes_a_table_that_a_function_it_calls_changes_too(database: Database) -> None:
    assert doubly_changed(database, named_statements()) == []


def test_such_a_statement_is_found(database: Database) -> None:
    planted = "with ended as (select stop_enrollments('{}', '', '', now())) update sms_sends set body = null from ended"

    assert doubly_changed(database, iter([("planted", planted)])) == [
        "planted changes sms_sends, and so does stop_enrollments"
    ]

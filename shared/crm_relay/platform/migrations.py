"""Applies the plain SQL files of `migrations/`, sharing its bookkeeping with the Supabase CLI."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.errors import FatalError, RejectedInput, ScriptFailed, TransientError
from crm_relay.platform.postgres.catalogue import read_catalogue, remember_catalogue
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__)
_PIECE = re.compile(
    r"""(?<!\w)[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|(?P<comment>--[^\n]*|/\*.*?\*/)"""
    r"""|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|(?P<end>;)""",
    re.DOTALL,
)
_KEY = re.compile(r'Key columns? "(\w+)"')
_SUBJECT = re.compile(
    r"\b(?P<kind>table|view|materialized view|index|policy|trigger|function)\s+(?:concurrently\s+)?"
    r"(?:if\s+(?:not\s+)?exists\s+)?(?:only\s+)?(?P<name>[\w.\"]+)(?:[^;]*?\bon\s+(?P<table>[\w.\"]+))?",
    re.IGNORECASE,
)
_FILE_NAME = re.compile(r"^(?P<version>\d{14})_(?P<name>[a-z0-9_]+)\.sql$")


@dataclass(frozen=True)
class Migration:
    """One file: `<YYYYMMDDHHMMSS>_<name>.sql`."""

    version: str
    name: str
    sql: str

    @property
    def file_name(self) -> str:
        """Where it stands."""
        return f"{self.version}_{self.name}.sql"

    @property
    def sha256(self) -> str:
        """What is recorded, so that an edit of an applied file is noticed."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def runs_outside_transaction(self) -> bool:
        """CREATE INDEX CONCURRENTLY cannot run inside one; such a file holds nothing else."""
        return (
            re.search(r"^\s*create\s+(unique\s+)?index\s+concurrently\b", self.sql, re.IGNORECASE | re.MULTILINE)
            is not None
        )


def read_migrations(folder: Path) -> list[Migration]:
    """The files in the order of their versions. Raises FatalError for a name that is not of the form."""
    migrations = []
    for path in sorted(folder.glob("*.sql")):
        name = _FILE_NAME.match(path.name)
        if name is None:
            raise FatalError(f"{path.name}: a migration is named <YYYYMMDDHHMMSS>_<name>.sql")
        migrations.append(Migration(name["version"], name["name"], path.read_text(encoding="utf-8")))
    return migrations


def migrate(database: Database, migrations: Sequence[Migration], *, dry_run: bool = False) -> list[str]:
    """Apply what is missing, in order, each file in its own transaction; returns `version_name` of those.

    Safe to call twice and by two at once. `dry_run` only says what would be applied. Raises FatalError where a file was
    edited after it was applied: nothing is applied then.
    """
    missing = _missing(database, migrations)
    if not dry_run and len(missing) == len(migrations):
        database.transact(_remember)
    applied = [migration for migration in missing if dry_run or _apply(database, migration)]
    return [f"{migration.version}_{migration.name}" for migration in applied]


def _missing(database: Database, migrations: Sequence[Migration]) -> list[Migration]:
    if not database.run(_SQL["bookkeeping_exists"])[0]["found"]:
        return list(migrations)
    applied = {row["version"]: row["sha256"] for row in database.run(_SQL["applied_migrations"])}
    edited = [each.version for each in migrations if applied.get(each.version) not in {None, each.sha256}]
    if edited:
        raise FatalError(f"edited after they were applied: {', '.join(edited)}; write a new migration instead")
    return [each for each in migrations if each.version not in applied]


def _remember(transaction: Transaction) -> None:
    transaction.run(_SQL["lock_migrations"])
    found = read_catalogue(transaction)
    transaction.run(_SQL["create_bookkeeping"])
    remember_catalogue(transaction, found)


def _apply(database: Database, migration: Migration) -> bool:
    """False where another runner was quicker. Errors name the file and what its statement was about."""
    try:
        return _apply_file(database, migration)
    except ScriptFailed as error:
        statement = error.where if _SUBJECT.search(error.where) else _statement_at(migration.sql, error.place)
        about = " ".join((_subject_of(statement), _referenced_in(statement, str(error))))
        raise FatalError(f"{migration.file_name}: {about.strip() or 'script'}: {error}") from None
    except (FatalError, RejectedInput) as error:
        raise FatalError(f"{migration.file_name}: {error}") from None
    except TransientError as error:
        raise TransientError(f"{migration.file_name}: {error}") from None


def _apply_file(database: Database, migration: Migration) -> bool:
    if migration.runs_outside_transaction:
        database.run_script(migration.sql)
        return database.transact(lambda transaction: _record(transaction, migration))
    return database.transact(lambda transaction: _record(transaction, migration) and _carry_out(transaction, migration))


def _record(transaction: Transaction, migration: Migration) -> bool:
    # A second runner waits here until the first one has committed the file.
    transaction.run(_SQL["lock_migrations"])
    transaction.run(_SQL["create_bookkeeping"])
    values = {"version": migration.version, "name": migration.name, "sql": migration.sql, "sha256": migration.sha256}
    return bool(transaction.run(_SQL["record_migration"], **values))


def _carry_out(transaction: Transaction, migration: Migration) -> bool:
    # The whole file as one piece: what looks like a parameter in it is none.
    transaction.run_script(migration.sql)
    return True


def _statement_at(sql: str, place: int) -> str:
    """The statement behind so many others, without its comments; a text of comments alone is none."""
    text, start, count = "", 0, 0
    for piece in _PIECE.finditer(sql):
        if piece["comment"] is None and piece["end"] is None:
            continue
        text, start = text + sql[start : piece.start()], piece.end()
        if piece["end"] is not None and text.strip():
            if count == place:
                return text
            text, count = "", count + 1
    return text + sql[start:]


def _subject_of(statement: str) -> str:
    """What a statement makes or changes: `table contacts`, or the table that an index or a policy is for."""
    found = _SUBJECT.search(statement)
    if found is None:
        return ""
    is_on_table = found["table"] is not None and found["kind"].lower() in {"index", "policy", "trigger"}
    return f"table {found['table']}" if is_on_table else f"{found['kind'].lower()} {found['name']}"


def _referenced_in(statement: str, message: str) -> str:
    """The other table of a foreign key that cannot be: it is the one of another shape."""
    column = _KEY.search(message)
    if column is None:
        return ""
    found = re.search(rf'\b{column[1]}\b[^,;]*?\breferences\s+([\w."]+)', statement, re.IGNORECASE)
    return f"(refers to {found[1]})" if found else ""

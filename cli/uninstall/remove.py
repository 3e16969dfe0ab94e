"""Carries a plan out in one transaction, and undoes it where something would vanish that is not ours."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.uninstall.plan import plan_uninstall, unexpected
from crm_relay.platform.database import Database, Queryable, Transaction
from crm_relay.platform.errors import FatalError, RejectedInput
from crm_relay.platform.postgres.catalogue import Catalogue, ObjectKey, read_catalogue, read_catalogue_before
from crm_relay.platform.sql import parse_queries

_COUNTED = frozenset({"table", "view", "function", "type", "trigger", "policy", "column"})
_SQL = parse_queries(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Uninstalled:
    """`removed`: how many objects vanished, by kind; `tables`: which. `is_remembered`: what was before is known."""

    removed: dict[str, int]
    tables: list[str]
    is_remembered: bool


class _UndoneError(Exception):
    """A dry run is over."""

    def __init__(self, found: Uninstalled) -> None:
        super().__init__()
        self.found = found


def uninstall(
    database: Database, made: Catalogue, crm_tables: Iterable[str], *, with_data: bool, dry_run: bool
) -> Uninstalled:
    """`dry_run` does all of it and takes it back, so it holds the same locks for a moment.

    RejectedInput names what depends on objects of ours; nothing is removed then.
    """
    known = frozenset(crm_tables)

    def work(transaction: Transaction) -> Uninstalled:
        found = _carry_out(transaction, made, known, with_data=with_data)
        if dry_run:
            raise _UndoneError(found)
        return found

    try:
        return database.transact(work)
    except _UndoneError as undone:
        return undone.found


def database_name(database: Database) -> str:
    """Which database this is."""
    return str(database.run(_SQL["database_name"])[0]["name"])


def count_rows(database: Database, tables: Sequence[str]) -> dict[str, int]:
    """About how many rows each of these tables has, by the server's own count."""
    return {row["table_name"]: row["rows"] for row in database.run(_SQL["count_rows"], tables=list(tables))}


def _carry_out(
    transaction: Transaction, made: Catalogue, crm_tables: frozenset[str], *, with_data: bool
) -> Uninstalled:
    transaction.run(_SQL["lock_migrations"])
    if not transaction.run(_SQL["is_installed"])[0]["found"]:
        raise RejectedInput("there is no installation in this database: no migration is recorded")
    now, before, outside = read_catalogue(transaction), read_catalogue_before(transaction), _outside(transaction)
    plan = plan_uninstall(now, made, before, crm_tables, with_data=with_data)
    transaction.run(_SQL["wait_for_locks"])
    for statement in plan.statements:
        _run(transaction, statement)
    _forget(transaction, before, with_data=with_data)
    # Last, since the end of the role's rights also takes what the role owns.
    after = read_catalogue(transaction)
    _ensure_ours([*unexpected(now, after, plan), *sorted(outside - _outside(transaction))])
    return _described(now, after, is_remembered=before is not None)


def _run(transaction: Transaction, statement: str) -> None:
    try:
        transaction.run_script(statement)
    except FatalError as error:
        raise FatalError(f"{statement}: {error}; nothing was removed") from None


def _outside(db: Queryable) -> frozenset[ObjectKey]:
    """What is there in other schemas, and in public of kinds that no migration makes."""
    return frozenset((row["kind"], row["object"], row["part"]) for row in db.run(_SQL["outside_catalogue"]))


def _ensure_ours(foreign: Sequence[ObjectKey]) -> None:
    if foreign:
        raise RejectedInput(
            "nothing was removed: this depends on what would go, and is not ours. Remove or change it first",
            details=[_named(each) for each in foreign],
        )


def _forget(transaction: Transaction, before: Catalogue | None, *, with_data: bool) -> None:
    transaction.run(_SQL["forget_migrations"])
    if with_data:
        had_bookkeeping = before is not None and ("schema", "supabase_migrations", "") in before
        transaction.run(_SQL["drop_column" if had_bookkeeping else "drop_bookkeeping"])
        transaction.run(_SQL["take_rights_back"])


def _described(now: Catalogue, after: Catalogue, *, is_remembered: bool) -> Uninstalled:
    """Parts of a table that goes are not worth a word."""
    gone = now.keys() - after.keys()
    tables = {name for kind, name, _ in gone if kind == "table"}
    kinds = [kind for kind, name, _ in sorted(gone) if kind in _COUNTED and (kind == "table" or name not in tables)]
    return Uninstalled({kind: kinds.count(kind) for kind in kinds}, sorted(tables), is_remembered)


def _named(key: ObjectKey) -> str:
    kind, name, part = key
    return f"{kind} {part} of {name}" if part else f"{kind} {name}"

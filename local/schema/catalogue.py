"""What the catalogue says about the schema `public`, as rows that the pages are written from."""

from dataclasses import dataclass
from typing import Any, TypeVar

from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import parse_queries
from local.stack_file import ROOT

_SQL = parse_queries((ROOT / "local" / "schema" / "catalogue.sql").read_text(encoding="utf-8"))
T = TypeVar("T")


@dataclass(frozen=True)
class SchemaTable:
    """A table or a partition; `bound` are the values of the latter."""

    name: str
    partition_key: str | None
    parent: str | None
    bound: str | None
    is_unlogged: bool
    options: str | None
    has_row_security: bool
    forces_row_security: bool
    replica_identity: str | None
    comment: str | None


@dataclass(frozen=True)
class TableColumn:
    """Of a table or view; `value` is a default or what a generated column is computed by."""

    table_name: str
    name: str
    type: str
    is_required: bool
    value: str | None
    identity: str | None
    generated: str | None
    collation: str | None
    sequence: str
    comment: str | None


@dataclass(frozen=True)
class Constraint:
    """A key, a check, an exclusion or a reference to `target`."""

    table_name: str
    name: str
    kind: str
    definition: str
    columns: list[str]
    target: str | None
    is_valid: bool
    comment: str | None


@dataclass(frozen=True)
class TableIndex:
    """An index that no constraint makes."""

    table_name: str
    name: str
    definition: str
    comment: str | None


@dataclass(frozen=True)
class Policy:
    """Of row security; without a command it is for all of them, without roles for everybody."""

    table_name: str
    name: str
    is_permissive: bool
    command: str | None
    roles: list[str]
    readable: str | None
    writable: str | None
    comment: str | None


@dataclass(frozen=True)
class TableTrigger:
    """Of a table or view; `state` where it is not simply enabled."""

    table_name: str
    name: str
    function: str
    definition: str
    state: str | None
    comment: str | None


@dataclass(frozen=True)
class EventTrigger:
    """Of the whole database."""

    name: str
    event: str
    tags: list[str] | None
    function: str
    state: str | None
    comment: str | None


@dataclass(frozen=True)
class Function:
    """A function or procedure; `signature` tells it from others of its name."""

    name: str
    signature: str
    kind: str
    definition: str
    arguments: str
    body: str
    comment: str | None


@dataclass(frozen=True)
class SchemaView:
    """A view, materialized or not."""

    name: str
    is_materialized: bool
    options: str | None
    definition: str
    comment: str | None


@dataclass(frozen=True)
class Sequence:
    """A sequence that no column owns."""

    name: str
    type: str
    options: str
    comment: str | None


@dataclass(frozen=True)
class PublishedTable:
    """A table of a publication, with the columns and rows that it is limited to."""

    publication: str
    table_name: str
    columns: list[str]
    condition: str | None


class Catalogue:
    """All of one database, read once."""

    def __init__(self, database: Queryable) -> None:
        database.run(_SQL["read_plainly"])

        def read(name: str, kind: type[T]) -> list[T]:
            return [kind(**row) for row in database.run(_SQL[name])]

        self.tables = read("tables", SchemaTable)
        self.columns = _by_table(read("columns", TableColumn))
        self.constraints = _by_table(read("constraints", Constraint))
        self.indexes = _by_table(read("indexes", TableIndex))
        self.policies = _by_table(read("policies", Policy))
        self.triggers = read("triggers", TableTrigger)
        self.event_triggers = read("event_triggers", EventTrigger)
        self.functions = read("functions", Function)
        self.views = read("views", SchemaView)
        self.sequences = read("sequences", Sequence)
        self.published = _by_table(read("published_tables", PublishedTable))
        self.needs = _needs(database.run(_SQL["needs"]))
        self.setup = {name: database.run(_SQL[name]) for name in ("extensions", "roles", "publications")}


def _by_table(rows: list[T]) -> dict[str, list[T]]:
    found: dict[str, list[T]] = {}
    for row in rows:
        owner: Any = row
        found.setdefault(owner.table_name, []).append(row)
    return found


def _needs(rows: list[Row]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["name"], set()).add(row["needed"])
    return found


def in_reading_order(names: list[str], needs: dict[str, set[str]]) -> list[str]:
    """Each name behind what it needs, and what belongs to a name right behind it; first what most others need."""
    order: list[str] = []
    ranked = sorted(names, key=lambda name: (-len(_needed_by(name, names, needs)), name))

    def place(name: str) -> None:
        order.append(name)
        for other in ranked:
            if other not in order and name in needs.get(other, ()) and needs[other] & set(names) <= {*order, other}:
                place(other)

    while left := [name for name in ranked if name not in order]:
        # Names that need each other are placed too: nothing is left out.
        place(next((name for name in left if needs.get(name, set()) & set(left) <= {name}), left[0]))
    return order


def _needed_by(name: str, names: list[str], needs: dict[str, set[str]]) -> set[str]:
    """The names that need it, also by way of others."""
    found: set[str] = set()
    while more := {one for one in names if needs.get(one, set()) & (found | {name})} - found:
        found |= more
    return found

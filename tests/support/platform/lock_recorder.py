"""A database that notes, statement by statement, which existing rows each transaction has locked."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crm_relay.platform.database import Database, Row
from tests.support.platform.rows import rows_of

_BETWEEN = re.compile(r"\n; |(?<=^begin); ")
_OWN_ID = "select pg_current_xact_id_if_assigned()::text as xid"
_DROP_FOREIGN_KEYS = """do $$ declare each record; begin
    for each in select conrelid::regclass as owner, conname from pg_constraint where contype = 'f' loop
        execute format('alter table %s drop constraint if exists %I', each.owner, each.conname);
    end loop;
end $$"""


@dataclass(frozen=True)
class LockingStatement:
    """The rows that a statement locked first in its transaction, by table; `transaction` numbers the latter."""

    transaction: int
    sql: str
    rows: Mapping[str, int]

    @property
    def waits(self) -> bool:
        """Whether it would wait for a row that another transaction holds."""
        return "skip locked" not in self.sql

    @property
    def is_ordered(self) -> bool:
        """Whether it says in which order it locks several rows; a function of listed rows is called in their order."""
        says_so = re.search(r"order by .*\b(for (no key )?(update|share)|on conflict)", self.sql, re.DOTALL)
        return says_so is not None or re.match(r"select \w+\(.*\bfrom \(values", self.sql, re.DOTALL) is not None

    def __str__(self) -> str:
        """For a test's message."""
        return f"{dict(self.rows)} by {' '.join(self.sql.split())[:160]}"


class LockRecorder(Database):
    """Sends each statement of a transaction by itself, and asks another connection which rows are locked by then.

    PostgreSQL notes the locker of a row in its `xmax`, which others see while the transaction runs; a row that the
    transaction itself has inserted they do not see. Locks of foreign keys would look the same, so their constraints
    are dropped in this database.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._observer = Database(url)
        self._observer.run_script(_DROP_FOREIGN_KEYS)
        self._looks = _looks(self._observer)
        self._transaction = 0
        self._held: Mapping[str, int] = {}
        self.statements: list[LockingStatement] = []

    @property
    def transactions(self) -> list[list[LockingStatement]]:
        """Those that locked anything."""
        found: dict[int, list[LockingStatement]] = {}
        for each in self.statements:
            found.setdefault(each.transaction, []).append(each)
        return list(found.values())

    def close(self) -> None:
        self._observer.close()
        super().close()

    def _send(self, sql: str, **more: bool) -> list[list[Row]]:
        if not more.get("in_transaction"):
            # Its locks end with it, before anybody could look.
            return super()._send(sql, **more)
        results: list[list[Row]] = []
        pieces = _BETWEEN.split(sql)
        for place, piece in enumerate(pieces):
            commits = more.get("commits", False) and place == len(pieces) - 1
            continues = more.get("continues", False) or place > 0
            results += super()._send(piece, in_transaction=True, continues=continues, commits=commits)
            if not continues:
                self._transaction, self._held = self._transaction + 1, {}
            elif not commits:
                self._note(piece)
        return results

    def _note(self, sql: str) -> None:
        ((me,),) = super()._send(_OWN_ID, in_transaction=True, continues=True)
        held = self._locked_by(me["xid"])
        new = {table: number - self._held.get(table, 0) for table, number in held.items()}
        if new := {table: number for table, number in new.items() if number > 0}:
            self.statements.append(LockingStatement(self._transaction, sql, new))
        self._held = held

    def _locked_by(self, xid: str | None) -> dict[str, int]:
        if xid is None:
            return {}
        return {row["name"]: row["number"] for row in rows_of(self._observer, self._looks, xid=xid)}


def _looks(database: Database) -> str:
    """A count of the rows that a transaction has locked, for each table where there is one."""
    tables = rows_of(
        database,
        """select c.oid::regclass::text as name from pg_class c
           where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace order by 1""",
    )
    counts = [
        f"""select '{row["name"]}' as name, count(*)::integer as number
            from {row["name"]} where xmax::text = :xid having count(*) > 0"""
        for row in tables
    ]
    return " union all ".join(counts)


@dataclass(frozen=True)
class LockOrder:
    """What `schema/lock_order.toml` says; a group has a name and its tables."""

    groups: Sequence[tuple[str, Sequence[str]]]
    guarded: frozenset[str]
    counted: frozenset[str]
    unwaiting: Sequence[str] = ()
    ordered: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "LockOrder":
        """The file at `path`."""
        written = tomllib.loads(path.read_text(encoding="utf-8"))
        groups = written["order"]
        guarded, counted = (
            frozenset(table for group in groups for table in group.get(name, ())) for name in ("guarded", "counted")
        )
        named = [(group["name"], group["tables"]) for group in groups]
        return cls(named, guarded, counted, written["unwaiting"], written["ordered"])

    @property
    def tables(self) -> list[str]:
        """From first to last."""
        return [table for _, tables in self.groups for table in tables]

    def disorder(self, transactions: Iterable[Sequence[LockingStatement]]) -> list[str]:
        """What contradicts it: rows that are waited for behind those of a later table, or several in no order."""
        return list(dict.fromkeys(found for statements in transactions for found in self._of_one(statements)))

    def _of_one(self, statements: Sequence[LockingStatement]) -> Iterator[str]:
        last = -1
        for each in statements:
            waited = {table: number for table, number in each.rows.items() if self._is_waited_for(table, each)}
            for table, number in waited.items():
                if table not in self.tables:
                    yield f"{table} has no place in the order: {each}"
                elif self.tables.index(table) < last:
                    yield f"{table} behind {self.tables[last]}: {each}"
                elif number > 1 and table not in self.guarded and not self._is_ordered(each):
                    yield f"{table} in no order: {each}"
            last = max([last, *(self.tables.index(table) for table in waited if table in self.tables)])

    def _is_ordered(self, statement: LockingStatement) -> bool:
        """By itself, or by what it runs."""
        return statement.is_ordered or any(word in statement.sql for words in self.ordered.values() for word in words)

    def _is_waited_for(self, table: str, statement: LockingStatement) -> bool:
        is_named = re.search(rf"\b{table}\b", statement.sql) is not None
        waits = statement.waits and not any(f"{name}(" in statement.sql for name in self.unwaiting)
        return waits and (is_named or table not in self.counted)

"""A database that refuses one named statement where it concerns one row, as a value there would make it."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from crm_relay.platform.database import Database, Row
from crm_relay.platform.sql import Query

# Shorter texts stand in more than one statement.
_TELLING = 40
_RAISE = "do $$ begin raise exception 'planted' using errcode = '{code}'; end $$"


@dataclass
class PlantedFault:
    """At which statement, for whose ids, and how it fails; `query` None: nothing fails.

    `seen` notes the statements that concerned them, and `fired` how often one failed.
    """

    queries: Collection[Query]
    query: Query | None = None
    ids: Collection[str] = ()
    code: str = "22003"
    seen: set[str] = field(default_factory=set)
    fired: int = 0
    is_suspended: bool = False

    def look(self, sql: str) -> bool:
        """Whether the statement that fails is part of it."""
        return self.query is not None and _contains(sql, self.query)

    def note(self, sql: str, answer: str) -> None:
        if not self.is_suspended and (self.concerns(sql) or self.concerns(answer)):
            self.seen |= {query.name for query in self.queries if _contains(sql, query)}

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """While the test itself looks."""
        query, self.query, self.is_suspended = self.query, None, True
        yield
        self.query, self.is_suspended = query, False

    def concerns(self, text: str) -> bool:
        return any(each in text for each in self.ids)


def _contains(sql: str, query: Query) -> bool:
    """By its longest text between two parameters."""
    telling = max(query.pieces[::2], key=len)
    return len(telling) >= _TELLING and telling in sql


class FaultyDatabase(Database):
    """A statement fails as a whole, whether its text names the row or its answer shows it."""

    def __init__(self, url: str, plan: PlantedFault) -> None:
        super().__init__(url)
        self.plan = plan

    def _send(
        self,
        sql: str,
        *,
        in_transaction: bool = False,
        continues: bool = False,
        commits: bool = False,
        is_script: bool = False,
    ) -> list[list[Row]]:
        if not self.plan.look(sql):
            answer = super()._send(sql, in_transaction=in_transaction, continues=continues, commits=commits)
            self.plan.note(sql, repr(answer))
            return answer
        if in_transaction and not commits:
            found = super()._send(sql, in_transaction=True, continues=continues)
        elif in_transaction:
            without_commit = sql.removesuffix("commit").rstrip().removesuffix(";")
            found = super()._send(without_commit, in_transaction=True, continues=continues)
        else:
            found = super()._send(f"begin; {sql}", in_transaction=True)[1:]
        if self.plan.concerns(sql) or self.plan.concerns(repr(found)):
            self.plan.fired += 1
            try:
                super()._send(_RAISE.format(code=self.plan.code), in_transaction=True, continues=True)
            finally:
                if not in_transaction:
                    self._abandon()
        if commits or not in_transaction:
            ended = super()._send("commit", in_transaction=True, continues=True, commits=True)
            found += ended if commits else []
        return found

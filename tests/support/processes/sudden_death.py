"""A process that dies at a chosen step, as by SIGKILL, within this one: nothing that it holds works afterwards."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from crm_relay.platform.aws.lease import LeaseLost
from crm_relay.platform.database import Database, Row
from crm_relay.platform.http.http_client import Answer, HttpClient

T = TypeVar("T")


class Killed(BaseException):
    """No `except Exception` holds it up, and what runs in a `finally` meets it again."""


@dataclass
class Life:
    """Ends at its `last` step, a statement or a request, before or after that was carried out; 0 is a long life."""

    last: int = 0
    before: bool = False
    taken: int = 0
    is_over: bool = False

    def step(self, call: Callable[[], T]) -> T:
        """Carry `call` out, if this life lasts so long."""
        if self.is_over:
            raise Killed
        self.taken += 1
        if self.taken != self.last:
            return call()
        self.is_over = True
        if not self.before:
            call()
        raise Killed


class MortalDatabase(Database):
    """A Database whose statements, commits included, are steps of a life."""

    def __init__(self, url: str, life: Life) -> None:
        super().__init__(url)
        self._life = life

    def _send(self, sql: str, **more: bool) -> list[list[Row]]:
        return self._life.step(lambda: super(MortalDatabase, self)._send(sql, **more))


@dataclass
class MortalHttp(HttpClient):
    """An HttpClient whose requests are steps of a life."""

    life: Life = field(default_factory=Life)

    def send(self, method: str, path: str, **more: Any) -> Answer:
        """As in HttpClient."""
        return self.life.step(lambda: super(MortalHttp, self).send(method, path, **more))


@dataclass
class LeaseTable:
    """What DynamoDB remembers of the one lease."""

    holder: object = None
    until: datetime | None = None


@dataclass(eq=False)
class MortalLease:
    """The lease as its table sees it: whoever dies with it keeps the others out until it runs out."""

    table: LeaseTable
    now: Callable[[], datetime]
    life: Life
    seconds: float = 180

    def acquire(self) -> bool:
        """As in Lease."""
        return self.life.step(self._put)

    def renew(self) -> None:
        """As in Lease."""
        if not self.life.step(self._put):
            raise LeaseLost("the lease was lost")

    def release(self) -> None:
        """As in Lease."""
        self.life.step(self._remove)

    def _put(self) -> bool:
        table = self.table
        if table.holder not in {None, self} and table.until is not None and table.until >= self.now():
            return False
        table.holder, table.until = self, self.now() + timedelta(seconds=self.seconds)
        return True

    def _remove(self) -> None:
        if self.table.holder is self:
            self.table.holder = None

"""A transaction during which somebody else acts, at a moment that a test names."""

import re
import threading
from collections.abc import Callable

from crm_relay.platform.database import Database, Row
from tests.support.platform.rows import rows_of

_BETWEEN = re.compile(r"\n; |(?<=^begin); ")


class MeanwhileBefore(Database):
    """Somebody else acts while a transaction is open: before its first statement with `word` in it.

    Once the transaction has ended, the other one is done before anything else is sent.
    """

    def __init__(self, url: str, word: str, act: Callable[[Database], object]) -> None:
        super().__init__(url)
        self._word, self._act, self._url = word, act, url
        self._other: threading.Thread | None = None
        self.error: Exception | None = None

    def _send(self, sql: str, **more: bool) -> list[list[Row]]:
        if self._other is None and self._word in sql:
            self._other = threading.Thread(target=self._run)
            self._other.start()
            # It gets through, or is held up by what this transaction holds.
            while self._other.is_alive() and not self._somebody_waits():
                self._other.join(0.01)
        results = super()._send(sql, **more)
        if self._other is not None and more.get("commits"):
            self._other.join()
        return results

    def _somebody_waits(self) -> bool:
        database = Database(self._url)
        try:
            return bool(
                rows_of(
                    database,
                    """select from pg_stat_activity
                       where datname = current_database() and wait_event_type = 'Lock'""",
                )
            )
        finally:
            database.close()

    def _run(self) -> None:
        database = Database(self._url)
        try:
            self._act(database)
        except Exception as error:  # noqa: BLE001 - for the test to see
            self.error = error
        finally:
            database.close()

    def join(self) -> None:
        """Until the other one is done. AssertionError where it never began, or failed."""
        assert self._other is not None, "nobody acted"
        self._other.join()
        assert self.error is None, self.error

    def close(self) -> None:
        if self._other is not None:
            self._other.join()
        super().close()


class MeanwhileBetween(MeanwhileBefore):
    """The same where the statement shares its message with others: each statement is sent by itself."""

    def _send(self, sql: str, **more: bool) -> list[list[Row]]:
        pieces = _BETWEEN.split(sql) if more.get("in_transaction") else [sql]
        results: list[list[Row]] = []
        for place, piece in enumerate(pieces):
            is_last = place == len(pieces) - 1
            place_of_it = {"continues": more.get("continues", False) or place > 0}
            commits = {"commits": more.get("commits", False) and is_last}
            results += super()._send(piece, **{**more, **place_of_it, **commits})
        return results

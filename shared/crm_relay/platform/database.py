"""The only way to PostgreSQL: few round trips, safe through a transaction-mode pooler."""

import select
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from crm_relay.platform.errors import OF_ONE_ROW, FatalError, TransientError
from crm_relay.platform.postgres.server_connection import (
    ConnectionLost,
    Row,
    ServerConnection,
    StatementFailed,
    connection_arguments,
)
from crm_relay.platform.sql import Query, SqlValue, Statement

__all__ = ["Database", "Queryable", "Row", "Transaction"]

T = TypeVar("T")

_RETRY_TRANSACTION = {"40001", "40P01"}
_ATTEMPTS = 3
_PING_AFTER_SECONDS = 30.0
_PING_TIMEOUT_SECONDS = 2.0
_LOST = "the database connection was lost"


class Queryable(Protocol):
    """What a store needs: a Database, where each statement stands alone, or a Transaction."""

    def run(self, query: Query, **values: SqlValue) -> list[Row]:
        """The rows of one statement, as dicts by column name."""


class Database:
    """One connection, opened on first use and again after it was lost; not for several threads.

    `url` is `postgresql://user:password@host:port/name`. TLS is verified against `ca_file`, else against the system's
    authorities; only a loopback host or an explicit `?sslmode=disable` goes without. `timeout` bounds each wait for the
    server, in seconds.

    Statements go by the simple query protocol with values rendered into the text: a parameterised statement takes
    several protocol steps, which a transaction-mode pooler may spread over several server connections, and the driver
    would then return another client's rows.
    """

    def __init__(self, url: str, *, ca_file: str | None = None, timeout: float = 10.0) -> None:
        self._arguments = connection_arguments(url, ca_file, timeout)
        self._timeout = timeout
        self._connection: ServerConnection | None = None
        self._used_at = 0.0

    @property
    def host(self) -> str:
        """As the address names it."""
        return str(self._arguments["host"])

    @property
    def user(self) -> str:
        """As the address names it: a pooler's has the project in it."""
        return str(self._arguments["user"])

    def run(self, query: Query, **values: SqlValue) -> list[Row]:
        """One statement in a transaction of its own: one round trip.

        Raises RejectedInput where a value breaks a constraint or a type, TransientError where it may work later (the
        statement may then have been carried out or not: say idempotency in SQL), FatalError otherwise.
        """
        return self._send(query.render(values))[-1]

    def transact(self, work: Callable[["Transaction"], T]) -> T:
        """Run `work` in one transaction: a round trip for each of its messages and one for the commit.

        The commit costs nothing where `work` ends with `Transaction.finish`. After a deadlock, a serialization failure
        or a connection lost before the commit, `work` runs again, so it must touch nothing but its transaction. Errors
        as in `run`.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            transaction = Transaction(self._send)
            try:
                result = work(transaction)
                transaction.commit()
            except _RepeatTransaction as error:
                self._abandon()
                if attempt == _ATTEMPTS:
                    raise TransientError(str(error)) from None
            except BaseException:
                self._abandon()
                raise
            else:
                return result
        raise AssertionError("unreachable")

    def run_script(self, sql: str) -> None:
        """Many statements in one text, without parameters: for migrations. Errors as in `run`."""
        self._send(sql, is_script=True)

    def close(self) -> None:
        """Close the connection; the next statement opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.drop()

    def _send(
        self,
        sql: str,
        *,
        in_transaction: bool = False,
        continues: bool = False,
        commits: bool = False,
        is_script: bool = False,
    ) -> list[list[Row]]:
        """The rows of each statement; `commits` says that `sql` ends the transaction."""
        # A transaction lives and dies with its connection: on another one the rest of it would stand alone.
        connection = self._connection if continues else self._connected()
        if connection is None:
            raise _RepeatTransaction(_LOST) if in_transaction else TransientError(_LOST)
        try:
            results = connection.send(sql)
        except StatementFailed as error:
            if in_transaction and error.code in _RETRY_TRANSACTION:
                raise _RepeatTransaction(str(error)) from None
            raise error.as_ours(of_script=is_script) from None
        except ConnectionLost:
            # After a time-out or a lost connection the protocol's state is unknown: nothing more may be sent on it.
            self.close()
            if commits:
                raise TransientError(f"{_LOST} at the commit: its outcome is unknown") from None
            raise (_RepeatTransaction(_LOST) if in_transaction else TransientError(_LOST)) from None
        except BaseException:
            # Interrupted in the middle of an answer.
            self.close()
            raise
        self._used_at = time.time()
        if commits and connection.rolled_back:
            raise FatalError("a statement of the transaction had failed: nothing was committed")
        return results

    def _connected(self) -> ServerConnection:
        if self._connection is not None and not self._still_there(self._connection):
            self.close()
        if self._connection is None:
            self._connection = ServerConnection(self._arguments)
            self._used_at = time.time()
        return self._connection

    def _still_there(self, connection: ServerConnection) -> bool:
        """Whether the connection survived, asked only after a pause: Lambda freezes an idle environment.

        A readable socket between two statements means that the server hung up or has something to say; a long silence
        may have been cut by a NAT without a word. Both cost one short ping, a busy connection costs nothing.
        """
        socket = connection.socket
        if time.time() - self._used_at < _PING_AFTER_SECONDS and not _is_readable(socket):
            return True
        try:
            socket.settimeout(_PING_TIMEOUT_SECONDS)
            connection.send("select 1")
            socket.settimeout(self._timeout)
        except (StatementFailed, ConnectionLost, OSError):
            return False
        return True

    def _abandon(self) -> None:
        """End an open transaction; a connection on which that fails is dropped, which ends it too."""
        if self._connection is not None and not self._connection.is_idle:
            try:
                self._connection.send("rollback")
            except (StatementFailed, ConnectionLost):
                self.close()


class Transaction:
    """Statements that take effect together; made by `Database.transact`, which commits it."""

    def __init__(self, send: Callable[..., list[list[Row]]]) -> None:
        self._send = send
        self._begun = False
        self._savepoint = False
        self._finished = False
        self._committed = False
        self._callbacks: list[Callable[[], Any]] = []

    def run(self, query: Query, **values: SqlValue) -> list[Row]:
        """The rows of one statement: one round trip. The transaction's first message carries the BEGIN along."""
        return self.send_all([query.bind(**values)])[0]

    def send_all(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """The rows of each statement, in their order: one round trip for all.

        Each statement sees what those before it did, and what others committed until it began: under READ COMMITTED a
        lock and a later read may share a message. After an error none of them counts; errors as in `Database.run`.
        """
        self._refuse_where_finished()
        return self._carry(statements) if statements else []

    def run_script(self, sql: str) -> None:
        """Many statements in one text, without parameters: for migrations. Errors as in `Database.run`."""
        self._refuse_where_finished()
        continues, self._begun = self._begun, True
        self._send(sql if continues else f"begin; {sql}", in_transaction=True, continues=continues, is_script=True)

    def apart(self, work: Callable[[], T]) -> T:
        """`work` in a savepoint: where it meets a fault of a row (`OF_ONE_ROW`) all it did is undone, and nothing else.

        The error is raised. No round trip of its own where `work` succeeds. Not to be nested.
        """
        self._savepoint = True
        try:
            return work()
        except OF_ONE_ROW:
            if not self._savepoint:
                self._send("rollback to savepoint apart", in_transaction=True, continues=True)
            raise
        finally:
            self._savepoint = False

    def finish(self, statements: Sequence[Statement] = ()) -> list[list[Row]]:
        """As `send_all`, with the commit in the same message: the transaction's last one.

        Where a statement or the commit fails, nothing is committed. Where the connection is lost, the outcome is
        unknown: TransientError, and the work is not repeated. Nothing can be run afterwards, not even after an error.
        """
        self._refuse_where_finished()
        results = self._carry(statements, commits=True) if statements or self._begun else []
        self._finished = self._committed = True
        for callback in self._callbacks:
            callback()
        return results

    def after_commit(self, callback: Callable[[], Any]) -> None:
        """Call `callback` once the transaction is committed, in the order of registration.

        Forgotten where the transaction is rolled back; repeated work registers its own. Nor does it run where the
        outcome of the commit is unknown or the process ends in between: what it does must also happen by itself, later
        (a wake message spares a wait for the schedule), or when the caller does the work again. An error of a callback
        is the caller's and leaves the transaction committed and the later callbacks undone.
        """
        self._refuse_where_finished()
        self._callbacks.append(callback)

    def commit(self) -> None:
        """What `Database.transact` calls after the work; nothing to do after a `finish`. Errors as in `finish`."""
        if not self._committed:
            self.finish()

    def _carry(self, statements: Sequence[Statement], *, commits: bool = False) -> list[list[Row]]:
        """One message with what has to go before and behind the statements."""
        texts = [statement.render() for statement in statements]
        marks = ["savepoint apart"] if self._savepoint else []
        continues, self._begun, self._finished, self._savepoint = self._begun, True, commits, False
        # On a line of its own: a statement may end with a comment.
        message = "\n; ".join([*marks, *texts, "commit"] if commits else [*marks, *texts])
        results = self._send(
            message if continues else f"begin; {message}", in_transaction=True, continues=continues, commits=commits
        )
        own = results[(not continues) + len(marks) :][: len(texts)]
        if len(results) != len(marks) + len(texts) + (not continues) + commits:
            raise FatalError("a statement of the transaction is not one statement")
        return own

    def _refuse_where_finished(self) -> None:
        if self._finished:
            raise RuntimeError("the transaction is finished: nothing more can be run in it")


def _is_readable(socket: Any) -> bool:
    """Not by `select`, which refuses the thousandth descriptor of a process."""
    watched = select.poll()
    watched.register(socket, select.POLLIN)
    return bool(watched.poll(0))


class _RepeatTransaction(Exception):
    """The transaction is gone, and doing it again is safe."""

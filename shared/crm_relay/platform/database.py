"""The only caller of the PostgreSQL driver: one round trip a statement, safe through a transaction-mode pooler."""

import contextlib
import select
import ssl
import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from pg8000.native import Connection, DatabaseError, InterfaceError

from crm_relay.platform.errors import FatalError, RejectedInput, TransientError
from crm_relay.platform.sql import Query, SqlValue

Row = dict[str, Any]
T = TypeVar("T")

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_RETRY_TRANSACTION = {"40001", "40P01"}
_TRANSIENT_CLASSES = {"08", "40", "53", "55", "57", "58"}
_REJECTED_CLASSES = {"22", "23"}
# Supavisor reports its own trouble as XX000 with one of these words in front of the message.
_TRANSIENT_POOLER_WORDS = ("ECHECKOUT", "EMAXCONN", "EDBHANDLEREXITED")
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_ATTEMPTS = 3
_PING_AFTER_SECONDS = 30.0
_PING_TIMEOUT_SECONDS = 2.0


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
        self._arguments = _connection_arguments(url, ca_file, timeout)
        self._timeout = timeout
        self._connection: Connection | None = None
        self._used_at = 0.0

    def run(self, query: Query, **values: SqlValue) -> list[Row]:
        """One statement in a transaction of its own: one round trip.

        Raises RejectedInput where a value breaks a constraint or a type, TransientError where it may work later (the
        statement may then have been carried out or not: say idempotency in SQL), FatalError otherwise.
        """
        return self._send(query.render(values))

    def transact(self, work: Callable[["Transaction"], T]) -> T:
        """Run `work` in one transaction: a round trip for each of its statements and one for the commit.

        After a deadlock, a serialization failure or a connection lost before the commit, `work` runs again, so it must
        touch nothing but its transaction. Errors as in `run`.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            transaction = Transaction(self._send)
            try:
                result = work(transaction)
            except _RepeatTransaction as error:
                self._abandon()
                if attempt == _ATTEMPTS:
                    raise TransientError(str(error)) from None
            except BaseException:
                self._abandon()
                raise
            else:
                transaction.commit()
                return result
        raise AssertionError("unreachable")

    def run_script(self, sql: str) -> None:
        """Many statements in one text, without parameters: for migrations. Errors as in `run`."""
        self._send(sql)

    def close(self) -> None:
        """Close the connection; the next statement opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(InterfaceError, OSError):
                connection.close()

    def _send(self, sql: str, *, in_transaction: bool = False, continues: bool = False) -> list[Row]:
        lost = "the database connection was lost"
        # A transaction lives and dies with its connection: on another one the rest of it would stand alone.
        connection = self._connection if continues else self._connected()
        if connection is None:
            raise _RepeatTransaction(lost) if in_transaction else TransientError(lost)
        try:
            rows = connection.run(sql)
        except DatabaseError as error:
            raise _translated(error, in_transaction=in_transaction) from None
        except (InterfaceError, OSError):
            # After a time-out or a lost connection the protocol's state is unknown: nothing more may be sent on it.
            self.close()
            raise (_RepeatTransaction(lost) if in_transaction else TransientError(lost)) from None
        self._used_at = time.time()
        names = [column["name"] for column in connection.columns or ()]
        # The statements of a script may differ in width; nobody reads what they return.
        return [dict(zip(names, row, strict=False)) for row in rows or ()]

    def _connected(self) -> Connection:
        if self._connection is not None and not self._still_there(self._connection):
            self.close()
        if self._connection is None:
            self._connection = self._open()
            self._used_at = time.time()
        return self._connection

    def _open(self) -> Connection:
        try:
            connection = Connection(**self._arguments)
        except DatabaseError as error:
            raise _translated(error) from None
        except (InterfaceError, OSError) as error:
            # A refused certificate will not become good by waiting; everything else may.
            if isinstance(error.__cause__ or error, ssl.SSLCertVerificationError):
                raise FatalError("the database's TLS certificate was not accepted") from None
            tls = " over verified TLS" if self._arguments["ssl_context"] else ""
            raise TransientError(f"the database cannot be reached{tls}") from None
        if connection.parameter_statuses.get("standard_conforming_strings", "on") != "on":
            raise FatalError("the database must run with standard_conforming_strings = on")
        return connection

    def _still_there(self, connection: Connection) -> bool:
        """Whether the connection survived, asked only after a pause: Lambda freezes an idle environment.

        A readable socket between two statements means that the server hung up or has something to say; a long silence
        may have been cut by a NAT without a word. Both cost one short ping, a busy connection costs nothing.
        """
        socket = connection._usock  # noqa: SLF001 - the driver has no public way to bound a single wait
        if time.time() - self._used_at < _PING_AFTER_SECONDS and not select.select([socket], [], [], 0)[0]:
            return True
        try:
            socket.settimeout(_PING_TIMEOUT_SECONDS)
            connection.run("select 1")
            socket.settimeout(self._timeout)
        except (DatabaseError, InterfaceError, OSError):
            return False
        return True

    def _abandon(self) -> None:
        """End an open transaction; a connection on which that fails is dropped, which ends it too."""
        if self._connection is not None:
            try:
                self._connection.run("rollback")
            except (DatabaseError, InterfaceError, OSError):
                self.close()


class Transaction:
    """Statements that take effect together; made by `Database.transact`, which commits it."""

    def __init__(self, send: Callable[..., list[Row]]) -> None:
        self._send = send
        self._begun = False

    def run(self, query: Query, **values: SqlValue) -> list[Row]:
        """The rows of one statement. The first one carries the BEGIN along, so that it costs no round trip."""
        text = query.render(values)
        continues, self._begun = self._begun, True
        return self._send(text if continues else f"begin; {text}", in_transaction=True, continues=continues)

    def commit(self) -> None:
        """Nothing to do where nothing was run. Raises TransientError where the outcome is unknown."""
        if self._begun:
            self._send("commit", continues=True)


class _RepeatTransaction(Exception):
    """The transaction is gone, and doing it again is safe."""


def _translated(error: DatabaseError, *, in_transaction: bool = False) -> Exception:
    """The server's error as one of ours: SQLSTATE and the names of things, never a detail that quotes a row."""
    said = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    code = str(said.get("C", "?????"))
    things = ", ".join(str(said[key]) for key in ("t", "c", "n") if key in said)
    message = f"database error {code}" + (f" ({things})" if things else "")
    if code in _RETRY_TRANSACTION and in_transaction:
        return _RepeatTransaction(message)
    if code[:2] in _TRANSIENT_CLASSES or str(said.get("M", "")).startswith(_TRANSIENT_POOLER_WORDS):
        return TransientError(message)
    return RejectedInput(message, status=422) if code[:2] in _REJECTED_CLASSES else FatalError(message)


def _connection_arguments(url: str, ca_file: str | None, timeout: float) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"} or not parts.hostname or not parts.username:
        raise FatalError("DATABASE_URL must look like postgresql://user:password@host:port/name")
    plain = parts.hostname in _LOOPBACK or parse_qs(parts.query).get("sslmode") == ["disable"]
    return {
        "user": unquote(parts.username),
        "password": unquote(parts.password or ""),
        "host": parts.hostname,
        "port": parts.port or 5432,
        "database": unquote(parts.path.lstrip("/")) or "postgres",
        "ssl_context": False if plain and not ca_file else verified_tls(ca_file),
        "timeout": timeout,
        "application_name": "crm-relay",
    }


def verified_tls(ca_file: str | None) -> ssl.SSLContext:
    """A context that verifies certificate and host name; `ca_file` None means the system's authorities.

    Python 3.13 added VERIFY_X509_STRICT to the defaults, which refuses older root certificates that lack newer
    extensions; only that flag is cleared. https://docs.python.org/3/library/ssl.html#ssl.create_default_context
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError:
        raise FatalError("DATABASE_CA_FILE cannot be read as a certificate file") from None
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context

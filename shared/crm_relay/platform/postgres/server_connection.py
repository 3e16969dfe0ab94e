"""One connection to PostgreSQL by the driver: a message out, the result set of each of its statements back."""

import contextlib
import ssl
from collections.abc import Callable
from struct import Struct
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pg8000.converters import string_in
from pg8000.core import Context
from pg8000.native import Connection, DatabaseError, InterfaceError

from crm_relay.platform.errors import (
    DuplicateRow,
    FatalError,
    RejectedInput,
    RowRefused,
    SchemaMismatch,
    ScriptFailed,
    TransientError,
)
from crm_relay.platform.postgres.column_readers import READERS

Row = dict[str, Any]

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_TRANSIENT_CLASSES = {"08", "40", "53", "55", "57", "58"}
_REJECTED_CLASSES = {"22", "23"}
# A trigger's or a function's own exception, more rows than one, a limit that a value exceeds, a page that is damaged.
_ROW_CLASSES = {"09", "21", "27", "2F", "38", "39", "44", "54", "P0"}
_ROW_CODES = {"XX001", "XX002"}
_UNIQUE_VIOLATION = "23505"
_UNDEFINED = {"42P01", "42703", "42883", "3F000"}
# What an operator has to mend, in words.
_MEANINGS = {
    "28P01": "the user or the password is wrong",
    "28000": "the user may not log in",
    "3D000": "the server has no database of this name",
    "42501": "the user lacks a right",
}
# Errors whose words are about tables, types, rights and names, never about a row: those of a script may be shown.
_CLASSES_ABOUT_THINGS = {"0A", "2B", "3D", "3F", "42"}
# Supavisor reports its own trouble as XX000 with one of these words in front of the message.
_TRANSIENT_POOLER_WORDS = ("ECHECKOUT", "EMAXCONN", "EDBHANDLEREXITED")
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_DESCRIPTIONS_KEPT = 1000
_LENGTH, _HEADER = Struct("!i"), Struct("!ci")
_QUERY, _DATA_ROW, _READY = b"Q", b"D", b"Z"
_PIECE, _LARGEST_PIECE = 32_768, 1_048_576
_Columns = list[tuple[str, Callable[[str], Any] | None]]
"""Name and what reads a value; None: text, which is as it comes."""
_URL_SHAPE = (
    "DATABASE_URL must look like postgresql://user:password@host:port/name "
    "(percent-encode what is neither letter nor digit in the password)"
)


class ConnectionLost(Exception):
    """No answer, or only a part of one: the connection cannot be used any more."""


class StatementFailed(Exception):
    """The server refused a statement; the message names SQLSTATE and things, never a detail that quotes a row."""

    def __init__(self, error: DatabaseError, *, place: int = 0) -> None:
        said = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
        self._said, self._place = said, place
        self.code = str(said.get("C", "?????"))
        self._from_pooler = str(said.get("M", "")).startswith(_TRANSIENT_POOLER_WORDS)
        things = ", ".join(str(said[key]) for key in ("t", "c", "n") if key in said)
        meaning = f": {_MEANINGS[self.code]}" if self.code in _MEANINGS else ""
        super().__init__(f"database error {self.code}" + (f" ({things})" if things else "") + meaning)

    def as_ours(self, *, of_script: bool = False) -> Exception:
        """The error by what happens next."""
        if of_script and self.code[:2] in _CLASSES_ABOUT_THINGS:
            words = " ".join(" ".join(str(self._said[key]) for key in ("M", "D") if key in self._said).split())
            return ScriptFailed(f"{self}: {words}", place=self._place, where=str(self._said.get("W", "")))
        if self.code[:2] in _TRANSIENT_CLASSES or self._from_pooler:
            return TransientError(str(self))
        if self.code == _UNIQUE_VIOLATION:
            return DuplicateRow(str(self), status=422)
        if self.code[:2] in _REJECTED_CLASSES:
            return RejectedInput(str(self), status=422)
        if self.code in _UNDEFINED:
            return SchemaMismatch(str(self))
        is_of_row = self.code[:2] in _ROW_CLASSES or self.code in _ROW_CODES
        return RowRefused(str(self)) if is_of_row else FatalError(str(self))


class ServerConnection(Connection):  # type: ignore[misc]  # the driver has no types
    """A connection of the driver that keeps the result sets of one message apart.

    The driver appends the rows of all statements of a message to one list. Here each CommandComplete ends a result
    set, and what a RowDescription says is read once: the same statement has the same description, byte by byte.
    Once connected, a message is one write, and an answer as many reads as it has pieces of 32 kB: the driver goes
    through a buffer message by message, copies each twice, and decodes also what is text already.
    https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-MULTI-STATEMENT
    """

    def __init__(self, arguments: dict[str, Any]) -> None:
        """Connect; `arguments` as `connection_arguments` returns them. Raises one of our errors."""
        self._results: list[list[Row]] = []
        self._descriptions: dict[bytes, _Columns] = {}
        self._columns: _Columns = []
        self._command = b""
        self._unread = b""
        try:
            super().__init__(**arguments)
        except DatabaseError as error:
            raise StatementFailed(error).as_ours() from None
        except (InterfaceError, OSError) as error:
            # A refused certificate will not become good by waiting; everything else may.
            if isinstance(error.__cause__ or error, ssl.SSLCertVerificationError):
                raise FatalError("the database's TLS certificate was not accepted") from None
            tls = " over verified TLS" if arguments["ssl_context"] else ""
            raise TransientError(f"the database cannot be reached{tls}") from None
        except ValueError:
            # A host name or a password that cannot be encoded.
            raise FatalError(_URL_SHAPE) from None
        for kind, read in READERS.items():
            self.register_in_adapter(kind, read)
        if self.parameter_statuses.get("standard_conforming_strings", "on") != "on":
            raise FatalError("the database must run with standard_conforming_strings = on")

    @property
    def is_idle(self) -> bool:
        """Whether no transaction is open, as the server said with its last answer."""
        return self._transaction_status in (None, b"I")

    @property
    def rolled_back(self) -> bool:
        """Whether the last command ended a transaction without effect, as a `commit` does after a failed statement."""
        return self._command == b"ROLLBACK"

    @property
    def socket(self) -> Any:
        """The socket itself: the driver has no public way to bound a single wait."""
        return self._usock

    def drop(self) -> None:
        """Close it, whatever state it is in."""
        with contextlib.suppress(InterfaceError, OSError):
            self.close()

    def send(self, message: str) -> list[list[Row]]:
        """The rows of each statement of `message`, in its order; a statement without rows has an empty list.

        Raises StatementFailed, after which the connection is in order, or ConnectionLost.
        """
        self._results = []
        try:
            self.execute_simple(message)
        except DatabaseError as error:
            raise StatementFailed(error, place=len(self._results)) from None
        except (InterfaceError, OSError):
            raise ConnectionLost from None
        return self._results

    def execute_simple(self, statement: str) -> Context:
        """Send a message and take its answer."""
        if self._usock is None:
            raise InterfaceError("connection is closed")
        data = statement.encode(self._client_encoding)
        self._usock.sendall(b"".join((_HEADER.pack(_QUERY, len(data) + _LENGTH.size + 1), data, b"\0")))
        context = Context(statement)
        self.handle_messages(context)
        return context

    def handle_messages(self, context: Any) -> None:
        """Every message of an answer."""
        kind, buffer, begin = b"", self._unread, 0
        while kind != _READY:
            if len(buffer) < begin + _HEADER.size:
                buffer, begin = self._receive(buffer[begin:], _HEADER.size), 0
            kind, length = _HEADER.unpack_from(buffer, begin)
            end = begin + 1 + length
            if len(buffer) < end:
                buffer, begin, end = self._receive(buffer[begin:], 1 + length), 0, 1 + length
            if kind == _DATA_ROW:
                context.rows.append(self._row(buffer, begin + _HEADER.size + 2))
            else:
                self.message_types[kind](buffer[begin + _HEADER.size : end], context)
            begin = end
        self._unread = buffer[begin:]
        if context.error is not None:
            raise context.error

    def handle_ROW_DESCRIPTION(self, data: bytes, context: Any) -> None:  # noqa: N802 - the driver's name
        """Begin a result set."""
        known = self._descriptions.get(data)
        if known is None:
            super().handle_ROW_DESCRIPTION(data, context)
            names = [column["name"] for column in context.columns]
            readers = [None if read is string_in else read for read in context.input_funcs]
            if len(self._descriptions) >= _DESCRIPTIONS_KEPT:
                self._descriptions.clear()
            known = self._descriptions[data] = list(zip(names, readers, strict=True))
        self._columns = known
        context.rows = []

    def handle_COMMAND_COMPLETE(self, data: bytes, context: Any) -> None:  # noqa: N802 - the driver's name
        """End a result set."""
        self._command = data[:-1]
        self._results.append(context.rows or [])
        context.rows = context.columns = None

    def _row(self, buffer: bytes, begin: int) -> Row:
        """The row whose first column begins there."""
        row: Row = {}
        encoding = self._client_encoding
        for name, read in self._columns:
            (length,) = _LENGTH.unpack_from(buffer, begin)
            begin += _LENGTH.size
            if length < 0:
                row[name] = None
                continue
            text = buffer[begin : begin + length].decode(encoding)
            begin += length
            row[name] = text if read is None else read(text)
        return row

    def _receive(self, unread: bytes, size: int) -> bytes:
        """`unread` and what comes behind it, at least `size` bytes."""
        pieces, missing = [unread], size - len(unread)
        while missing > 0:
            piece = self._usock.recv(min(max(missing, _PIECE), _LARGEST_PIECE))
            if not piece:
                raise InterfaceError("network error")
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)


def connection_arguments(url: str, ca_file: str | None, timeout: float) -> dict[str, Any]:
    """What the driver takes; FatalError where `url` is no address of a database."""
    try:
        parts = urlsplit(url)
        host, port, query = parts.hostname, parts.port or 5432, parse_qs(parts.query)
    except ValueError:
        # The library's message quotes what it could not read, which may be a part of the password.
        raise FatalError(_URL_SHAPE) from None
    # Behind the host an @ belongs to a password with a / ? or # in it: what seems to be the host is a part of it.
    is_cut = "@" in f"{parts.path}{parts.query}{parts.fragment}"
    if parts.scheme not in {"postgres", "postgresql"} or not host or not parts.username or is_cut:
        raise FatalError(_URL_SHAPE)
    plain = host in _LOOPBACK or query.get("sslmode") == ["disable"]
    return {
        "user": unquote(parts.username),
        "password": unquote(parts.password or ""),
        "host": host,
        "port": port,
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

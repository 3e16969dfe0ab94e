"""The four errors of the house, told apart by what happens next, and those that say more."""

from collections.abc import Sequence


class RejectedInput(Exception):
    """The caller's input cannot be used: answered with `status`, never retried, nothing written.

    `message` and `details` name fields and rules, never a value.
    """

    def __init__(self, message: str, *, status: int = 400, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.details = tuple(details)


class DuplicateRow(RejectedInput):
    """A unique index has the row already."""


class IgnoredInput(Exception):
    """Understood, and deliberately not acted on: answered 200 and counted."""


class TransientError(Exception):
    """It may work later: retried with a pause, without using up anybody's attempts."""


class RateLimited(TransientError):
    """The other side asks us to slow down; `retry_after` in seconds where it says how long."""

    def __init__(self, message: str, retry_after: float | None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ServerFailed(TransientError):
    """The other side answered 5xx: a part of the request may have been carried out."""


class NoAnswer(TransientError):
    """Nothing came back in time: the request may be being carried out at this very moment."""


class NotConnected(TransientError):
    """No connection could be made: the request was surely not carried out."""


class FatalError(Exception):
    """It will not work until somebody changes something: alarm."""


class ScriptFailed(FatalError):
    """A statement of a script does not fit the database; the text has the server's own words, which name things only.

    `place` counts the statements before it; `where`: what the server was carrying out inside it.
    """

    def __init__(self, message: str, *, place: int, where: str) -> None:
        super().__init__(message)
        self.place = place
        self.where = where


class SchemaMismatch(FatalError):
    """A statement names a table, column or function that the database does not have."""


class RowRefused(FatalError):
    """The database cannot carry out a statement for what some row holds: without that row it can."""


OF_ONE_ROW = (
    RejectedInput,
    RowRefused,
    ValueError,
    LookupError,
    TypeError,
    ArithmeticError,
    AttributeError,
    RecursionError,
)
"""What a single row may be the reason of, so that others can go on; everything else is the installation's fault."""


def describe_error(error: Exception) -> str:
    """What may be logged or stored of `error`.

    Messages of our own errors name fields and never a value; any other message may quote input, so only its class is
    given.
    """
    if isinstance(error, RejectedInput):
        return "; ".join((error.message, *error.details))
    return str(error) if type(error).__module__.startswith("crm_relay.") else type(error).__name__

"""The four errors of the house, told apart by what happens next."""

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


class IgnoredInput(Exception):
    """Understood, and deliberately not acted on: answered 200 and counted."""


class TransientError(Exception):
    """It may work later: retried with a pause, without using up anybody's attempts."""


class FatalError(Exception):
    """It will not work until somebody changes something: alarm."""

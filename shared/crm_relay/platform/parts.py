"""Runs what one invocation does in parts, none of which stops another."""

from collections.abc import Callable
from typing import TypeVar

from crm_relay.platform.errors import OF_ONE_ROW, describe_error
from crm_relay.platform.logging import logger

T = TypeVar("T")


class Parts:
    """The parts of one run. A part that a single row makes fail (`OF_ONE_ROW`) is logged, and the next one begins.

    Anything else is a fault of the whole, such as a database that is away, and ends the run at once.

    >>> parts = Parts()
    >>> parts.run("a part that cannot read its row", lambda: int("x"))
    >>> parts.run("the next one", lambda: 1)
    1
    >>> parts.raise_first()
    Traceback (most recent call last):
    ValueError: invalid literal for int() with base 10: 'x'
    """

    def __init__(self) -> None:
        self._errors: list[Exception] = []

    def run(self, name: str, part: Callable[[], T]) -> T | None:
        """What `part` returns; None where it failed. `name` is what the log calls it."""
        try:
            return part()
        except OF_ONE_ROW as error:
            logger().error("a part of the run failed", part=name, reason=describe_error(error))
            self._errors.append(error)
            return None

    def raise_first(self) -> None:
        """Raise the first error of all parts, behind the last of them: the invocation counts as failed."""
        if self._errors:
            raise self._errors[0]

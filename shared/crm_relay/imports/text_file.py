"""A file of text in whatever encoding a spreadsheet wrote it, read line by line and as often as one likes."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from crm_relay.platform.errors import RejectedInput

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_LOOKED_AT = 4096
_GUESSES = ("utf-8", "cp1252")
"""Tried in this order where no mark says it. Hardly any text of the second can be read as the first."""


class LinesOfFile(Protocol):
    """What an import reads, as often as it likes; `encoding` says how it was read."""

    @property
    def path(self) -> Path:
        """Of the file that was given."""

    @property
    def encoding(self) -> str:
        """For people."""

    @property
    def lines(self) -> int:
        """How many there are."""

    def __iter__(self) -> Iterator[str]:
        """From its beginning."""


@dataclass(frozen=True)
class TextFile:
    """`lines`: how many it has, as an editor counts them."""

    path: Path
    encoding: str
    lines: int

    def __iter__(self) -> Iterator[str]:
        """From its beginning."""
        with self.path.open(encoding=self.encoding, newline="") as lines:
            yield from lines


def open_text(path: Path, encoding: str | None = None) -> TextFile:
    """Read to its end once, so that nothing is done for half a file.

    RejectedInput for what is no regular file, cannot be read, or is not text of any encoding that is tried.
    """
    try:
        if not path.is_file():
            raise RejectedInput(f"{path} is not a file")
        for each in (encoding,) if encoding else _likely(path):
            found = _count(path, each)
            if found is not None:
                return TextFile(path, each, found)
    except OSError:
        raise RejectedInput(f"{path} cannot be read") from None
    raise RejectedInput(f"{path} is not text in {encoding or 'UTF-8, UTF-16 or Windows-1252'}")


def _likely(path: Path) -> tuple[str, ...]:
    with path.open("rb") as file:
        start = file.read(_LOOKED_AT)
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return (encoding,)
    if b"\0" in start:
        # Every other byte of nearly all Western text in UTF-16.
        return ("utf-16-le",) if start[1:2] == b"\0" else ("utf-16-be",)
    return _GUESSES


def _count(path: Path, encoding: str) -> int | None:
    try:
        with path.open(encoding=encoding, newline="") as lines:
            return sum(1 for _ in lines)
    except (UnicodeError, LookupError):
        return None

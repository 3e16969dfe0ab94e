"""Makes the schema in an empty database from the files of `schema/`, without a migration."""

import re
from pathlib import Path

from crm_relay.platform.database import Database
from crm_relay.platform.errors import FatalError
from local.schema.owners import Owners
from local.schema.pages import BETWEEN, in_order

_PIECE_END = re.compile(rf"\$(\w*)\$.*?\$\1\$|'(?:[^']|'')*'|(?P<end>{BETWEEN})", re.DOTALL)


def load(database: Database, folder: Path, owners: Owners) -> None:
    """The files in their order; a function that takes or returns the rows of a view waits until that is there.

    Raises FatalError, in the words of the server, for what cannot be made after all the others either.
    """
    files = in_order([str(path.relative_to(folder)) for path in folder.rglob("*.sql")], owners)
    waiting = [(file, piece) for file in files for piece in pieces_of((folder / file).read_text(encoding="utf-8"))]
    while waiting:
        refused = [(file, piece, error) for file, piece in waiting if (error := _refusal(database, piece))]
        if len(refused) == len(waiting):
            raise FatalError("; ".join(f"{file}: {error}" for file, _, error in refused))
        waiting = [(file, piece) for file, piece, _ in refused]


def pieces_of(text: str) -> list[str]:
    """An object each, with all that is said of it."""
    ends = [found for found in _PIECE_END.finditer(text) if found["end"]]
    starts = [0, *(found.end() for found in ends)]
    return [text[start:end] for start, end in zip(starts, [*(found.start() for found in ends), len(text)], strict=True)]


def _refusal(database: Database, piece: str) -> str | None:
    """Why the server did not take it; None if it did. Bodies of functions may name tables that are yet to come."""
    try:
        database.run_script(f"set local check_function_bodies = off;\n{piece}")
    except FatalError as error:
        return str(error)
    return None

"""Lets the server read a statement without carrying it out."""

from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.errors import FatalError, RejectedInput
from crm_relay.platform.sql import Query, Rows

_PREPARABLE = ("select", "insert", "update", "delete", "with", "values", "merge")


_TYPES = ("timestamptz", "uuid", "bigint", "jsonb", "boolean", "numeric", "text[]", "uuid[]", "bigint[]")


class _RollBack(Exception):
    """Ends a trial."""


def trials_of(query: Query) -> list[str]:
    """Ways to let the server read the statement without carrying it out; it is sound where one of them passes.

    The server guesses what a parameter is ($1) or takes a NULL for it; neither helps where the type stands in the value
    alone, as that of `:now` does. Then one parameter after the other gets a type.
    """
    first_word = query.sql.split(maxsplit=1)[0].lower()
    if first_word not in _PREPARABLE:
        return [_with(query, ["null"] * len(query.pieces))]
    names = {name for name, shape in zip(query.pieces[1::2], query.shapes, strict=True) if shape is None}
    places = {name: f"${place}" for place, name in enumerate(sorted(names), 1)}
    prepared = _with(query, [places.get(piece, "") for piece in query.pieces])
    typed = [
        f"explain {_with(query, [f'cast(null as {kind})' if piece == name else 'null' for piece in query.pieces])}"
        for name in sorted(names)
        for kind in _TYPES
    ]
    return [f"prepare trial as {prepared}", f"explain {_with(query, ['null'] * len(query.pieces))}", *typed]


def _with(query: Query, stand_ins: list[str]) -> str:
    """The statement with a stand-in for each single value, and no row for each parameter of rows."""
    shapes = iter(query.shapes)
    parts = []
    for index, (piece, stand_in) in enumerate(zip(query.pieces, stand_ins, strict=True)):
        shape = next(shapes) if index % 2 else None
        parts.append(shape.render(Rows([])) if shape else stand_in if index % 2 else piece)
    return "".join(parts)


def problem_with(database: Database, statement: str) -> str | None:
    def attempt(transaction: Transaction) -> None:
        transaction.run(Query("trial", "lets the server read a statement", (statement,)))
        raise _RollBack

    try:
        database.transact(attempt)
    except _RollBack:
        database.run_script("deallocate all")
        return None
    except (FatalError, RejectedInput) as error:
        return str(error)
    return None

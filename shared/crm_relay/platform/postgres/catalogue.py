"""What a database consists of, and what it consisted of before the first migration of ours."""

from collections.abc import Mapping

from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Json, queries_beside

_SQL = queries_beside(__file__, "catalogue.sql")

ObjectKey = tuple[str, str, str]
"""Kind, what it belongs to (a table, a function with its arguments), and its own name where it is a part of that."""

Catalogue = Mapping[ObjectKey, str]
"""Key -> how it is defined, as far as that can change under the same name."""


def read_catalogue(db: Queryable) -> Catalogue:
    """Of the schema public, as it is now."""
    return _by_key(db.run(_SQL["read_catalogue"]))


def read_catalogue_before(db: Queryable) -> Catalogue | None:
    """None where nobody remembered it: an older version or another tool applied the first file."""
    if not db.run(_SQL["is_remembered"])[0]["found"]:
        return None
    return _by_key(db.run(_SQL["catalogue_before"])) or None


def remember_catalogue(db: Queryable, found: Catalogue) -> None:
    """With the bookkeeping of migrations in place, behind their lock; only before the first file, and once."""
    names = ("kind", "object", "part")
    rows = [dict(zip(names, key, strict=True)) | {"definition": definition} for key, definition in found.items()]
    db.run(_SQL["create_catalogue"])
    db.run(_SQL["remember_catalogue"], rows=Json(rows))


def _by_key(rows: list[Row]) -> Catalogue:
    return {(row["kind"], row["object"], row["part"]): row["definition"] for row in rows}

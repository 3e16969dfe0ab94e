"""The clone fence: a database that was copied or restored elsewhere sends nothing before somebody arms it.

The place of the first run is kept in the database and travels with every copy of it. A copy is recognised by its name
and by the address under which it is reached, which even a copy of the server's disk cannot take along. A pooler, a
failover and a major upgrade change neither. A restore in place, into the same project, is not recognised.
"""

import json
import re
from dataclasses import asdict, dataclass

from crm_relay.platform.database import Database
from crm_relay.platform.errors import FatalError
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__)
LOCAL = "local"
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
# https://supabase.com/docs/guides/database/connecting-to-postgres: one project has several addresses.
_DIRECT = re.compile(r"db\.(?P<project>[a-z0-9]+)\.supabase\.(co|com|in|red)")
_POOLER = re.compile(r".+\.pooler\.supabase\.(co|com|in|red)")


class NotArmed(FatalError):
    """The database is a copy, or was restored elsewhere."""

    def __init__(self) -> None:
        super().__init__(
            "the database is a copy or was restored elsewhere, and nothing leaves it; "
            "if this is the installation that should act, run crm-relay arm"
        )


@dataclass(frozen=True)
class DatabasePlace:
    """Where a database is. `system`: the server's own number; None where it may not be read."""

    place: str
    database: str
    system: str | None = None

    def is_same_as(self, current: "DatabasePlace") -> bool:
        """Whether `current` is where this was armed.

        The system identifier says nothing of a server that has an address: the copy of its disk keeps it, and an
        upgrade of the original changes it. On one machine it is all that tells servers apart.
        """
        if (self.place, self.database) != (current.place, current.database):
            return False
        return self.place != LOCAL or self.system == current.system


def place_of(host: str, user: str) -> str:
    """What an address stands for: a project of Supabase by any of its addresses, else the host, whatever the port."""
    host = host.lower().rstrip(".")
    if (direct := _DIRECT.fullmatch(host)) is not None:
        return f"supabase:{direct['project']}"
    if _POOLER.fullmatch(host) and "." in user:
        return f"supabase:{user.rpartition('.')[2]}"
    return LOCAL if host in _LOOPBACK else host


def ensure_armed(db: Database) -> None:
    """Asked before anything leaves: one statement. The first run of a new database arms it. Raises NotArmed."""
    current, armed = _look(db)
    if not armed:
        db.run(_SQL["arm_if_new"], armed_as=_written([current]))
        _, armed = _look(db)
    if not any(each.is_same_as(current) for each in armed):
        raise NotArmed


def is_armed(db: Database) -> bool:
    """Whether this is where the database was armed, or it was armed nowhere yet. Changes nothing."""
    current, armed = _look(db)
    return not armed or any(each.is_same_as(current) for each in armed)


def arm(db: Database) -> DatabasePlace:
    """This is a place where the installation acts, besides those that it was armed at before. Safe to call twice."""
    current, armed = _look(db)
    db.run(_SQL["arm"], armed_as=_written([*(each for each in armed if not each.is_same_as(current)), current]))
    return current


def claim_report(db: Database, now: str) -> bool:
    """Whether the caller is to report that the database is not armed: once a day."""
    return bool(db.run(_SQL["claim_fence_report"], now=now))


def _look(db: Database) -> tuple[DatabasePlace, list[DatabasePlace]]:
    row = db.run(_SQL["current_place"])[0]
    current = DatabasePlace(place_of(db.host, db.user), row["database_name"], row["system_identifier"])
    return current, [DatabasePlace(**each) for each in json.loads(row["armed_as"] or "[]")]


def _written(places: list[DatabasePlace]) -> str:
    return json.dumps([asdict(each) for each in places])

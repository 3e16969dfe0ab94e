"""The programs of versions, each read and parsed once in a process."""

from collections.abc import Iterable
from uuid import UUID

from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.errors import OF_ONE_ROW, FatalError
from crm_relay.workflows.definition.program_json import program_from_json
from crm_relay.workflows.models import Program
from crm_relay.workflows.starting import store
from crm_relay.workflows.starting.models import StartableVersion

_MOST_KEPT = 10_000


class Programs:
    """A version never changes; one that cannot be read is remembered as such."""

    def __init__(self) -> None:
        self._kept: dict[tuple[UUID, int], Program | None] = {}

    def of(self, db: Queryable, rows: Iterable[Row]) -> list[StartableVersion]:
        """The versions of these rows with their programs; one statement where one of them is new."""
        listed = list(rows)
        missing = sorted({(row["workflow_id"], row["version"]) for row in listed} - self._kept.keys())
        if missing:
            if len(self._kept) > _MOST_KEPT:
                self._kept.clear()
                missing = sorted({(row["workflow_id"], row["version"]) for row in listed})
            self._kept |= {key: _parsed(stored) for key, stored in store.read_programs(db, missing).items()}
        return [StartableVersion(**row, program=self._kept.get((row["workflow_id"], row["version"]))) for row in listed]


def _parsed(stored: object) -> Program | None:
    try:
        return program_from_json(stored)
    except (FatalError, *OF_ONE_ROW):
        return None

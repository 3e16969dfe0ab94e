"""Makes the triggers of the CRM's tables those that published workflows ask for."""

from dataclasses import dataclass
from datetime import datetime

from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import close_incidents, keep_open
from crm_relay.platform.database import Database
from crm_relay.workflows.events import store

NOT_LISTENING = "workflow_listening"
"""The incident of a table whose triggers could not be made."""

NOT_NOTED = "workflow_events"
"""The incident of a table whose changes could not be noted; a trigger opens it."""

_TITLE = "A table's triggers could not be made, or a column is gone: workflows do not hear of its changes"
_IS_BUSY = "55P03"
_IS_LOST = "42703"


@dataclass(frozen=True)
class Listening:
    """`changed`: tables whose triggers are others now. `busy`: those that somebody is writing to; the next call tries
    again. `refused`: table -> SQLSTATE where something else is in the way. `lost`: `table.column` that workflows listen
    to and that is renamed or gone. All but the first have an incident until it is over.
    """

    changed: tuple[str, ...]
    busy: tuple[str, ...]
    refused: dict[str, str]
    lost: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether every trigger is as it has to be."""
        return not self.busy and not self.refused


def listen_to_changes(db: Database, now: datetime) -> Listening:
    """Two statements where nothing differs; call it after a publication, and where `what_is_due` says so.

    A table is locked for the moment of the change alone, and waited for 200 ms.
    """
    failures = {row["relation"]: row["failure"] for row in store.listen_to_changes(db)}
    failed = {name: failure for name, failure in failures.items() if failure is not None}
    incidents = [Incident(NOT_LISTENING, name, _TITLE, details={"sqlstate": failed[name]}) for name in sorted(failed)]
    keep_open(db, NOT_LISTENING, incidents, now)
    return Listening(
        changed=tuple(name for name, failure in failures.items() if failure is None),
        busy=tuple(name for name, failure in failures.items() if failure == _IS_BUSY),
        refused={name: failure for name, failure in failed.items() if failure not in {_IS_BUSY, _IS_LOST}},
        lost=tuple(name for name, failure in failed.items() if failure == _IS_LOST),
    )


def close_recovered(db: Database, now: datetime) -> int:
    """How many incidents of changes that were not noted end, since an event of their table has come; one statement."""
    subjects = store.recovered(db)
    return close_incidents(db, NOT_NOTED, subjects, now) if subjects else 0

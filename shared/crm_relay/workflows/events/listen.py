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

_TITLE = "A table's triggers could not be made: workflows do not hear of its changes"
_IS_BUSY = "55P03"


@dataclass(frozen=True)
class Listening:
    """`changed`: tables whose triggers are others now. `busy`: those that somebody is writing to; the next call tries
    again. `refused`: table -> SQLSTATE where something else is in the way, which has an incident.
    """

    changed: tuple[str, ...]
    busy: tuple[str, ...]
    refused: dict[str, str]

    @property
    def is_complete(self) -> bool:
        """Whether everything that is listened to is heard."""
        return not self.busy and not self.refused


def listen_to_changes(db: Database, now: datetime) -> Listening:
    """Two statements where nothing differs; call it after a publication, and every few minutes.

    A table is locked for the moment of the change alone, and waited for 200 ms.
    """
    failures = {row["relation"]: row["failure"] for row in store.listen_to_changes(db)}
    refused = {name: failure for name, failure in failures.items() if failure not in {None, _IS_BUSY}}
    incidents = [Incident(NOT_LISTENING, name, _TITLE, details={"sqlstate": refused[name]}) for name in sorted(refused)]
    keep_open(db, NOT_LISTENING, incidents, now)
    return Listening(
        changed=tuple(name for name, failure in failures.items() if failure is None),
        busy=tuple(name for name, failure in failures.items() if failure == _IS_BUSY),
        refused=refused,
    )


def close_recovered(db: Database, now: datetime) -> int:
    """How many incidents of changes that were not noted end, since an event of their table has come; one statement."""
    subjects = store.recovered(db)
    return close_incidents(db, NOT_NOTED, subjects, now) if subjects else 0

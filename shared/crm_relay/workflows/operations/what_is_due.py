"""Which kinds of work there are for workflows now."""

from dataclasses import dataclass, fields
from datetime import datetime

from crm_relay.mail.purposes import WORKFLOW
from crm_relay.platform.database import Queryable
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__, "what_is_due.sql")


@dataclass(frozen=True)
class WorkflowsDue:
    """`looked_at` is the present that was looked by. `waits`: what a run waits for may have come.

    `events` and `schedules` may start runs. `listening`: a table has other triggers than published workflows ask for.
    """

    looked_at: datetime
    runs: bool
    waits: bool
    mails: bool
    webhooks: bool
    events: bool
    schedules: bool
    backfills: bool
    listening: bool

    @property
    def is_anything(self) -> bool:
        """Whether there is something to do."""
        return any(getattr(self, each.name) for each in fields(self) if each.name != "looked_at")


def what_is_due(db: Queryable, now: datetime | None = None) -> WorkflowsDue:
    """One statement that changes nothing; `now` None: by the database's clock."""
    return WorkflowsDue(**db.run(_SQL["what_is_due"], now=now, purpose=WORKFLOW)[0])

"""What waits to be settled, because a row of its step was locked or refused."""

from collections.abc import Sequence
from uuid import UUID

from crm_relay.campaigns.models import ENROLLMENT
from crm_relay.mail.models import Fate, Settled
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Rows, queries_beside

_SQL = queries_beside(__file__)

EMAIL, SMS = "email", "sms"
"""The channels of a message."""


def keep_unsettled(db: Queryable, settled: Sequence[Settled], channel: str) -> None:
    """Safe to call twice: the first fate stays until it is settled."""
    rows = Rows(
        [
            {
                "send_id": each.send_id,
                "fate": each.fate.value,
                "reason": each.reason,
                "enrollment_id": each.entity_id,
                "sequence_id": each.sequence_id,
                "has_events": each.has_events,
            }
            for each in settled
        ]
    )
    db.run(_SQL["keep_unsettled"], settled=rows, channel=channel)


def is_anything_unsettled(db: Queryable) -> bool:
    """Nearly always nothing is."""
    return bool(db.run(_SQL["is_anything_unsettled"])[0]["waits"])


def lock_unsettled(db: Queryable, people: Sequence[UUID] | None, *, limit: int) -> dict[str, list[Settled]]:
    """By channel, some of them; what another worker has is left to it. `people` None: of all that are not set aside."""
    only = None if people is None else list(people)
    found: dict[str, list[Settled]] = {}
    for row in db.run(_SQL["lock_unsettled"], people=only, limit=limit):
        found.setdefault(row["channel"], []).append(_settled(row))
    return found


def forget_unsettled(db: Queryable, sends: Sequence[UUID]) -> None:
    """These are settled."""
    db.run(_SQL["forget_unsettled"], sends=list(sends))


def _settled(row: Row) -> Settled:
    return Settled(
        row["send_id"],
        Fate(row["fate"]),
        row["reason"],
        ENROLLMENT,
        row["enrollment_id"],
        row["sequence_id"],
        row["has_events"],
    )

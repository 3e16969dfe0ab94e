"""The SQL that ends a campaign for everybody in it."""

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from crm_relay.platform.database import Transaction
from crm_relay.platform.sql import Rows, SqlValue, queries_beside

_SQL = queries_beside(__file__)


def lock_everybody(tx: Transaction, campaign_id: UUID, running: Collection[str]) -> dict[str, int]:
    """Status -> how many have it, behind the locks of what is queued and of everybody with one of these statuses."""
    *_, standing = tx.send_all(
        [
            _SQL["lock_mails_of_campaign"].bind(id=campaign_id),
            _SQL["lock_enrollments_of_campaign"].bind(id=campaign_id, running=sorted(running)),
            _SQL["statuses_of_campaign"].bind(id=campaign_id),
        ]
    )
    return {row["status"]: row["people"] for row in standing}


def end_everybody(
    tx: Transaction, campaign_id: UUID, ended: Mapping[str, tuple[str, str | None]], reason: str, now: datetime
) -> None:
    """`ended`: by the status before, the one after it and why. What is queued in the campaign is taken back."""
    rows: list[Mapping[str, SqlValue]] = [
        {"before": before, "status": status, "stopped_reason": why} for before, (status, why) in ended.items()
    ]
    ending = _SQL["end_campaign"].bind(id=campaign_id, ended=Rows(rows), now=now)
    tx.send_all([ending, _SQL["take_back_campaign"].bind(id=campaign_id, reason=reason, now=now)])

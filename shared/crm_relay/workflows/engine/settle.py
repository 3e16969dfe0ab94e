"""What became of mails that steps queued, and whether they are still wanted."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from crm_relay.consent.address import normalise
from crm_relay.mail.models import Fate, OwnedMail, Settled, Standing
from crm_relay.platform.database import Queryable, Transaction
from crm_relay.platform.sql import Rows, SqlValue, queries_beside
from crm_relay.workflows.actions.email import ACTION

_SQL = queries_beside(__file__, "settle.sql")

_STATUSES = {
    Fate.SENT: "completed",
    Fate.DRY_RUN: "skipped",
    Fate.REFUSED: "skipped",
    Fate.FAILED: "failed",
    Fate.UNKNOWN: "failed",
}
_REASONS = {Fate.DRY_RUN: "dry_run", Fate.FAILED: "refused_by_provider", Fate.UNKNOWN: "unknown"}


def settle(db: Transaction, settled: Sequence[Settled], now: datetime) -> None:
    """One statement, in the transaction that records the fate; safe to call twice. What others queued is left out.

    A later fate stands over an earlier one: an event may prove that a mail of unknown fate was sent.
    """
    rows: list[dict[str, SqlValue]] = [
        {
            "action_id": each.entity_id,
            "status": _STATUSES[each.fate],
            "reason": each.reason or _REASONS.get(each.fate),
        }
        for each in settled
        if each.entity_type == ACTION and each.entity_id is not None
    ]
    if rows:
        db.run(_SQL["settle_mails"], fates=Rows(rows), now=now)


def still_wanted(db: Queryable, mails: Sequence[OwnedMail], _now: datetime) -> Mapping[UUID, Standing]:
    """One statement. A mail of a cancelled run never leaves, nor one whose record or reader is gone meanwhile.

    One of a paused run or workflow waits.
    """
    ours: list[dict[str, SqlValue]] = [
        {"send_id": mail.send_id, "action_id": mail.entity_id} for mail in mails if mail.entity_type == ACTION
    ]
    if not ours:
        return {}
    found = {row["send_id"]: row for row in db.run(_SQL["owners_of_mails"], mails=Rows(ours))}
    return {mail.send_id: _standing(found.get(mail.send_id)) for mail in mails if mail.entity_type == ACTION}


def _standing(row: Mapping[str, object] | None) -> Standing:
    if row is None or row["is_deleted"]:
        return Standing(refused_for="gone")
    if row["status"] == "cancelled":
        return Standing(refused_for="cancelled")
    if row["is_contact_deleted"]:
        return Standing(refused_for="contact_deleted")
    if row["is_record_gone"]:
        return Standing(refused_for="record_gone")
    if row["has_reader"] and normalise(str(row["reader_email"] or "")) != row["address"]:
        return Standing(refused_for="address_changed")
    if row["status"] == "paused" or row["is_paused"]:
        return Standing(held_for="workflow_paused")
    return Standing()

"""What became of mails and text messages that notifications queued, and whether they are still wanted."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from crm_relay.mail.models import Fate, OwnedMail, Settled, Standing
from crm_relay.notifications.decisions import CONFIGURABLE
from crm_relay.notifications.models import ChannelDecision, Verdict
from crm_relay.notifications.release import store
from crm_relay.notifications.release.due import DueDelivery, late_before
from crm_relay.notifications.release.letters import DELIVERY, DIGEST
from crm_relay.platform.database import Queryable, Transaction

_STATES = {
    Fate.SENT: "sent",
    Fate.DRY_RUN: "dry_run",
    Fate.REFUSED: "skipped",
    Fate.FAILED: "failed",
    Fate.UNKNOWN: "unknown",
}


def settle(db: Transaction, settled: Sequence[Settled], now: datetime) -> None:
    """Two statements, in the transaction that records the fate; what others queued is left out."""
    fates = [
        {
            "send_id": each.send_id,
            "delivery_id": each.entity_id if each.entity_type == DELIVERY else None,
            "digest_id": each.entity_id if each.entity_type == DIGEST else None,
            "state": _STATES[each.fate],
            "reason": each.reason,
        }
        for each in settled
        if each.entity_type in {DELIVERY, DIGEST}
    ]
    if fates:
        db.send_all(store.settling(fates, now))


def still_wanted(db: Queryable, mails: Sequence[OwnedMail], now: datetime) -> Mapping[UUID, Standing]:
    """Every gate once more, for what waited in the ledger; two statements at most.

    What has become part of a digest since leaves at its time, alone: it is in the ledger already.
    """
    standings: dict[UUID, Standing] = {}
    owned = {mail.entity_id: mail.send_id for mail in mails if mail.entity_id is not None}
    alone = [mail.entity_id for mail in mails if mail.entity_type == DELIVERY and mail.entity_id is not None]
    for row in store.delivery_facts(db, alone, now, late_before=late_before(now)):
        due = DueDelivery(row)
        standings[owned[due.id]] = _standing([due.decide_in_ledger(now)])
    digests = [mail.entity_id for mail in mails if mail.entity_type == DIGEST and mail.entity_id is not None]
    members: dict[UUID, list[ChannelDecision]] = {}
    for row in store.queued_members(db, digests):
        decision = DueDelivery(row).decide_as_member(now, configured=CONFIGURABLE)
        members.setdefault(row["digest_id"], []).append(decision)
    for digest, decisions in members.items():
        standings[owned[digest]] = _standing(decisions)
    return standings


def _standing(decisions: Sequence[ChannelDecision]) -> Standing:
    """It leaves as long as one of them is to be said; it waits for the first that has to wait."""
    if any(each.verdict is Verdict.SEND for each in decisions):
        return Standing()
    waiting = [each for each in decisions if each.verdict in {Verdict.HOLD, Verdict.DIGEST}]
    if waiting:
        until = min(each.not_before for each in waiting if each.not_before is not None)
        return Standing(held_for=waiting[0].reason, held_until=until)
    return Standing(refused_for=decisions[0].reason)

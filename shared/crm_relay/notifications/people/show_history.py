"""Why a notification left, waits or was left out, in words that an operator reads."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_relay.notifications.decisions import CONFIGURABLE, GateAnswer
from crm_relay.notifications.models import Channel
from crm_relay.notifications.people.why import ChannelHistory, history_of
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import RejectedInput

PASSES = "passes"


@dataclass(frozen=True)
class GateShown:
    """What one gate says now: `passes`, or its verdict with reason and time."""

    gate: str
    verdict: str
    reason: str | None = None
    not_before: datetime | None = None


@dataclass(frozen=True)
class ChannelShown:
    """One channel: what became of it, what acts for it, and every gate. `mail`: what the ledger of mail says."""

    channel: str
    state: str
    reason: str | None
    not_before: datetime | None
    left_at: datetime | None
    round: int
    digest_id: UUID | None
    digest_state: str | None
    digest_leaves_at: datetime | None
    mail: str | None
    settings_of: str
    frequency: str
    gates: list[GateShown]


@dataclass(frozen=True)
class WhyShown:
    """One notification without its words. `template`: slug and version that it was written with."""

    id: UUID
    user_id: UUID
    category: str
    priority: str
    is_critical: bool
    is_silent: bool
    template: str | None
    event_key: str | None
    group_key: str | None
    group_count: int | None
    entity_type: str | None
    entity_id: UUID | None
    created_at: datetime
    read_at: datetime | None
    archived_at: datetime | None
    withdrawn_for: str | None
    expires_at: datetime | None
    channels: list[ChannelShown]


def show_history(
    db: Queryable, notification_id: UUID, now: datetime, *, configured: frozenset[Channel] = CONFIGURABLE
) -> WhyShown:
    """RejectedInput with 404 for a notification that is not there, or not any more."""
    history = history_of(db, notification_id, now, configured=configured)
    if history is None:
        raise RejectedInput("there is no such notification, or it was removed after its retention", status=404)
    row = history.notification
    slug, version = row["template_slug"], row["template_version"]
    same = (
        "id", "user_id", "category", "priority", "is_critical", "is_silent", "event_key", "group_key", "group_count",
        "entity_type", "entity_id", "created_at", "read_at", "archived_at", "withdrawn_for", "expires_at",
    )  # fmt: skip
    return WhyShown(
        **{name: row[name] for name in same},
        template=None if slug is None else f"{slug} (version {version})",
        channels=[_channel(each) for each in history.channels],
    )


def _channel(each: ChannelHistory) -> ChannelShown:
    row = each.delivery
    same = (
        "channel", "state", "reason", "not_before", "left_at", "round", "digest_id", "digest_state", "digest_leaves_at",
    )  # fmt: skip
    mail = [word for word in (row["mail_status"], row["mail_reason"], row["mail_held_for"]) if word]
    return ChannelShown(
        **{name: row[name] for name in same},
        mail=": ".join(mail) or None,
        settings_of=each.preference.source.value,
        frequency=each.preference.frequency.value,
        gates=[_gate(answer) for answer in each.gates],
    )


def _gate(answer: GateAnswer) -> GateShown:
    decision = answer.decision
    if decision is None:
        return GateShown(answer.gate, PASSES)
    return GateShown(answer.gate, decision.verdict.value, decision.reason, decision.not_before)

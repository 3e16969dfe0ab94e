"""Why a notification left, waits or was left out, on each channel: what was decided, and what every gate says now."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from crm_relay.notifications import store
from crm_relay.notifications.decisions import CONFIGURABLE, GateAnswer, gates
from crm_relay.notifications.models import ALL_CHANNELS, Channel, Notice, Preference, Urgency, channels_of
from crm_relay.notifications.preferences import preference_of, reachable, without_digest
from crm_relay.platform.database import Queryable, Row

_ON_ITS_WAY = frozenset({"waiting", "digest"})


@dataclass(frozen=True)
class ChannelHistory:
    """One channel. `delivery`: state, reason, times, its digest and what the ledger of mail says.

    `gates`: what each says at this moment, in their order; of what has left it is what they would say of it now.
    """

    delivery: Row
    preference: Preference
    gates: tuple[GateAnswer, ...]


@dataclass(frozen=True)
class NotificationHistory:
    """`notification` is its row without title and message."""

    notification: Row
    channels: tuple[ChannelHistory, ...]


def history_of(
    db: Queryable, notification_id: UUID, now: datetime, *, configured: frozenset[Channel] = CONFIGURABLE
) -> NotificationHistory | None:
    """Two statements; None where there is none (it may be too old: see NOTIFICATION_RETENTION_DAYS)."""
    row = store.notification(db, notification_id)
    if row is None:
        return None
    # A word that is no channel leaves nowhere, and says nothing about the others.
    rows = store.deliveries_of(db, notification_id, now)
    deliveries = [each for each in rows if channels_of([each["channel"]])]
    return NotificationHistory(row, tuple(_channel(row, each, now, configured) for each in deliveries))


def _channel(row: Row, delivery: Row, now: datetime, configured: frozenset[Channel]) -> ChannelHistory:
    preference, channel = preference_of(delivery), Channel(delivery["channel"])
    notice = _notice(row, delivery, channel)
    answers = gates(notice, preference, now, left_this_hour=delivery["left_this_hour"], configured=configured)
    return ChannelHistory(delivery, preference, answers[channel])


def _notice(row: Row, delivery: Row, channel: Channel) -> Notice:
    had_text = channel not in {Channel.EMAIL, Channel.SMS} or delivery["has_text"]
    has_text = had_text or (delivery["state"] not in _ON_ITS_WAY and delivery["reason"] != "no_template")
    is_critical = row["is_critical"] or delivery["is_critical"]
    wait = row["unless_read_within"]
    return Notice(
        channels=(channel,),
        urgency=Urgency.CRITICAL if is_critical else Urgency(delivery["lane"]),
        created_at=delivery["created_at"],
        contents=ALL_CHANNELS if has_text else ALL_CHANNELS - {channel},
        reachable=reachable(delivery),
        without_digest=without_digest(delivery),
        expires_at=row["expires_at"],
        is_user_active=delivery["is_user_active"],
        was_seen=row["read_at"] is not None or row["archived_at"] is not None,
        has_waited=delivery["reason"] is not None,
        withdrawn_for=row["withdrawn_for"],
        unless_read_within=None if wait is None else timedelta(minutes=wait),
    )

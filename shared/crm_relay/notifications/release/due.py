"""A delivery that is due, with everything that decides about it, and the questions that it is asked."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

from crm_relay.consent.address import normalise
from crm_relay.notifications.decisions import LATE_AFTER, decide, decide_member, next_full_minute
from crm_relay.notifications.models import (
    ALL_CHANNELS,
    Channel,
    ChannelDecision,
    Notice,
    Preference,
    Urgency,
    Verdict,
)
from crm_relay.notifications.preferences import preference_of, reachable, without_digest
from crm_relay.platform.database import Row

PREFERENCE_CHANGED = "preference_changed"
"""Why it is asked again before its time; as the triggers write it."""


@dataclass(frozen=True)
class DueDelivery:
    """A row of `delivery_facts` or `members_of`."""

    row: Row

    @property
    def id(self) -> UUID:
        found: UUID = self.row["id"]
        return found

    @property
    def user_id(self) -> UUID:
        found: UUID = self.row["user_id"]
        return found

    @property
    def channel(self) -> Channel:
        return Channel(self.row["channel"])

    @property
    def content(self) -> dict[str, Any]:
        return self.row["content"] or {}

    @cached_property
    def urgency(self) -> Urgency:
        """What it came with; a category that was made critical since counts."""
        is_critical = self.row["is_notification_critical"] or self.row["is_critical"]
        return Urgency.CRITICAL if is_critical else Urgency(self.row["lane"])

    @cached_property
    def preference(self) -> Preference:
        return preference_of(self.row)

    @property
    def send_key(self) -> str:
        """Of this delivery and of how often its group was sent."""
        return f"notification/{self.id}/{self.row['round']}"

    @property
    def address(self) -> str | None:
        """Of e-mail, in its one form."""
        return normalise(self.row["email"]) if self.row["email"] else None

    @property
    def is_late(self) -> bool:
        """Whether we held it up, and others of the person with it."""
        return (self.row["late"] or 0) > 1 and self.row["reason"] != PREFERENCE_CHANGED

    def notice(self, *, is_queued: bool = False) -> Notice:
        """As the gates look at it; `is_queued`: its text is in the ledger."""
        row, channel = self.row, self.channel
        has_text = is_queued or channel not in {Channel.EMAIL, Channel.SMS} or bool(row["content"])
        wait = row["unless_read_within"]
        return Notice(
            channels=(channel,),
            urgency=self.urgency,
            created_at=row["created_at"],
            contents=ALL_CHANNELS if has_text else ALL_CHANNELS - {channel},
            reachable=reachable(row),
            without_digest=without_digest(row),
            expires_at=row["expires_at"],
            # Somebody who changed the organization hears nothing of the former one.
            is_user_active=row["is_user_active"] and row["org_id"] == row["delivery_org_id"],
            was_seen=row["was_seen"],
            has_waited=row["reason"] is not None,
            withdrawn_for=row["withdrawn_for"],
            unless_read_within=None if wait is None else timedelta(minutes=wait),
        )

    def decide(self, now: datetime, *, left_this_hour: int, configured: frozenset[Channel]) -> ChannelDecision:
        """All gates again; several that were late by us are gathered."""
        (decision,) = decide(self.notice(), self.preference, now, left_this_hour=left_this_hour, configured=configured)
        leaves_now = decision.verdict is Verdict.SEND and self.urgency is Urgency.NORMAL
        if leaves_now and self.is_late and self.channel not in without_digest(self.row):
            return ChannelDecision(self.channel, Verdict.DIGEST, "caught_up", next_full_minute(now))
        return decision

    def decide_in_ledger(self, now: datetime) -> ChannelDecision:
        """All gates again for what is queued already: it counted for the hour when it was queued."""
        (decision,) = decide(self.notice(is_queued=True), self.preference, now)
        return decision

    def decide_as_member(self, now: datetime, *, configured: frozenset[Channel]) -> ChannelDecision:
        """Whether it leaves with its digest. What it waited for is this digest, so being read counts."""
        notice = replace(self.notice(is_queued=True), has_waited=True)
        return decide_member(notice, self.preference, self.channel, now, configured=configured)


def late_before(now: datetime) -> datetime:
    """Who was due before this was held up by us."""
    return now - LATE_AFTER

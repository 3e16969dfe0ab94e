"""Past notifications under other preferences: what leaves when, on which channel; pure."""

import heapq
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from uuid import UUID

from crm_relay.notifications.decisions import CONFIGURABLE, decide, decide_member
from crm_relay.notifications.models import ALL_CHANNELS, Channel, Notice, Preference, Urgency, Verdict

_HOUR = timedelta(hours=1)
_ENDLESS = 200
"""A notification that was asked so often waits for something that does not come."""


@dataclass(frozen=True)
class PastNotification:
    """A notification as it was asked for, and what its person did with it in the application."""

    id: UUID
    category: str
    channels: tuple[Channel, ...]
    urgency: Urgency
    created_at: datetime
    contents: frozenset[Channel] = ALL_CHANNELS
    read_at: datetime | None = None
    archived_at: datetime | None = None
    withdrawn_for: str | None = None
    expires_at: datetime | None = None
    unless_read_within: timedelta | None = None

    def notice(self, channel: Channel, at: datetime, person: "ReplayedPerson", *, has_waited: bool) -> Notice:
        """As the gates look at it at that moment."""
        was_put_away = self.archived_at is not None and self.archived_at <= at
        was_seen = was_put_away or (self.read_at is not None and self.read_at <= at)
        return Notice(
            channels=(channel,),
            urgency=self.urgency,
            created_at=self.created_at,
            contents=self.contents,
            reachable=person.reachable,
            without_digest=person.without_digest,
            expires_at=self.expires_at,
            is_user_active=person.is_active,
            was_seen=was_seen,
            has_waited=has_waited,
            withdrawn_for=self.withdrawn_for if was_put_away else None,
            unless_read_within=self.unless_read_within,
        )


@dataclass(frozen=True)
class ReplayedPerson:
    """Who it is replayed for. `preference_of`: what would act in a category."""

    preference_of: Callable[[str], Preference]
    reachable: frozenset[Channel] = ALL_CHANNELS
    without_digest: frozenset[Channel] = frozenset({Channel.SMS})
    is_active: bool = True
    configured: frozenset[Channel] = CONFIGURABLE


@dataclass(frozen=True)
class ReplayedDelivery:
    """What would have become of a notification on a channel.

    `outcome`: `sent` (alone, at `at`), `digest` (in the one that left at `at`), `skipped`, or `waiting` at the end.
    `reason`: why it was skipped, waits, or did not leave at once.
    """

    notification_id: UUID
    category: str
    channel: Channel
    created_at: datetime
    outcome: str
    reason: str | None = None
    at: datetime | None = None
    is_silent: bool = False


@dataclass(frozen=True)
class _Turn:
    """A notification that is asked on a channel; in `digest`: as a member of one that leaves."""

    past: PastNotification
    channel: Channel
    reason: str | None = None
    times: int = 0
    is_member: bool = False


@dataclass
class _Replay:
    person: ReplayedPerson
    until: datetime
    agenda: list[tuple[datetime, int, int, _Turn]] = field(default_factory=list)
    left: list[datetime] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)

    def plan(self, at: datetime, turn: _Turn) -> None:
        heapq.heappush(self.agenda, (at, turn.past.urgency.value, next(self._numbers), turn))

    def run(self) -> Iterator[ReplayedDelivery]:
        while self.agenda:
            at, _, _, turn = heapq.heappop(self.agenda)
            if at > self.until or turn.times > _ENDLESS:
                yield self._done(turn, "waiting", turn.reason, at)
                continue
            done = self._as_member(turn, at) if turn.is_member else self._alone(turn, at)
            if done is not None:
                yield done

    def _alone(self, turn: _Turn, at: datetime) -> ReplayedDelivery | None:
        past = turn.past
        notice = past.notice(turn.channel, at, self.person, has_waited=turn.reason is not None)
        preference = self.person.preference_of(past.category)
        recent = len(self.left) - bisect_right(self.left, at - _HOUR)
        (decision,) = decide(notice, preference, at, left_this_hour=recent, configured=self.person.configured)
        if decision.verdict is Verdict.SKIP:
            return self._done(turn, "skipped", decision.reason, at, is_silent=decision.is_silent)
        if decision.verdict is Verdict.SEND:
            if turn.channel is not Channel.IN_APP:
                self.left.append(at)
            return self._done(turn, "sent", decision.reason or turn.reason, at, is_silent=decision.is_silent)
        self._later(turn, decision.reason, decision.not_before or at, is_member=decision.verdict is Verdict.DIGEST)
        return None

    def _as_member(self, turn: _Turn, at: datetime) -> ReplayedDelivery | None:
        past = turn.past
        notice = past.notice(turn.channel, at, self.person, has_waited=True)
        preference = self.person.preference_of(past.category)
        decision = decide_member(notice, preference, turn.channel, at, configured=self.person.configured)
        if decision.verdict is Verdict.SEND:
            return self._done(turn, "digest", turn.reason, at)
        if decision.verdict is Verdict.SKIP:
            return self._done(turn, "skipped", decision.reason, at)
        self._later(turn, turn.reason, decision.not_before or at, is_member=True)
        return None

    def _later(self, turn: _Turn, reason: str | None, at: datetime, *, is_member: bool) -> None:
        self.plan(at, replace(turn, reason=reason, times=turn.times + 1, is_member=is_member))

    @staticmethod
    def _done(
        turn: _Turn, outcome: str, reason: str | None, at: datetime, *, is_silent: bool = False
    ) -> ReplayedDelivery:
        past = turn.past
        return ReplayedDelivery(past.id, past.category, turn.channel, past.created_at, outcome, reason, at, is_silent)


def replay(past: Iterable[PastNotification], person: ReplayedPerson, until: datetime) -> list[ReplayedDelivery]:
    """One line a notification and channel, in the order in which they ended."""
    replaying = _Replay(person, until)
    for each in past:
        for channel in each.channels:
            replaying.plan(each.created_at, _Turn(each, channel))
    return list(replaying.run())

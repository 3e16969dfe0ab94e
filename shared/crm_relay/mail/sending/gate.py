"""The one gate that e-mail and text messages pass at the moment of sending; pure. Its words: mail/reasons.py."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from crm_relay.mail.models import WANTED, Fate, Mode, SendPolicy, Standing
from crm_relay.mail.reasons import LATE

CARRIED_OUT_BEFORE = "an event shows that an earlier request was carried out"
PAUSES_ARE_LOOKED_AT_AGAIN = timedelta(minutes=15)
MODES_ARE_LOOKED_AT_AGAIN = timedelta(hours=1)
"""The first run in another mode asks at once; this is for whatever it could not release."""

KEPT_BY = {Mode.DRY_RUN: "dry_run", Mode.ALLOW_LIST: "not_on_allow_list", Mode.LIVE: "no_address"}
"""Why a message stays here, by the mode of the installation."""


@dataclass(frozen=True)
class FrequencyCap:
    """Of an organization: so many e-mails a person in so many days."""

    emails: int
    days: int

    def frees_at(self, left: Iterable[datetime], now: datetime) -> datetime | None:
        """When a person that got mail at these times may get another one; None: now."""
        latest = sorted(left, reverse=True)[: self.emails]
        if len(latest) < self.emails:
            return None
        frees_at = latest[-1] + timedelta(days=self.days)
        return frees_at if frees_at > now else None


@dataclass(frozen=True)
class RecipientFacts:
    """What the ledgers say now of one message. `left`: when the last e-mails to the address left, as a cap counts.

    `has_twin`: the same step has left for the same address before. `is_lost_request_seen`: an event shows that an
    earlier request was carried out after all, of which the provider's list showed nothing.
    """

    address: str | None
    suppressed_by: str | None = None
    is_topic_opt_out: bool = False
    is_sender_paused: bool = False
    cap: FrequencyCap | None = None
    left: tuple[datetime, ...] = ()
    step: UUID | None = None
    has_twin: bool = False
    is_lost_request_seen: bool = False


@dataclass(frozen=True)
class Room:
    """How many mails an organization may still send in this minute (None: no limit), and when there is more room."""

    mails: int | None = None
    frees_at: datetime | None = None


@dataclass(frozen=True)
class GateVerdict:
    """It may leave, has to wait (`until`), or its fate is settled; `reason` where it may not leave."""

    fate: Fate | None = None
    until: datetime | None = None
    reason: str | None = None

    @property
    def may_leave(self) -> bool:
        """Now."""
        return self.fate is None and self.until is None


_MAY_LEAVE = GateVerdict()


@dataclass
class Gate:
    """Judges the messages of one organization in their order: each that leaves uses up room and counts for a cap."""

    policy: SendPolicy
    now: datetime
    room: Room = Room()
    left: dict[str, list[datetime]] = field(default_factory=dict)
    steps: set[tuple[UUID, str]] = field(default_factory=set)

    def judge(self, facts: RecipientFacts, standing: Standing = WANTED) -> GateVerdict:
        """Whether a message that was never tried may leave now.

        First what ends it, then what it has to wait for, then the mode, and the limit per minute for what would leave.
        A mode that keeps places is asked before any other hold, so that no end of a hold is taken for its own.
        """
        if facts.is_lost_request_seen and facts.address is not None:
            return GateVerdict(Fate.UNKNOWN, reason=CARRIED_OUT_BEFORE)
        is_kept = facts.address is None or not self.policy.allows(facts.address)
        keeps_place = is_kept and self.policy.keeps_places
        reason = refusal(facts) or standing.refused_for or self._twin(facts)
        # Nobody is late for the time in which the mode keeps them.
        if reason is not None and not (keeps_place and reason == LATE):
            return GateVerdict(Fate.REFUSED, reason=reason)
        if keeps_place:
            return GateVerdict(until=self.now + MODES_ARE_LOOKED_AT_AGAIN, reason=KEPT_BY[self.policy.mode])
        if (hold := self._hold(facts, standing)) is not None:
            return hold
        if facts.address is None or is_kept:
            return GateVerdict(Fate.DRY_RUN, reason=KEPT_BY[self.policy.mode])
        if self.room.mails is not None and self.room.mails <= 0:
            return GateVerdict(until=self.room.frees_at or self.now + timedelta(minutes=1), reason="rate_limit")
        self._leaves(facts, facts.address)
        return _MAY_LEAVE

    def _twin(self, facts: RecipientFacts) -> str | None:
        is_taken = facts.has_twin or (facts.step, facts.address) in self.steps
        return "duplicate_address" if is_taken else None

    def _hold(self, facts: RecipientFacts, standing: Standing) -> GateVerdict | None:
        if standing.held_for is not None:
            until = standing.held_until or self.now + PAUSES_ARE_LOOKED_AT_AGAIN
            return GateVerdict(until=until, reason=standing.held_for)
        if facts.is_sender_paused:
            return GateVerdict(until=self.now + PAUSES_ARE_LOOKED_AT_AGAIN, reason="sender_paused")
        if facts.cap is None or facts.address is None:
            return None
        frees_at = facts.cap.frees_at((*facts.left, *self.left.get(facts.address, ())), self.now)
        return None if frees_at is None else GateVerdict(until=frees_at, reason="frequency_cap")

    def _leaves(self, facts: RecipientFacts, address: str) -> None:
        if facts.step is not None:
            self.steps.add((facts.step, address))
        self.left.setdefault(address, []).append(self.now)
        if self.room.mails is not None:
            self.room = Room(self.room.mails - 1, self.room.frees_at)


def refusal(facts: RecipientFacts) -> str | None:
    """Why the ledgers forbid it, whatever its owner says."""
    if facts.address is None:
        return "erased"
    if facts.suppressed_by is not None:
        return facts.suppressed_by
    return "topic_opt_out" if facts.is_topic_opt_out else None

"""The engine on an injected clock: what a campaign would do, for each person and when, without doing it.

It is the engine's own decision (`decide`) and bookkeeping (`outcome_of`), called at the ticks at which something is due
and at no others; only claiming and sending are played. What is not played: other campaigns of the organization, mails
that wait from before, and a provider that refuses.
"""

import heapq
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from crm_relay.campaigns.decisions import decide
from crm_relay.campaigns.engine.outcomes import StepOutcome, outcome_of, settled_at_once
from crm_relay.campaigns.models import Act, Campaign, Capabilities, DueEnrollment, Step, StepChannel

TICK = timedelta(minutes=1)
"""The worker comes so often."""

BATCH = 100
"""So many does one claim take."""

_MINUTE = timedelta(minutes=1)
_RUNNING = {"active", "engaged"}
_PLAYED = {
    Act.EMAIL: "email",
    Act.SMS: "sms",
    Act.WORK: "work",
    Act.WAIT: "wait",
    Act.SKIP: "skip",
    Act.STOP: "stop",
}


@dataclass(frozen=True)
class Limits:
    """Of the organization. `emails_per_minute` None: no limit. A cap is `cap_emails` a person in `cap_days`."""

    emails_per_minute: int | None = 100
    cap_emails: int | None = None
    cap_days: int | None = None


NO_SMS = Capabilities()
USUAL = Limits()
"""Of an organization for which nothing else is set."""


@dataclass(frozen=True)
class Reaction:
    """What somebody does about a mail: `opened`, `clicked` or `replied`, so long after it."""

    kind: str
    after: timedelta


Engagement = Callable[[DueEnrollment, Step], Iterable[Reaction]]


def nobody_reacts(_enrolled: DueEnrollment, _step: Step) -> Iterable[Reaction]:
    """The default: nobody opens, clicks or answers."""
    return ()


@dataclass(frozen=True)
class Entry:
    """One step of one recipient. `action` is email, sms, work, wait, skip or stop; `reason` of a skip or a stop."""

    enrollment_id: UUID
    contact_id: UUID
    step: int
    channel: str
    at: datetime
    action: str
    reason: str | None
    variant: str | None


@dataclass(frozen=True)
class Simulation:
    """`calendar` in the order of time. `held`: how often a step was moved, by reason. `ends`: people by status then.

    `until`: the end of the time that was looked at; anyone who is still active then has steps after it.
    """

    calendar: list[Entry]
    held: dict[str, int]
    ends: dict[str, int]
    since: datetime
    until: datetime


@dataclass
class _Person:
    """Somebody whose next step is taken up at `next_at`; `mails`: when the last ones left, for the cap."""

    enrolled: DueEnrollment
    next_at: datetime
    status: str
    mails: deque[datetime]
    stops_on_reply: bool = False


@dataclass
class _Play:
    campaign: Campaign
    can: Capabilities
    limits: Limits
    engagement: Engagement
    people: dict[UUID, _Person] = field(default_factory=dict)
    # Where somebody stands -> those who stand there, the one that is due first on top.
    places: dict[int, list[tuple[datetime, UUID]]] = field(default_factory=dict)
    reactions: list[tuple[datetime, int, UUID, str]] = field(default_factory=list)
    queued: deque[datetime] = field(default_factory=deque)
    calendar: list[Entry] = field(default_factory=list)
    held: Counter[str] = field(default_factory=Counter)


def simulate(
    campaign: Campaign,
    people: Sequence[DueEnrollment],
    now: datetime,
    *,
    days: int = 30,
    can: Capabilities = NO_SMS,
    limits: Limits = USUAL,
    engagement: Engagement = nobody_reacts,
    mails_before: Mapping[UUID, Sequence[datetime]] | None = None,
) -> Simulation:
    """From `now` on for so many days. `people` are those who are due one day, with the state and time they have now.

    `mails_before`: enrollment -> when that address was last written to, for the cap. Under a limit a minute those who
    are due at the same instant go in the order of their ids; the engine promises only how many of them go.
    """
    play = _Play(campaign, can, limits, engagement)
    for enrolled in people:
        _begin(play, enrolled, (mails_before or {}).get(enrolled.id, ()))
    until = now + timedelta(days=days)
    tick: datetime | None = now
    while tick is not None and tick < until:
        _run_tick(play, tick)
        tick = _next_tick(play, tick)
    _react_until(play, until)
    ends = Counter(person.status for person in play.people.values())
    return Simulation(play.calendar, dict(sorted(play.held.items())), dict(sorted(ends.items())), now, until)


def _begin(play: _Play, enrolled: DueEnrollment, mails: Sequence[datetime]) -> None:
    status = str(enrolled.fields.get("status", "active"))
    kept = deque(sorted(mails), maxlen=play.limits.cap_emails or 1)
    person = play.people[enrolled.id] = _Person(enrolled, enrolled.next_at or enrolled.due_at, status, kept)
    _enqueue(play, person)


def _enqueue(play: _Play, person: _Person) -> None:
    place = play.places.setdefault(person.enrolled.current_step, [])
    heapq.heappush(place, (person.next_at, person.enrolled.id))


def _run_tick(play: _Play, tick: datetime) -> None:
    _react_until(play, tick)
    while claimed := _claim(play, tick):
        for enrollment_id in claimed:
            _do_step(play, play.people[enrollment_id], tick)


def _next_tick(play: _Play, tick: datetime) -> datetime | None:
    """The first at which something is due; the next one of all where something waits for room."""
    dues = [place[0][0] for place in play.places.values() if place]
    if not dues:
        return None
    ticks = -((tick - min(dues)) // TICK)
    return tick + max(1, ticks) * TICK


def _claim(play: _Play, tick: datetime) -> list[UUID]:
    """As the engine's claim: from each place so many, in the order of their times, mails as the minute has room for."""
    places = {at: place for at, place in play.places.items() if place and place[0][0] <= tick}
    quotas = dict.fromkeys(places, min(BATCH, 1 + 4 * BATCH // max(len(places), 1)))
    room = _room(play, tick)
    chosen: list[UUID] = []
    while len(chosen) < BATCH:
        open_places = [
            (place[0], at)
            for at, place in places.items()
            if place and place[0][0] <= tick and quotas[at] and (room is None or room > 0 or not _is_mail(play, at))
        ]
        if not open_places:
            break
        (_, enrollment_id), at = min(open_places)
        heapq.heappop(places[at])
        if play.people[enrollment_id].status not in _RUNNING:
            continue
        quotas[at] -= 1
        room = room - 1 if room is not None and _is_mail(play, at) else room
        chosen.append(enrollment_id)
    return chosen


def _room(play: _Play, tick: datetime) -> int | None:
    while play.queued and play.queued[0] <= tick - _MINUTE:
        play.queued.popleft()
    limit = play.limits.emails_per_minute
    return None if limit is None else limit - len(play.queued)


def _is_mail(play: _Play, place: int) -> bool:
    step = play.campaign.step_after(place)
    return step is not None and step.channel is StepChannel.EMAIL


def _do_step(play: _Play, person: _Person, tick: datetime) -> None:
    enrolled = replace(person.enrolled, cap_frees_at=_cap_frees_at(play.limits, person, tick))
    decision = decide(enrolled, play.campaign, tick, play.can)
    outcome = settled_at_once(outcome_of(decision, enrolled, tick), decision)
    if decision.act is Act.MOVE:
        play.held[decision.reason or "other"] += 1
    if decision.step is not None:
        play.calendar.append(_entry(enrolled, decision.step, outcome, _PLAYED[decision.act], tick))
        person.stops_on_reply |= decision.step.stop_on_reply and decision.act not in {Act.SKIP, Act.STOP}
    _move_on(play, person, outcome, decision.act, tick)
    if decision.act is Act.EMAIL and decision.step is not None:
        person.mails.append(tick)
        play.queued.append(tick)
        for reaction in play.engagement(enrolled, decision.step):
            at = tick + reaction.after
            heapq.heappush(play.reactions, (at, len(play.calendar), enrolled.id, reaction.kind))


def _entry(enrolled: DueEnrollment, step: Step, outcome: StepOutcome, action: str, tick: datetime) -> Entry:
    return Entry(
        enrolled.id,
        enrolled.contact_id,
        step.number,
        step.channel.value,
        tick,
        action,
        outcome.reason,
        outcome.ab_variant,
    )


def _cap_frees_at(limits: Limits, person: _Person, tick: datetime) -> datetime | None:
    if limits.cap_emails is None or limits.cap_days is None or len(person.mails) < limits.cap_emails:
        return None
    frees_at = person.mails[0] + timedelta(days=limits.cap_days)
    return frees_at if frees_at > tick else None


_COUNTED = {"email": "emails_sent", "sms": "sms_sent", "linkedin": "linkedin_sent", "phone": "calls_made"}


def _move_on(play: _Play, person: _Person, outcome: StepOutcome, act: Act, tick: datetime) -> None:
    """What the engine writes into the enrollment, as skip conditions would read it."""
    fields: dict[str, Any] = dict(person.enrolled.fields)
    if outcome.current_step is not None:
        fields |= {"current_step": outcome.current_step, "steps_completed": outcome.current_step}
    if outcome.ab_variant is not None:
        fields["ab_variant"] = outcome.ab_variant
    if act in {Act.EMAIL, Act.SMS, Act.WORK, Act.WAIT}:
        fields["last_step_at"] = tick.isoformat()
        if (counter := _COUNTED.get(outcome.channel or "")) is not None:
            fields[counter] = fields.get(counter, 0) + 1
    person.status = fields["status"] = outcome.status or person.status
    person.enrolled = replace(
        person.enrolled,
        fields=fields,
        current_step=person.enrolled.current_step if outcome.current_step is None else outcome.current_step,
        due_at=outcome.due_at or outcome.next_step_at or person.enrolled.due_at,
    )
    if outcome.next_step_at is not None:
        person.next_at = outcome.next_step_at
        _enqueue(play, person)


def _react_until(play: _Play, tick: datetime) -> None:
    while play.reactions and play.reactions[0][0] <= tick:
        at, _, enrollment_id, kind = heapq.heappop(play.reactions)
        _react(play.people[enrollment_id], kind, at)


def _react(person: _Person, kind: str, at: datetime) -> None:
    if person.status not in _RUNNING:
        return
    fields: dict[str, Any] = dict(person.enrolled.fields)
    if kind == "replied":
        fields["replied_at"] = fields.get("replied_at") or at.isoformat()
        person.status = "replied" if person.stops_on_reply else person.status
    else:
        fields[f"emails_{kind}"] = fields.get(f"emails_{kind}", 0) + 1
        first = f"first_{kind}_at"
        fields |= {first: fields.get(first) or at.isoformat(), "last_engagement_at": at.isoformat()}
        score = 10 * fields.get("emails_opened", 0) + 25 * fields.get("emails_clicked", 0)
        fields["engagement_score"] = min(100, score)
        person.status = "engaged"
    fields["status"] = person.status
    person.enrolled = replace(person.enrolled, fields=fields)

"""Counts what a simulation does: by gate, by step and by day."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from uuid import UUID

from crm_relay.workflows.actions.effects import (
    Effect,
    FieldWrite,
    LetterOut,
    NewActivity,
    NoticeOut,
    Rotated,
    StateEntered,
    WebhookOut,
)
from crm_relay.workflows.engine.steps.outcomes import Advanced, TakenStep
from crm_relay.workflows.models import Program
from crm_relay.workflows.rehearsal.models import (
    Recipient,
    RefusedStarts,
    RehearsedDay,
    RehearsedEffect,
    RehearsedStarts,
    RehearsedStep,
)
from crm_relay.workflows.starting.models import NotStarted, Start

MOST_BUSY = 10

_COUNTED = frozenset({"completed", "skipped", "failed"})


@dataclass
class Tally:
    """An observer of a simulation; `most_effects` of its effects are listed, and all are counted."""

    most_effects: int
    refusals: dict[str, RefusedStarts] = field(default_factory=dict)
    refused_starts: Counter[str] = field(default_factory=Counter)
    starts_by_day: Counter[date] = field(default_factory=Counter)
    started_runs: int = 0
    queued_runs: int = 0
    replaced_runs: int = 0
    delayed_runs: int = 0
    longest_delay: float = 0.0
    steps: Counter[tuple[str, str]] = field(default_factory=Counter)
    step_days: defaultdict[str, Counter[date]] = field(default_factory=lambda: defaultdict(Counter))
    problems: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    spent: Counter[tuple[date, str]] = field(default_factory=Counter)
    pauses: dict[date, str] = field(default_factory=dict)
    ended: Counter[str] = field(default_factory=Counter)
    emails: Counter[UUID] = field(default_factory=Counter)
    effects: list[RehearsedEffect] = field(default_factory=list)
    has_more_effects: bool = False

    def refused(self, refused: NotStarted, at: datetime) -> None:
        """The values of the first one stand for all."""
        self.refused_starts[refused.reason] += 1
        if refused.reason not in self.refusals:
            entity = refused.request.entity_id
            self.refusals[refused.reason] = RefusedStarts(refused.reason, 1, entity, at, tuple(refused.explanation))

    def started(self, start: Start, at: datetime) -> None:
        """On the day of its event; a run that is queued was started too."""
        self.started_runs += 1
        self.starts_by_day[_day(at)] += 1
        self.queued_runs += start.at is None
        if start.at is not None and start.at > at:
            self.delayed_runs += 1
            self.longest_delay = max(self.longest_delay, (start.at - at).total_seconds())

    def replaced(self, runs: int, at: datetime) -> None:
        """They are cancelled."""
        del at
        self.replaced_runs += runs
        self.ended["cancelled"] += runs

    def paused(self, budget: str, at: datetime) -> None:
        """For the rest of the day."""
        self.pauses.setdefault(_day(at), budget)

    def advanced(self, advanced: Advanced, at: datetime) -> None:
        """Its steps and their effects."""
        day = _day(at)
        for step in advanced.steps:
            self._step(step, day)
            for effect in step.effects:
                self._effect(step, effect, advanced.run.entity_id, at, day)
        for kind, number in advanced.counted.items():
            self.spent[day, kind] += number
        if advanced.state.is_over:
            self.ended[advanced.state.status] += 1

    def _step(self, taken: TakenStep, day: date) -> None:
        if taken.step is None or taken.status not in _COUNTED:
            return
        self.steps[taken.step.key, taken.status] += 1
        if taken.status == "completed":
            self.step_days[taken.step.key][day] += 1
        elif reason := taken.error or taken.result.get("reason"):
            self.problems[taken.step.key][str(reason)] += 1

    def _effect(self, taken: TakenStep, effect: Effect, entity: UUID, at: datetime, day: date) -> None:
        if taken.step is None or isinstance(effect, Rotated):
            return
        if isinstance(effect, LetterOut):
            if effect.mail.contact_id is not None:
                self.emails[effect.mail.contact_id] += 1
        elif isinstance(effect, NoticeOut):
            self.spent[day, "notifications"] += 1
        elif isinstance(effect, WebhookOut):
            self.spent[day, "webhooks"] += 1
        if len(self.effects) < self.most_effects:
            to = tuple(_recipients(effect))
            self.effects.append(RehearsedEffect(at, taken.step.key, taken.step.kind.value, entity, to))
        else:
            self.has_more_effects = True

    def starts(self) -> RehearsedStarts:
        """What became of starts."""
        refused = [
            RefusedStarts(each.reason, self.refused_starts[each.reason], each.entity_id, each.at, each.explanation)
            for each in sorted(self.refusals.values(), key=lambda each: -self.refused_starts[each.reason])
        ]
        return RehearsedStarts(
            started=self.started_runs,
            queued=self.queued_runs,
            replaced=self.replaced_runs,
            delayed=self.delayed_runs,
            longest_delay=self.longest_delay,
            refused=tuple(refused),
        )

    def rehearsed_steps(self, program: Program, waiting: Counter[str]) -> tuple[RehearsedStep, ...]:
        """In their order; those that no run came to as well."""
        return tuple(
            RehearsedStep(
                step.key,
                step.kind.value,
                step.name,
                self.steps[step.key, "completed"],
                self.steps[step.key, "skipped"],
                self.steps[step.key, "failed"],
                waiting[step.key],
                {day.isoformat(): number for day, number in sorted(self.step_days[step.key].items())},
                dict(self.problems[step.key].most_common(5)),
            )
            for step in program.steps
        )

    def days(self) -> tuple[RehearsedDay, ...]:
        """Those on which anything was done."""
        days = sorted({*self.starts_by_day, *self.pauses, *(day for day, _ in self.spent)})
        return tuple(
            RehearsedDay(
                day,
                self.starts_by_day[day],
                emails=self.spent[day, "emails"],
                records=self.spent[day, "records"],
                notifications=self.spent[day, "notifications"],
                webhooks=self.spent[day, "webhooks"],
                paused=self.pauses.get(day),
            )
            for day in days
        )

    def busiest(self) -> tuple[Recipient, ...]:
        """Who would have got most e-mails."""
        return tuple(Recipient(contact, number) for contact, number in self.emails.most_common(MOST_BUSY))


def _recipients(effect: Effect) -> Iterator[str]:
    match effect:
        case LetterOut(mail):
            yield "another address" if mail.contact_id is None else str(mail.contact_id)
        case NoticeOut(request):
            reached = request.recipients
            yield from (str(user) for user in reached.users)
            yield from filter(None, [reached.role, "everybody" if reached.everybody else None])
            yield from ["the owner"] if reached.owner_of is not None else []
            yield from ["the manager"] if reached.manager_of is not None else []
        case NewActivity(row):
            yield str(row.get("assignee_id") or "nobody")
        case FieldWrite():
            yield from sorted(effect.fields)
        case WebhookOut(row):
            yield str(row.get("host"))
        case StateEntered():
            yield str(effect.state_id)
        case Rotated():
            return


def _day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()

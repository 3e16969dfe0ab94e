"""What deliveries of the e-mail provider mean for the ledger, the consent and the replies. No input or output."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TypeVar
from uuid import UUID

from crm_relay.consent.address import normalise
from crm_relay.consent.models import ConsentEvent, ConsentKind
from crm_relay.consent.record import recording
from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import opening
from crm_relay.mail.feedback import store
from crm_relay.mail.feedback.inbound import keep_inbound, place_inbound
from crm_relay.mail.feedback.mail_events import (
    FoldedEvents,
    ReportedEvent,
    fold_events,
    lacks_turn,
    locks,
    names_of,
    reads,
)
from crm_relay.mail.feedback.mail_names import Departure, MailNames
from crm_relay.mail.feedback.reports import Report, reported_of
from crm_relay.platform.database import Row
from crm_relay.platform.logging import count_metric, logger
from crm_relay.platform.sql import Statement
from crm_relay.providers.email_events import (
    ContactChanged,
    InboundMail,
    MailEvent,
    SuppressionAdded,
    Unknown,
)
from crm_relay.webhooks.models import DeliveryOutcome

Kind = TypeVar("Kind")
TOPIC_UNNAMED = "topic_unnamed"
"""Kind of the incident about a topic of the provider that somebody left and that has no name here."""

_INBOUND, _ORGANIZATIONS, _TOPICS = "mail.inbound", "mail.organizations", "mail.topics"
_SUPPRESSION_KINDS = {"bounce": ConsentKind.HARD_BOUNCE, "complaint": ConsentKind.COMPLAINT}


@dataclass(frozen=True)
class Feedback:
    """What a batch means. `departures`: who gets no more mail, in the order of arrival."""

    outcomes: Sequence[DeliveryOutcome]
    folded: FoldedEvents
    departures: Sequence[Departure]
    writes: Sequence[Statement]
    after_commit: Sequence[Callable[[], object]] = ()


@dataclass(frozen=True)
class FeedbackBatch:
    """Deliveries that are applied together, and what has to be locked and read for them."""

    reports: Sequence[Report]
    is_repeated: bool = False
    by_every_name: bool = False

    @cached_property
    def reported(self) -> list[ReportedEvent]:
        """The events of mails that were not applied before."""
        return [reported_of(each) for each in self.reports if each.is_new and isinstance(each.event, MailEvent)]

    @cached_property
    def names(self) -> MailNames:
        """The mails that it is about."""
        return names_of(self.reported, by_every_name=self.by_every_name or self.is_repeated)

    @cached_property
    def leaving(self) -> tuple[MailNames, Sequence[str]]:
        """The mails whose address may leave, and the addresses that leave without a mail of ours."""
        suppressing = [each for each in self.reported if each.suppresses is not None]
        addresses = {each.address for each in suppressing if each.address is not None}
        names = names_of(suppressing, by_every_name=self.by_every_name or self.is_repeated)
        return names, sorted(addresses | set(self._addresses))

    def locks(self) -> dict[str, Statement]:
        """Of the mails; the first of the transaction."""
        return locks(self.names)

    def reads(self) -> dict[str, Statement]:
        """Behind all locks."""
        found = reads(self.names, [each.event.key for each in self.reported] if self.is_repeated else [])
        inbound = [place_inbound(each) for each in self._of(InboundMail)]
        if inbound:
            found[_INBOUND] = store.find_inbound(self.reports[0].provider, inbound)
        if self._addresses:
            found[_ORGANIZATIONS] = store.organizations_of(sorted(set(self._addresses)))
        topics = sorted({topic.topic_id for each in self._of(ContactChanged) for topic in each.topics})
        if topics:
            found[_TOPICS] = store.topics_at_provider(self.reports[0].provider, topics)
        return found

    def lacks_turn(self, rows: Mapping[str, list[Row]]) -> bool:
        """Whether mails have to be looked for once more, behind `turn`."""
        return lacks_turn(self.reported, rows)

    def decide(self, rows: Mapping[str, list[Row]]) -> Feedback:
        """By the rows of `locks` and `reads`."""
        return _Deciding(self.reports, rows, fold_events(self.reported, rows)).run()

    @property
    def _addresses(self) -> list[str]:
        emails = [each.email for each in self._of(ContactChanged)] + [each.email for each in self._of(SuppressionAdded)]
        return [address for each in emails if (address := normalise(each)) is not None]

    def _of(self, kind: type[Kind]) -> list[Kind]:
        return [each.event for each in self.reports if each.is_new and isinstance(each.event, kind)]


@dataclass
class _Deciding:
    reports: Sequence[Report]
    rows: Mapping[str, list[Row]]
    folded: FoldedEvents
    consent: list[ConsentEvent] = field(default_factory=list)
    departures: list[Departure] = field(default_factory=list)
    inbound: list[Mapping[str, object]] = field(default_factory=list)
    topics: list[Mapping[str, object]] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    after_commit: list[Callable[[], object]] = field(default_factory=list)

    def run(self) -> Feedback:
        self.mail_of = {each.event.key: (each, mail) for each, mail in self.folded.matched}
        self.waiting = {each.event.key: each for each in self.folded.unmatched}
        outcomes = [self._one(each) if each.is_new else DeliveryOutcome(duplicates=1) for each in self.reports]
        return Feedback(outcomes, self.folded, self.departures, list(self._writes()), self.after_commit)

    def _one(self, report: Report) -> DeliveryOutcome:
        match report.event:
            case MailEvent():
                return self._mail(report)
            case InboundMail():
                return self._inbound(report, report.event)
            case ContactChanged():
                return self._contact(report, report.event)
            case SuppressionAdded():
                kind = _SUPPRESSION_KINDS.get(report.event.origin or "", ConsentKind.OPT_OUT)
                return self._leaves(report, report.event.email, report.event.occurred_at, kind)
            case Unknown():
                return self._unknown(report, report.event.type)

    def _mail(self, report: Report) -> DeliveryOutcome:
        if report.key in self.mail_of:
            reported, mail = self.mail_of[report.key]
            self._suppress(report, reported, mail["address"] or reported.address, mail["org_id"])
            return DeliveryOutcome(processed=1)
        if report.key in self.waiting:
            reported = self.waiting[report.key]
            self._suppress(report, reported, reported.address, None)
            return DeliveryOutcome(unmatched=1)
        return DeliveryOutcome(duplicates=1)

    def _suppress(self, report: Report, reported: ReportedEvent, address: str | None, org_id: UUID | None) -> None:
        if reported.suppresses is None or address is None:
            return
        kind, at = ConsentKind(reported.suppresses), reported.event.occurred_at
        self.consent.append(ConsentEvent(kind, address, report.provider, at, source_event=report.key, org_id=org_id))
        self.departures.append(Departure(address, kind.value))

    def _inbound(self, report: Report, event: InboundMail) -> DeliveryOutcome:
        found = next(row for row in self.rows[_INBOUND] if row["email_id"] == event.email_id)
        if found["is_erased"] or found["is_known"]:
            return DeliveryOutcome(duplicates=1)
        kept, incident = keep_inbound(event, found, report.provider)
        self.inbound.append(kept)
        self.incidents += [] if incident is None else [incident]
        return DeliveryOutcome(processed=1)

    def _contact(self, report: Report, event: ContactChanged) -> DeliveryOutcome:
        """An opt-out counts and nothing lifts it here; of topics, those that were left."""
        if event.unsubscribed:
            return self._leaves(report, event.email, event.occurred_at, ConsentKind.OPT_OUT)
        address = normalise(event.email)
        left = [each.topic_id for each in event.topics if each.subscribed is False]
        if address is None or not left:
            return DeliveryOutcome(ignored=1)
        if report.is_erased:
            return DeliveryOutcome(duplicates=1)
        left_now = [self._leaves_topic(report, address, topic_id, event.occurred_at) for topic_id in left]
        return DeliveryOutcome(processed=1) if any(left_now) else DeliveryOutcome(duplicates=1)

    def _leaves_topic(self, report: Report, address: str, topic_id: str, at: datetime) -> bool:
        """Whether it was not left before. Without a name here it is kept as the provider has it, until it gets one."""
        topic = next((row["topic"] for row in self.rows[_TOPICS] if row["external_id"] == topic_id), None)
        if topic is None:
            title = "Somebody left a topic of the provider that has no name here: `crm-relay topic name` gives it one"
            self.incidents.append(Incident(TOPIC_UNNAMED, f"{report.provider}:{topic_id}", title))
        for org_id in self._organizations(address):
            words = {"org_id": org_id, "address": address, "topic": topic or topic_id}
            self.topics.append({**words, "source": report.provider, "occurred_at": at})
            self.departures.append(Departure(address, "topic_opt_out", org_id, topic or topic_id))
        organizations = [row for row in self.rows[_ORGANIZATIONS] if row["address"] == address]
        return any((topic or topic_id) not in row["left_topics"] for row in organizations)

    def _leaves(self, report: Report, email: str, at: datetime, kind: ConsentKind) -> DeliveryOutcome:
        """For every organization that holds the address or has mailed it: the provider's account is all of theirs."""
        address = normalise(email)
        if address is None:
            return DeliveryOutcome(ignored=1)
        for place, org_id in enumerate(self._organizations(address)):
            key = report.key if place == 0 else f"{report.key}:{org_id}"
            self.consent.append(ConsentEvent(kind, address, report.provider, at, source_event=key, org_id=org_id))
            if kind is not ConsentKind.OPT_OUT:
                break
        self.departures.append(Departure(address, kind.value))
        return DeliveryOutcome(processed=1)

    def _organizations(self, address: str) -> list[UUID]:
        return [row["org_id"] for row in self.rows[_ORGANIZATIONS] if row["address"] == address]

    def _unknown(self, report: Report, event_type: str) -> DeliveryOutcome:
        """Kept raw, counted and told once."""

        def note() -> None:
            logger().warning("event of an unknown type", event_type=event_type)
            count_metric("UnknownEvents", source=report.provider)

        self.after_commit.append(note)
        title = "Webhook event(s) of an unknown type: kept, without effect"
        self.incidents.append(Incident("unknown_event", f"{report.provider}:{event_type}", title))
        return DeliveryOutcome(ignored=1)

    def _writes(self) -> Iterator[Statement]:
        yield from self.folded.writes
        if self.inbound:
            yield store.keep_inbound(self.inbound)
        if self.consent:
            yield recording(self.consent)
        if self.topics:
            yield store.leave_topics(self.topics)
        if self.incidents:
            yield opening(self.incidents, max(each.received_at for each in self.reports))

"""What a batch of events writes, put together event by event."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from crm_relay.consent.models import ConsentEvent, ConsentKind
from crm_relay.consent.record import recording
from crm_relay.engagement.decisions import (
    judge,
    judge_bounces,
    judge_opt_out,
    latest_bounce,
    stamped_by,
)
from crm_relay.engagement.deliveries.known import BounceKey, KnownEngagement
from crm_relay.engagement.deliveries.rows import Values, row_of
from crm_relay.engagement.deliveries.text_opt_outs import SOURCE, TextOptOuts
from crm_relay.engagement.models import AddressHolder, FiledEvent, Owner
from crm_relay.platform.sql import Json, Rows, Statement, queries_beside
from crm_relay.providers.mautic.events import MauticEvent
from crm_relay.webhooks.models import Counted

_SQL = queries_beside(__file__)


@dataclass(frozen=True)
class OwnedEvent:
    """A stored event and whose it is; None: nobody's, as yet."""

    event: FiledEvent
    owner: Owner | None


@dataclass
class _Stamp:
    at: datetime
    in_person: bool


@dataclass
class _BouncedAddress:
    times: int = 0
    mutes: bool = False


@dataclass
class EngagementChanges:
    """One delivery after the other, as if each had been written before the next was decided."""

    known: KnownEngagement
    _rows: dict[str, Values] = field(default_factory=dict)
    _given: dict[UUID, UUID] = field(default_factory=dict)
    _stamps: dict[UUID, _Stamp] = field(default_factory=dict)
    _bounced: dict[UUID, _BouncedAddress] = field(default_factory=dict)
    _latest: dict[BounceKey, FiledEvent] = field(default_factory=dict)
    _suppressions: list[ConsentEvent] = field(default_factory=list)
    _gone: list[Values] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.texts = TextOptOuts(self.known)

    def apply(self, events: Sequence[MauticEvent], erased: AbstractSet[str] = frozenset()) -> Counter[Counted]:
        """The events of one delivery, with all that they mean. `erased` are marks of erased persons in it."""
        counts: Counter[Counted] = Counter()
        stored: list[OwnedEvent] = []
        deletions: list[FiledEvent] = []
        for event in events:
            filed = self._filed(event, erased)
            if filed.kind == "contact_deleted":
                deletions.append(filed)
            elif filed.kind == "sms_opt_out":
                counts[self.texts.apply(filed)] += 1
            elif self._is_known(event.key):
                counts["duplicates"] += 1
            else:
                stored.append(self._store(event, filed))
                counts["processed" if stored[-1].owner else "unmatched"] += 1
        self._take_effect(stored)
        # Behind the rest: of what comes with a deletion the contact's owner is still known.
        counts.update(self._delete(deletions))
        return counts

    def give(self, waiting: Iterable[tuple[UUID, FiledEvent]]) -> int:
        """Stored events to their customers, as if they had come now; how many there were."""
        owned = [(row_id, OwnedEvent(event, self.known.owner_of(event).owner)) for row_id, event in waiting]
        given = [each for _, each in owned if each.owner is not None]
        self._given |= {row_id: each.owner.customer_id for row_id, each in owned if each.owner is not None}
        self._take_effect(given)
        return len(given)

    def statements(self) -> Iterator[Statement]:
        """One a table: events, customers, the ledger, and the counts of addresses, whose locks come first."""
        if self._rows:
            yield _SQL["add_events"].bind(events=Rows([self._rows[key] for key in sorted(self._rows)]))
        if self._given:
            given = [{"id": row_id, "customer_id": owner} for row_id, owner in sorted(self._given.items())]
            yield _SQL["give_waiting"].bind(given=Json(given))
        yield from self.texts.statements()
        if self._stamps:
            yield _SQL["stamp_opt_outs"].bind(stamps=Rows(self._stamp_rows()))
        if self._suppressions or self.texts.suppressions:
            yield recording([*self._suppressions, *self.texts.suppressions])
        if self._gone:
            yield _SQL["opt_out_addresses"].bind(gone=Rows(self._gone))
        if self._bounced:
            yield _SQL["count_bounces"].bind(counts=Rows(self._bounce_rows()))
        yield from self.known.contacts.statements()

    def _filed(self, event: MauticEvent, erased: AbstractSet[str]) -> FiledEvent:
        """Of somebody who was erased it is counted that something happened, and nothing else."""
        filed = FiledEvent.of(event)
        marks = {filed.address, None if filed.customer_id is None else str(filed.customer_id)}
        is_erased = filed.kind != "contact_deleted" and marks & (erased | self.known.erased)
        return filed.without_person if is_erased else filed

    def _is_known(self, key: str) -> bool:
        return key in self.known.events or key in self._rows

    def _store(self, event: MauticEvent, filed: FiledEvent) -> OwnedEvent:
        owner = self.known.owner_of(filed).owner
        self._rows[event.key] = row_of(event, filed, judge(event), owner)
        return OwnedEvent(filed, owner)

    def _take_effect(self, events: Sequence[OwnedEvent]) -> None:
        bounces: dict[BounceKey, list[OwnedEvent]] = {}
        for each in events:
            if each.event.kind == "unsubscribe":
                self._opt_out(each.event, each.owner)
            elif each.event.kind == "bounce" and each.owner is not None and each.event.address is not None:
                bounces.setdefault((each.owner.customer_id, each.event.address), []).append(each)
        for key, together in bounces.items():
            self._bounce(key, together)

    def _opt_out(self, event: FiledEvent, owner: Owner | None) -> None:
        """Into the ledger, no matter who it is; onto the customers where it is not late."""
        if event.address is not None:
            self._suppress(ConsentKind.OPT_OUT, event, event.address, owner)
        if owner is None:
            return
        if event.address is None:
            gone: Values = {"customer_id": owner.customer_id, "event_key": event.key, "at": event.occurred_at}
            self._gone.append(gone)
        consented_at = None if event.address is None else self.known.consents.get((event.address, owner.org_id))
        if judge_opt_out(event.occurred_at, consented_at).stamps:
            for customer_id, in_person in stamped_by(owner, self.known.holders_of(event)).items():
                stamp = self._stamps.setdefault(customer_id, _Stamp(event.occurred_at, in_person))
                stamp.at, stamp.in_person = max(stamp.at, event.occurred_at), stamp.in_person or in_person

    def _bounce(self, key: BounceKey, together: Sequence[OwnedEvent]) -> None:
        """Of one customer and address, on every row of the address."""
        customer_id, address = key
        events = [each.event for each in together]
        latest = latest_bounce([*events, *self._earlier(key)])
        self._latest[key] = latest
        news = [
            self._count(holder, len(events))
            for holder in self.known.holders.get(address, ())
            if holder.customer_id == customer_id
        ]
        if any(news):
            self._suppress(ConsentKind.HARD_BOUNCE, latest, address, together[0].owner)

    def _earlier(self, key: BounceKey) -> list[FiledEvent]:
        return [each for each in (self.known.bounces.get(key), self._latest.get(key)) if each is not None]

    def _count(self, holder: AddressHolder, times: int) -> bool:
        """Whether the address becomes invalid by these."""
        counted = self._bounced.setdefault(holder.email_id, _BouncedAddress())
        was_valid = holder.is_valid and not counted.mutes
        verdict = judge_bounces(holder.bounces + counted.times, times, was_valid=was_valid)
        counted.times, counted.mutes = counted.times + times, verdict.mutes
        return verdict.is_news

    def _suppress(self, kind: ConsentKind, event: FiledEvent, address: str, owner: Owner | None) -> None:
        org_id = None if owner is None else owner.org_id
        self._suppressions.append(
            ConsentEvent(kind, address, SOURCE, event.occurred_at, source_event=event.key, org_id=org_id)
        )

    def _delete(self, deletions: Sequence[FiledEvent]) -> Iterator[Counted]:
        for event in deletions:
            if event.contact_id is None:
                yield "ignored"
            else:
                yield self.known.contacts.delete(event.contact_id).counted

    def _stamp_rows(self) -> list[Values]:
        return [
            {"customer_id": customer_id, "at": stamp.at, "in_person": stamp.in_person}
            for customer_id, stamp in sorted(self._stamps.items())
        ]

    def _bounce_rows(self) -> list[Values]:
        return [
            {"email_id": email_id, "times": counted.times, "mutes": counted.mutes}
            for email_id, counted in sorted(self._bounced.items())
        ]

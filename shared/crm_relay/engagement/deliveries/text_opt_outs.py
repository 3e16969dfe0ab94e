"""Opt-outs from text messages: into the ledger, and waiting while it is not known whose they are or at which number."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from crm_relay.consent.models import ConsentChannel, ConsentEvent, ConsentKind
from crm_relay.consent.waiting.waiting_opt_outs import WaitingOptOut, keeping, looking_again, settling
from crm_relay.engagement.decisions import judge_number
from crm_relay.engagement.deliveries.known import KnownEngagement
from crm_relay.engagement.models import FiledEvent, Owner
from crm_relay.platform.sql import Statement
from crm_relay.webhooks.models import Counted

SOURCE = "mautic"


@dataclass
class TextOptOuts:
    """One event after the other, as if each had been written before the next was decided."""

    known: KnownEngagement
    suppressions: list[ConsentEvent] = field(default_factory=list)
    _numbers: set[tuple[str | None, str, UUID | None]] = field(default_factory=set)
    _waiting: dict[str, WaitingOptOut] = field(default_factory=dict)
    _settled: list[UUID] = field(default_factory=list)
    _looked: list[tuple[UUID, UUID | None]] = field(default_factory=list)

    def apply(self, event: FiledEvent) -> Counted:
        """In the ledger it is once a number and organization; without an owner it waits besides.

        Of somebody who was erased it is counted that something happened: the ledger blocks them already.
        """
        if event.is_erased:
            return "unmatched"
        if event.key in self.known.waiting or event.key in self._waiting:
            return "duplicates"
        owner = self.known.owner_of(event).owner
        numbers = judge_number(event.address, event.number_end, owner).numbers
        new = [number for number in numbers if self._suppress(event, number, owner)]
        if numbers and not new:
            return "duplicates"
        if event.key is not None and (owner is None or not numbers):
            self._waiting[event.key] = _waiting(event.key, event, owner)
        return "processed" if numbers else "unmatched"

    def give(self, waiting: Iterable[tuple[UUID, FiledEvent]]) -> int:
        """What waited, as if it came now; how many are in the ledger for those that they concern."""
        given = 0
        for row_id, event in waiting:
            owner = self.known.owner_of(event).owner
            numbers = judge_number(event.address, event.number_end, owner).numbers
            if event.address in self.known.erased:
                self._settled.append(row_id)
            elif owner is None or not numbers:
                self._looked.append((row_id, None if owner is None else owner.customer_id))
            else:
                for number in numbers:
                    self._suppress(event, number, owner)
                self._settled.append(row_id)
                given += 1
        return given

    def statements(self) -> Iterator[Statement]:
        """What goes on waiting and what does not; the ledger's lines are `suppressions`."""
        if self._waiting:
            yield keeping([self._waiting[key] for key in sorted(self._waiting)])
        if self._settled:
            yield settling(self._settled)
        if self._looked:
            yield looking_again(self._looked)

    def _suppress(self, event: FiledEvent, number: str, owner: Owner | None) -> bool:
        """Whether the ledger did not have it."""
        org_id = None if owner is None else owner.org_id
        key = (event.key, number, org_id)
        if key in self._numbers or key in self.known.numbers:
            return False
        self._numbers.add(key)
        self.suppressions.append(
            ConsentEvent(
                ConsentKind.OPT_OUT, number, SOURCE, event.occurred_at, ConsentChannel.SMS, event.key, org_id=org_id
            )
        )
        return True


def _waiting(key: str, event: FiledEvent, owner: Owner | None) -> WaitingOptOut:
    return WaitingOptOut(
        SOURCE,
        key,
        ConsentChannel.SMS,
        event.occurred_at,
        address=event.address,
        number_end=event.number_end,
        source_person=None if event.contact_id is None else str(event.contact_id),
        customer_id=event.customer_id if owner is None else owner.customer_id,
    )

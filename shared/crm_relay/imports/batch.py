"""One batch of an import: lock, read, decide and write in one transaction."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from crm_relay.consent.models import ConsentEvent, ConsentKind
from crm_relay.consent.store import import_events
from crm_relay.imports.decisions import Action, Consented, PersonDecision, decide_consent, decide_person
from crm_relay.imports.models import PersonKind, PersonLine
from crm_relay.imports.store import KnownPeople, read_known, writing
from crm_relay.platform.database import Database, Queryable, Transaction
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.sql import Statement


@dataclass
class BatchOutcome:
    """`bad`: line and why; `opt_outs` and `opt_ins` were new to the ledger."""

    actions: Counter[Action] = field(default_factory=Counter)
    consents: Counter[Consented] = field(default_factory=Counter)
    bad: dict[int, str] = field(default_factory=dict)
    opt_outs: int = 0
    opt_ins: int = 0


@dataclass(frozen=True)
class PeopleBatch:
    """What all batches of an import have in common."""

    db: Database
    kind: PersonKind
    org_id: UUID
    now: datetime
    opted_out: Collection[str]
    is_dry: bool
    restores: bool

    def write(self, lines: Mapping[int, PersonLine], repeated: Collection[int]) -> BatchOutcome:
        """All of `lines`, by number, or nothing; of `repeated` ones only what they say of consent counts."""
        addresses = sorted({line.address for line in lines.values()})

        def work(tx: Transaction) -> BatchOutcome:
            known = read_known(tx, self.kind, self.org_id, addresses, locks=not self.is_dry)
            decided = {number: self._decide(line, known) for number, line in lines.items() if number not in repeated}
            outcome = BatchOutcome(Counter(each.action for each in decided.values()))
            outcome.bad = {number: each.reason for number, each in decided.items() if each.reason is not None}
            events = self._consents(lines, known, outcome)
            if not self.is_dry:
                tx.send_all(self._people(lines, decided, known))
            outcome.opt_outs = self._record(tx, [one for one in events if one.kind is ConsentKind.OPT_OUT])
            outcome.opt_ins = self._record(tx, [one for one in events if one.kind is ConsentKind.CONSENT])
            return outcome

        return self.db.transact(work)

    def _decide(self, line: PersonLine, known: KnownPeople) -> PersonDecision:
        person, is_erased = known.people.get(line.address), line.address in known.erased
        return decide_person(self.kind, line, person, is_erased=is_erased, restores=self.restores)

    def _people(
        self, lines: Mapping[int, PersonLine], decided: Mapping[int, PersonDecision], known: KnownPeople
    ) -> list[Statement]:
        new = {lines[at].address: each.fields for at, each in decided.items() if each.action is Action.NEW}
        changed = {
            known.people[lines[at].address].id: each.fields
            for at, each in decided.items()
            if each.action is Action.CHANGED
        }
        return writing(self.kind, self.org_id, new, changed, self.now)

    def _consents(
        self,
        lines: Mapping[int, PersonLine],
        known: KnownPeople,
        outcome: BatchOutcome,
    ) -> list[ConsentEvent]:
        """The opt-out of somebody who cannot be imported counts; their consent does not."""
        events = []
        for number, line in lines.items():
            is_out = line.consent is not None and line.consent.kind is ConsentKind.OPT_OUT
            if line.address in known.erased or (number in outcome.bad and not is_out):
                continue
            facts = known.facts.get(line.address, ())
            consented, event = decide_consent(line, self.org_id, facts, self.opted_out, self.now)
            outcome.consents[consented] += 1
            events += [event] if event is not None else []
        return events

    def _record(self, tx: Queryable, events: Sequence[ConsentEvent]) -> int:
        """Through the ledger's own way in, after the people are there: an opt-out marks them."""
        if self.is_dry or not events:
            return len({(each.address, each.occurred_at, each.source) for each in events})
        recorded, refused = import_events(tx, events)
        if refused:
            raise RejectedInput("consent_at: lies in the future, or before the year 1")
        return recorded

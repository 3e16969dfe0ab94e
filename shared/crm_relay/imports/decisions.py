"""What an import does with a person, and what it may put into the ledger; pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from crm_relay.consent.decisions import ConsentFact, suppression_of
from crm_relay.consent.models import ConsentEvent, ConsentKind
from crm_relay.imports.models import KnownPerson, PersonKind, PersonLine

ERASED = "the person was erased, and does not come back"
DELETED = "the contact with this address was deleted; --restore brings it back"
NO_NAME = "name: a new prospect needs the name of the company or of the person"
_OUT = {ConsentKind.OPT_OUT.value, ConsentKind.COMPLAINT.value, ConsentKind.ERASED.value}


class Action(StrEnum):
    """What is done with a line."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    BAD = "bad"


@dataclass(frozen=True)
class PersonDecision:
    """`fields`: what is written; of somebody known only what differs."""

    action: Action
    reason: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)


def decide_person(
    kind: PersonKind, line: PersonLine, known: KnownPerson | None, *, is_erased: bool, restores: bool
) -> PersonDecision:
    """An empty cell says nothing, and leaves what is known."""
    if is_erased:
        return PersonDecision(Action.BAD, ERASED)
    if line.problem is not None:
        return PersonDecision(Action.BAD, line.problem)
    if known is None:
        return _new(kind, line)
    if known.is_deleted and not restores:
        return PersonDecision(Action.BAD, DELETED)
    changes = {name: value for name, value in line.fields.items() if known.fields.get(name) != value}
    if changes or known.is_deleted:
        return PersonDecision(Action.CHANGED, fields=changes)
    return PersonDecision(Action.UNCHANGED)


def _new(kind: PersonKind, line: PersonLine) -> PersonDecision:
    if kind is not PersonKind.PROSPECTS or "name" in line.fields:
        return PersonDecision(Action.NEW, fields=line.fields)
    if "contact_name" not in line.fields:
        return PersonDecision(Action.BAD, NO_NAME)
    return PersonDecision(Action.NEW, fields={**line.fields, "name": line.fields["contact_name"]})


class Consented(StrEnum):
    """What becomes of a stated consent."""

    RECORD = "record"
    KNOWN = "known"
    REFUSED = "refused"
    UNPROVEN = "unproven"


def decide_consent(
    line: PersonLine, org_id: UUID, facts: Iterable[ConsentFact], opted_out: Collection[str], now: datetime
) -> tuple[Consented, ConsentEvent | None]:
    """`opted_out`: addresses that opt out anywhere in the file.

    A consent is never recorded for somebody who is out: only `consent grant` clears that. An opt-out without a time, or
    with one that is yet to come, counts from now, and once only while it stands.
    """
    stated = line.consent
    if stated is None:
        return Consented.KNOWN, None
    known = list(facts)
    is_out = suppression_of(org_id, known) in _OUT
    at = None if stated.at is None or stated.at > now else stated.at
    if stated.kind is ConsentKind.OPT_OUT:
        if at is None and is_out:
            return Consented.KNOWN, None
    elif is_out or line.address in opted_out:
        return Consented.REFUSED, None
    elif at is None or stated.evidence is None:
        return Consented.UNPROVEN, None
    event = ConsentEvent(stated.kind, line.address, stated.source, at or now, evidence=stated.evidence, org_id=org_id)
    return (Consented.KNOWN, None) if any(_is_that(fact, event) for fact in known) else (Consented.RECORD, event)


def _is_that(fact: ConsentFact, event: ConsentEvent) -> bool:
    """As the ledger knows an event that has no id of its source."""
    said = (event.kind.value, event.org_id, event.source, event.occurred_at)
    return (fact.kind, fact.org_id, fact.source, fact.occurred_at) == said

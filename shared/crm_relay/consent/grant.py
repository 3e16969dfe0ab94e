"""The ways out of a suppression: somebody consented again, or an entry was wrong; there is evidence of either."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from crm_relay.consent.decisions import CLOCK_TOLERANCE, ConsentFact, suppression_of
from crm_relay.consent.models import ConsentChannel, ConsentEntry, ConsentEvent, ConsentKind
from crm_relay.consent.record import record_events
from crm_relay.consent.store import entries_of, entry_by_id, insert_consent
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.logging import logger

CORRECTABLE = frozenset({ConsentKind.OPT_OUT, ConsentKind.HARD_BOUNCE})
"""Nobody but the person takes a complaint or an erasure back."""

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Granted:
    """Customers with that address; of these, those that something else than an opt-out keeps muted."""

    customers: int
    do_not_contact: int
    invalid_address: int


def grant_consent(
    db: Queryable,
    address: str,
    *,
    evidence: str,
    granted_by: str,
    now: datetime,
    channel: ConsentChannel = ConsentChannel.EMAIL,
    org_id: UUID | None = None,
) -> Granted:
    """Record a consent for `address` and lift the opt-out of the customers and contacts who have it.

    `evidence` says how it can be proven (a form's record, a letter), `granted_by` whose token did it. Every call is a
    line of its own. It holds in one organization, and against what happened before `now`: an opt-out of that very
    moment wins, and a `now` ahead of the database's clock counts as that clock's. RejectedInput without evidence or for
    what is no address of the channel.
    """
    key = ConsentEvent(ConsentKind.CONSENT, address, granted_by, now, channel).key
    if key is None:
        raise RejectedInput(f"address: not an address of the channel {channel}")
    if not evidence.strip():
        raise RejectedInput("evidence: say how this consent can be proven")
    counts = insert_consent(
        db, channel=channel, address=key, source=granted_by, evidence=evidence.strip(), at=now, org_id=org_id
    )
    # Beside the line in the ledger, which names the same; the address stays there.
    logger().info("consent granted", by=granted_by, channel=channel.value, org_id=org_id and str(org_id))
    return Granted(**counts)


@dataclass(frozen=True)
class Corrected:
    """`suppressed_by` is what mutes the address in that organization now; None: nothing. `kept`: entries that stay."""

    entry_id: int
    kept: int
    suppressed_by: str | None


def correct_entry(
    db: Queryable, entry_id: int, *, evidence: str, corrected_by: str, instead: ConsentKind | None = None
) -> Corrected:
    """Lift what entry `entry_id` says, and that alone: what stood beside it stands, and so does what came later.

    `instead` is what should have been recorded, a bounce for an opt-out. Safe to call again where it was interrupted;
    RejectedInput where the entry was corrected before, is not there, or is of a kind that is not correctable.
    """
    entry = entry_by_id(db, entry_id)
    if entry is None or entry.kind not in CORRECTABLE:
        raise RejectedInput("entry: there is none of this number that is an opt-out or a bounce")
    if not evidence.strip():
        raise RejectedInput("evidence: say how it is known that the entry is wrong")
    mark = f"correction of entry {entry_id}: "
    history = [each for each in entries_of(db, [entry.address]) if each.channel == entry.channel]
    if any(each.kind is ConsentKind.ERASED for each in history):
        raise RejectedInput("entry: the person was erased")
    if any((each.evidence or "").startswith(mark) for each in history):
        raise RejectedInput("entry: it was corrected before")
    at = _effective(entry) + _INSTANT
    beside = _standing_beside(entry, history)
    # First what is to stay: at the moment of a consent an entry stands.
    record_events(db, _kept_events(entry, beside, at, instead, corrected_by))
    insert_consent(
        db,
        channel=entry.channel,
        address=entry.address,
        source=corrected_by,
        evidence=f"{mark}{evidence.strip()}",
        at=at,
        org_id=entry.org_id,
    )
    facts = [_fact(each) for each in entries_of(db, [entry.address]) if each.channel == entry.channel]
    return Corrected(entry_id, len(beside), suppression_of(entry.org_id, facts))


def _effective(entry: ConsentEntry) -> datetime:
    return min(entry.occurred_at, entry.recorded_at + CLOCK_TOLERANCE)


def _standing_beside(wrong: ConsentEntry, history: Sequence[ConsentEntry]) -> list[ConsentEntry]:
    """What mutes the address in that organization without the wrong entry, at its time."""
    until = _effective(wrong)
    others = [each for each in history if each.id != wrong.id and _effective(each) <= until]
    consents = [_fact(each) for each in others if each.kind is ConsentKind.CONSENT]
    return [
        each
        for each in others
        if each.kind is not ConsentKind.CONSENT and suppression_of(wrong.org_id, [_fact(each), *consents]) is not None
    ]


def _kept_events(
    wrong: ConsentEntry, beside: Sequence[ConsentEntry], at: datetime, instead: ConsentKind | None, by: str
) -> list[ConsentEvent]:
    moved = [
        ConsentEvent(each.kind, each.address, each.source, at, each.channel, f"{wrong.id} without {each.id}")
        for each in beside
    ]
    if instead is not None:
        moved.append(ConsentEvent(instead, wrong.address, by, at, wrong.channel, f"{wrong.id} instead"))
    return [replace(each, org_id=wrong.org_id) for each in moved]


def _fact(entry: ConsentEntry) -> ConsentFact:
    return ConsentFact(entry.kind.value, entry.org_id, entry.occurred_at, entry.recorded_at, entry.source)

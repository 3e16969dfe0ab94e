"""The ratchet: whether somebody may be written to, by all that the ledgers know of them; pure.

An opt-out stands until a later consent to the same organization is recorded. SQL has the same rule as `suppression` and
`recipient_suppression`, for reads that join whole lists; one test draws ledgers and compares both.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from crm_relay.consent.models import ConsentKind

CLOCK_TOLERANCE = timedelta(minutes=5)
"""By how much an event may be dated ahead of its recording: a clock that runs ahead does not outrank a later event."""

CONTACT_OPT_OUT = "contact_opt_out"
CUSTOMER_OPT_OUT = "customer_opt_out"
DO_NOT_CONTACT = "do_not_contact"
INVALID_ADDRESS = "invalid_address"
WAITING_OPT_OUT = "waiting_opt_out"

_OPT_OUT, _DEAD = ConsentKind.OPT_OUT.value, ConsentKind.HARD_BOUNCE.value
_CONSENT = ConsentKind.CONSENT.value
SEEN_BY_THE_INSTALLATION = "resend"
"""The source whose bounces hold for every organization: the sending service that all share refuses the address to all.

Every other one speaks for an organization: a workspace in EmailBison, Mautic, an imported list, a customer's row.
"""

# Nobody writes to who complained or was erased.
_EVERYWHERE = {ConsentKind.COMPLAINT.value, ConsentKind.ERASED.value}
# Of the person, whose organization is the asking one, and of a number that may be anybody's.
_EVERYWHERE |= {CONTACT_OPT_OUT, WAITING_OPT_OUT}
_UNTIL_CLEARED = {*ConsentKind, CONTACT_OPT_OUT, CUSTOMER_OPT_OUT, WAITING_OPT_OUT} - {_CONSENT}
# The first that stands is the reason, by its word.
_REASONS = {
    ConsentKind.ERASED.value: ConsentKind.ERASED.value,
    ConsentKind.COMPLAINT.value: ConsentKind.COMPLAINT.value,
    _OPT_OUT: _OPT_OUT,
    CONTACT_OPT_OUT: _OPT_OUT,
    DO_NOT_CONTACT: _OPT_OUT,
    CUSTOMER_OPT_OUT: _OPT_OUT,
    WAITING_OPT_OUT: _OPT_OUT,
    _DEAD: _DEAD,
    INVALID_ADDRESS: _DEAD,
}
# What somebody wants of marketing says nothing about their work; an address that is dead is dead.
_OF_COLLEAGUES = (ConsentKind.ERASED.value, ConsentKind.COMPLAINT.value, _DEAD)


@dataclass(frozen=True)
class ConsentFact:
    """One thing that is known of a recipient: an event of the ledger, or what a contact's or a customer's row says.

    `kind`: a `ConsentKind`, CONTACT_OPT_OUT, CUSTOMER_OPT_OUT, DO_NOT_CONTACT, INVALID_ADDRESS, or WAITING_OPT_OUT for
    one that waits and may be this number's. The times are None where the row has none; `source` is an event's.
    """

    kind: str
    org_id: UUID | None = None
    occurred_at: datetime | None = None
    recorded_at: datetime | None = None
    source: str | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "ConsentFact":
        """From a row of `consent_facts`."""
        return cls(row["kind"], row["org_id"], row["occurred_at"], row["recorded_at"], row["source"])

    @classmethod
    def of_json(cls, row: Mapping[str, Any]) -> "ConsentFact":
        """From the same as an object of JSON."""
        org_id, *times = row["org_id"], row["occurred_at"], row["recorded_at"]
        occurred_at, recorded_at = (None if each is None else datetime.fromisoformat(each) for each in times)
        return cls(row["kind"], None if org_id is None else UUID(org_id), occurred_at, recorded_at, row["source"])

    @property
    def effective_at(self) -> datetime | None:
        """When it counts from."""
        if self.occurred_at is None or self.recorded_at is None:
            return self.occurred_at
        return min(self.occurred_at, self.recorded_at + CLOCK_TOLERANCE)


def suppression_of(org_id: UUID, facts: Iterable[ConsentFact]) -> str | None:
    """Why an organization may not write to somebody, a word of the ledger; None: it may."""
    standing = _standing(org_id, facts)
    return next((word for kind, word in _REASONS.items() if kind in standing), None)


def dead_address(org_id: UUID, facts: Iterable[ConsentFact]) -> str | None:
    """The same for mail to colleagues, which is no marketing."""
    standing = _standing(org_id, facts)
    return next((kind for kind in _OF_COLLEAGUES if kind in standing), None)


def _standing(org_id: UUID, facts: Iterable[ConsentFact]) -> set[str]:
    """The kinds of those that no later consent has cleared."""
    known = list(facts)
    consents = [each.effective_at for each in known if each.kind == _CONSENT and each.org_id == org_id]
    cleared_at = max((at for at in consents if at is not None), default=None)
    return {
        each.kind
        for each in known
        if each.kind != _CONSENT
        and (each.org_id == org_id or _holds_everywhere(each))
        and not (each.kind in _UNTIL_CLEARED and _is_before(each.effective_at, cleared_at))
    }


def _holds_everywhere(fact: ConsentFact) -> bool:
    """Whatever organization's it is; as `holds_everywhere` in SQL."""
    return fact.kind in _EVERYWHERE or (fact.kind == _DEAD and fact.source == SEEN_BY_THE_INSTALLATION)


def _is_before(at: datetime | None, cleared_at: datetime | None) -> bool:
    return cleared_at is not None and at is not None and at < cleared_at

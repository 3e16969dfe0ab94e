"""Rules of audiences: what a standing there means here, what an opt-out here means there, and who is added; pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from crm_relay.consent.decisions import ConsentFact, suppression_of
from crm_relay.consent.models import ConsentKind
from crm_relay.platform.database import Row

if TYPE_CHECKING:
    from crm_relay.providers.connectors.contract import Standing

LEAVING = "leaving"
_OUT = {ConsentKind.OPT_OUT.value, ConsentKind.COMPLAINT.value, ConsentKind.ERASED.value}
"""Of a bounce nobody is unsubscribed: it says nothing of what they want, and the other side finds it out by itself."""

EVENTS: Mapping[str, ConsentKind] = {
    "unsubscribed": ConsentKind.OPT_OUT,
    "undeliverable": ConsentKind.HARD_BOUNCE,
}
"""Of a complaint as well it is an opt-out: what one organization reports mutes nobody for another one."""

CONSENT_PREFIX = "consent: "
_BARRED: Mapping[str, str] = {
    ConsentKind.OPT_OUT.value: "the person opted out",
    ConsentKind.COMPLAINT.value: "the person complained",
    ConsentKind.ERASED.value: "the person was erased",
    ConsentKind.HARD_BOUNCE.value: "mail to the address bounces",
}
_LEFT: Mapping[str, str] = {
    "unsubscribed": "the person left there",
    "undeliverable": "mail to the address bounces there",
    "archived": "the person is archived there, and can be taken back there alone",
    LEAVING: "the person is about to leave there",
}


@dataclass(frozen=True)
class KnownStanding:
    """What was known of a record. `is_same`: with the address that it has now."""

    standing: str
    is_same: bool


@dataclass(frozen=True)
class StandingVerdict:
    """`put`: the standing to remember; `event`: what the ledger gets; `drop`: forget what was known; and why."""

    why: str
    put: str | None = None
    event: ConsentKind | None = None
    drop: bool = False


def judge(seen: "Standing", known: KnownStanding | None, suppressed: str | None) -> StandingVerdict:
    """What one record that was read leads to. `suppressed`: why the organization may not write to its address."""
    if seen == "none":
        return StandingVerdict("nobody writes to them there")
    if seen == "subscribed":
        return _judge_subscribed(known, suppressed)
    if seen == "archived":
        is_stricter = known is not None and known.is_same and known.standing in EVENTS
        return StandingVerdict("they left before") if is_stricter else _remembered("archived", known)
    if known is not None and known.is_same and known.standing == seen:
        return StandingVerdict("they left before")
    is_our_own = known is not None and known.is_same and known.standing == LEAVING and seen == "unsubscribed"
    if is_our_own:
        return StandingVerdict("we unsubscribed them", put=seen)
    event = None if suppressed == ConsentKind.ERASED.value else EVENTS[seen]
    return StandingVerdict("they left there", put=seen, event=event)


def _judge_subscribed(known: KnownStanding | None, suppressed: str | None) -> StandingVerdict:
    if suppressed in _OUT:
        is_known = known is not None and known.standing == LEAVING and known.is_same
        return StandingVerdict("they left here", put=None if is_known else LEAVING)
    return StandingVerdict("they are written to on both sides", drop=known is not None)


def _remembered(standing: str, known: KnownStanding | None) -> StandingVerdict:
    is_known = known is not None and known.standing == standing and known.is_same
    return StandingVerdict("somebody archived them there", put=None if is_known else standing)


def is_out(suppressed: str | None) -> bool:
    """Whether it is a reason to have them unsubscribed there."""
    return suppressed in _OUT


def suppressions(org_id: UUID, rows: Iterable[Row]) -> dict[str, str]:
    """Address -> why the organization may not write there; of rows of `facts_of`."""
    facts: dict[str, list[ConsentFact]] = {}
    for row in rows:
        if row["address"] is not None:
            facts.setdefault(row["address"], []).append(ConsentFact.of(row))
    found = {address: suppression_of(org_id, some) for address, some in facts.items()}
    return {address: reason for address, reason in found.items() if reason is not None}


def bar(suppressed: str | None, left: str | None) -> str | None:
    """Why nobody with an address is added there; None: they may be."""
    if suppressed is not None:
        return CONSENT_PREFIX + _BARRED.get(suppressed, suppressed)
    return None if left is None else CONSENT_PREFIX + _LEFT.get(left, left)

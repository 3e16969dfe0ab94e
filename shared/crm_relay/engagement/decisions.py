"""Whose an event is, what follows from it, and whether a person or a machine did it; pure, and with the reason."""

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from crm_relay.consent.address import normalise_phone
from crm_relay.engagement.models import AddressHolder, FiledEvent, Owner
from crm_relay.providers.mautic.events import MauticEvent
from crm_relay.providers.mautic.vocabulary import EventKind
from crm_relay.rules.user_agents import image_proxy_of, scanner_of

MAX_BOUNCES = 3
"""The document's rule: so many bounces, and nothing is sent to the address any more."""

STORED_KINDS: AbstractSet[EventKind] = {"open", "click", "unsubscribe", "bounce"}
"""What becomes a row of the customer's engagement. Of the others the ledger or the sync knows."""

# Mail gateways fetch a mail's pictures and links while they take it in; a person needs longer than that.
_PREFETCH = timedelta(seconds=3)


@dataclass(frozen=True)
class EngagementVerdict:
    """`is_machine` None: there was nothing to judge."""

    is_machine: bool | None
    reason: str | None


def judge(event: MauticEvent) -> EngagementVerdict:
    """Who did it: of opens and clicks only."""
    if event.kind == "open":
        return judge_open(event.sent_at, event.occurred_at, in_browser=event.in_browser)
    if event.kind == "click":
        return judge_click(event.user_agent, event.sent_at, event.occurred_at)
    return EngagementVerdict(None, None)


def judge_open(sent_at: datetime | None, opened_at: datetime, *, in_browser: bool) -> EngagementVerdict:
    """`sent_at` None: not known."""
    if in_browser:
        return EngagementVerdict(is_machine=False, reason="read in the browser")
    if _is_prefetch(sent_at, opened_at):
        return EngagementVerdict(is_machine=True, reason="fetched within 3 seconds of being sent")
    return EngagementVerdict(is_machine=False, reason="nothing speaks against a person")


def judge_click(user_agent: str | None, sent_at: datetime | None, clicked_at: datetime) -> EngagementVerdict:
    """`user_agent` None: the payload has no such field, as in the document's form; empty: none was sent."""
    if user_agent is not None and not user_agent.strip():
        return EngagementVerdict(is_machine=True, reason="no user agent")
    known = scanner_of(user_agent) or image_proxy_of(user_agent)
    if known is not None:
        return EngagementVerdict(is_machine=True, reason=known)
    if _is_prefetch(sent_at, clicked_at):
        return EngagementVerdict(is_machine=True, reason="followed within 3 seconds of being sent")
    return EngagementVerdict(is_machine=False, reason="nothing speaks against a person")


def judge_address(bounces: int, *, is_valid: bool) -> str:
    """What the bounces of an address have made of it."""
    if is_valid:
        return f"{bounces} of {MAX_BOUNCES} bounces"
    return f"muted after {bounces} bounces" if bounces >= MAX_BOUNCES else "muted as invalid, not by counted bounces"


@dataclass(frozen=True)
class OwnerVerdict:
    """`owner` None: nobody who is known here; the event waits."""

    owner: Owner | None
    reason: str


def judge_owner(named: Owner | None, of_contact: Owner | None, holders: Collection[AddressHolder]) -> OwnerVerdict:
    """Whose an event is: `named` has the id that the contact carries, `of_contact` is or was that contact.

    `holders` have the address. The order is the rule: customers may share an address, and a contact's may change.
    """
    if named is not None:
        return OwnerVerdict(named, "the contact names the customer")
    if of_contact is not None:
        return OwnerVerdict(of_contact, "the contact is or was the customer's")
    if holders:
        # As in the sync, which gives the contact to that customer.
        youngest = max(holders, key=lambda holder: (holder.created_at, holder.customer_id))
        return OwnerVerdict(youngest, "the youngest customer with the address")
    return OwnerVerdict(None, "nobody here has the contact or the address")


@dataclass(frozen=True)
class OptOutVerdict:
    """Whether an unsubscribe stamps the customer; the ledger has it either way."""

    stamps: bool
    reason: str


def judge_opt_out(at: datetime, consented_at: datetime | None) -> OptOutVerdict:
    """`consented_at`: the latest consent on record for the address, in the customer's organization."""
    if consented_at is not None and consented_at > at:
        return OptOutVerdict(stamps=False, reason="it arrives late: a consent has followed it")
    return OptOutVerdict(stamps=True, reason="no later consent is on record")


def stamped_by(owner: Owner, holders: Collection[AddressHolder]) -> dict[UUID, bool]:
    """Customers that an unsubscribe of `owner` stamps; True: in person, so that the own column says it too.

    Anyone who shares the address keeps the own column, but the stamp follows to the next address. Organizations do not
    share an address.
    """
    sharing = {holder.customer_id: False for holder in holders if holder.org_id == owner.org_id}
    return sharing | {owner.customer_id: True}


@dataclass(frozen=True)
class BounceVerdict:
    """`mutes`: nothing is sent to the address any more; `is_news`: it was valid before, and the ledger has to know."""

    bounces: int
    mutes: bool
    is_news: bool
    reason: str


def judge_bounces(before: int, more: int, *, was_valid: bool) -> BounceVerdict:
    """`before` were counted of an address, and `more` come at once."""
    bounces = before + more
    mutes = bounces >= MAX_BOUNCES
    reason = judge_address(bounces, is_valid=was_valid and not mutes)
    return BounceVerdict(bounces, mutes, mutes and was_valid, reason)


def latest_bounce(bounces: Sequence[FiledEvent]) -> FiledEvent:
    """The one that the ledger names, so that the order of the deliveries does not show there."""
    return max(bounces, key=lambda bounce: (bounce.occurred_at, bounce.key or ""))


@dataclass(frozen=True)
class NumberVerdict:
    """The numbers that opt out of text messages; none: none is known, and the opt-out waits for one."""

    numbers: Sequence[str]
    reason: str


def judge_number(given: str | None, written_end: str | None, owner: Owner | None) -> NumberVerdict:
    """`given` is None where the contact has a number that could be anybody's, as a national one; it ends in
    `written_end`.

    It is the person who leaves: where no number of theirs ends like that, all of them opt out.
    """
    if given is not None:
        return NumberVerdict((given,), "the contact's number")
    phones = () if owner is None else owner.phones
    numbers = tuple(dict.fromkeys(number for phone in phones if (number := normalise_phone(phone)) is not None))
    alike = tuple(number for number in numbers if written_end is not None and number.endswith(written_end))
    if alike:
        return NumberVerdict(alike, "the customer's number that ends like the contact's")
    if numbers:
        return NumberVerdict(numbers, "all of the customer's numbers: none ends like the contact's")
    return NumberVerdict((), "no number in international form is known")


def _is_prefetch(sent_at: datetime | None, at: datetime) -> bool:
    return sent_at is not None and timedelta(0) <= at - sent_at <= _PREFETCH

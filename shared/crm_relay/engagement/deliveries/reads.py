"""What is locked and read before a batch of events is decided, in the order of the locks."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from uuid import UUID

from crm_relay.engagement.decisions import STORED_KINDS
from crm_relay.engagement.models import ContactDirectory, FiledEvent
from crm_relay.platform.database import Queryable
from crm_relay.platform.sql import Json, Statement, queries_beside
from crm_relay.providers.mautic.vocabulary import EventKind

_SQL = queries_beside(__file__)
_WRITES_CUSTOMERS: AbstractSet[EventKind] = {"unsubscribe", "bounce", "contact_deleted"}


def reads_of(
    events: Sequence[FiledEvent], contacts: ContactDirectory, *, are_stored: bool = False
) -> dict[str, Statement]:
    """By the name under which `KnownEngagement` finds the rows. `are_stored`: the events are rows already, and wait.

    A kind of event that is not in the batch costs no statement.
    """
    return {
        **_locks(events, contacts),
        **({} if are_stored else _known_events(events)),
        **_owners(events, contacts),
        **_unsubscribes(_addresses(events, {"unsubscribe"})),
        **_bounces(_addresses(events, {"bounce"})),
        **_text_opt_outs([event for event in events if event.kind == "sms_opt_out"]),
    }


def marks_of(events: Sequence[FiledEvent]) -> frozenset[str]:
    """By which an erased person is recognised: e-mail addresses and customer ids."""
    ids = frozenset(str(event.customer_id) for event in events if event.customer_id)
    return ids | _addresses(events, STORED_KINDS)


def erased_marks(events: Sequence[FiledEvent]) -> dict[str, Statement]:
    """For events that come by no inbox."""
    return {"erased_marks": _SQL["erased_marks"].bind(marks=sorted(marks_of(events)))}


def waiting_contacts(db: Queryable) -> list[int] | None:
    """Contacts of the events that wait for their customer; None where no event waits."""
    row = db.run(_SQL["waiting_contacts"])[0]
    return row["contact_ids"] if row["events"] else None


def claim_waiting(known_contacts: Sequence[int], limit: int, ids: Sequence[UUID] | None = None) -> Statement:
    """Locks up to `limit` events that wait and can be given to somebody; in a message before `reads_of`.

    `ids`: only of these.
    """
    among = None if ids is None else list(ids)
    return _SQL["claim_waiting"].bind(contact_ids=Json(list(known_contacts)), limit=limit, ids=among)


def _locks(events: Sequence[FiledEvent], contacts: ContactDirectory) -> dict[str, Statement]:
    """Opens and clicks write nothing that was there before."""
    concerning = [event for event in events if event.kind in _WRITES_CUSTOMERS]
    bouncing = _addresses(events, {"bounce"})
    deleted = _contact_ids(event for event in events if event.kind == "contact_deleted")
    locks = {}
    if concerning:
        ids = {event.customer_id for event in concerning if event.customer_id}
        addresses = _addresses(concerning, STORED_KINDS)
        locks["customers"] = contacts.lock_customers(ids, _contact_ids(concerning), addresses)
    if bouncing:
        locks["addresses"] = _SQL["lock_addresses"].bind(addresses=sorted(bouncing))
    if deleted:
        locks["deleted"] = contacts.lock(deleted)
    return locks


def _known_events(events: Sequence[FiledEvent]) -> dict[str, Statement]:
    keys = sorted({event.key for event in events if event.kind in STORED_KINDS and event.key})
    return {"known_events": _SQL["known_events"].bind(keys=keys)} if keys else {}


def _owners(events: Sequence[FiledEvent], contacts: ContactDirectory) -> dict[str, Statement]:
    ids = {event.customer_id for event in events if event.customer_id}
    contact_ids = _contact_ids(events)
    addresses = _addresses(events, STORED_KINDS)
    # Asked of those alone whose event has no number that could be used.
    with_phones = any(event.kind == "sms_opt_out" and event.address is None for event in events)
    found = {}
    if ids:
        found["named_customers"] = _SQL["named_customers"].bind(ids=sorted(ids), with_phones=with_phones)
    if contact_ids:
        found["contacts"] = contacts.read(contact_ids, with_phones=with_phones)
    if addresses:
        found["address_holders"] = _SQL["address_holders"].bind(addresses=sorted(addresses))
    return found


def _unsubscribes(addresses: AbstractSet[str]) -> dict[str, Statement]:
    return {"consents": _SQL["consents"].bind(addresses=sorted(addresses))} if addresses else {}


def _bounces(addresses: AbstractSet[str]) -> dict[str, Statement]:
    return {"latest_bounces": _SQL["latest_bounces"].bind(addresses=sorted(addresses))} if addresses else {}


def _text_opt_outs(events: Sequence[FiledEvent]) -> Mapping[str, Statement]:
    if not events:
        return {}
    keys = sorted({event.key for event in events if event.key})
    numbers = sorted({event.address for event in events if event.address})
    return {
        "known_numbers": _SQL["known_numbers"].bind(keys=keys),
        "erased_numbers": _SQL["erased_numbers"].bind(numbers=numbers),
    }


def _addresses(events: Sequence[FiledEvent], kinds: AbstractSet[EventKind]) -> frozenset[str]:
    return frozenset(event.address for event in events if event.kind in kinds and event.address)


def _contact_ids(events: Iterable[FiledEvent]) -> frozenset[int]:
    return frozenset(event.contact_id for event in events if event.contact_id is not None)

"""Proves with a contact of its own, which is gone afterwards, that Mautic takes our values and its webhook arrives."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from secrets import token_hex
from uuid import uuid4

from crm_relay.customers.field_map import CUSTOM_FIELDS
from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.errors import FatalError, NoAnswer, RejectedInput, ServerFailed, TransientError
from crm_relay.providers.mautic.client import Mautic
from crm_relay.providers.mautic.mapping import TEXT_LIMIT, write_fields
from crm_relay.webhooks.store import delivery_mentioning

_MANUAL = 3
_POLL_SECONDS = 0.2
_TRIES_TO_REMOVE = 5
# What was not answered may be being carried out at this moment, and must not be looked for too early.
_SETTLE_SECONDS = 2.0
# The receiver's clock may be behind; the address is found in no other delivery.
_CLOCK_SKEW = timedelta(hours=1)
_LONG_FIELDS = (
    "firstname",
    "lastname",
    "address1",
    "address2",
    "city",
    "zipcode",
    "last_event_name",
    "preferred_venue",
)


@dataclass(frozen=True)
class Proof:
    """`seconds` until the delivery was in the inbox, None where it was not; `refused_fields` would not take our values.

    `left_behind` is the address of the test contact where Mautic did not let go of it.
    """

    seconds: float | None = None
    refused_fields: tuple[str, ...] = ()
    problem: str | None = None
    left_behind: str | None = None


def prove_delivery(
    mautic: Mautic, db: Database, now: Clock, *, limit_seconds: float, sleep: Callable[[float], None] = time.sleep
) -> Proof:
    """Nothing of it stays but the raw delivery: the opt-out is marked as ours, and nobody here has the address."""
    address = f"crm-relay-test-{token_hex(8)}@example.com"
    proof = Proof()
    try:
        contact_id, refused = _create(mautic, address, now)
        proof = Proof(refused_fields=refused)
        started = time.monotonic()
        mautic.add_do_not_contact(contact_id, _MANUAL)
        arrived = _wait(db, address, now, Deadline.after(limit_seconds), sleep)
        proof = replace(proof, seconds=round(time.monotonic() - started, 2) if arrived else None)
    except (RejectedInput, TransientError, FatalError) as error:
        proof = Proof(problem=str(error), refused_fields=proof.refused_fields)
        if isinstance(error, NoAnswer):
            sleep(_SETTLE_SECONDS)
    finally:
        removed = _remove(mautic, address, sleep)
    return proof if removed else replace(proof, left_behind=address)


def _create(mautic: Mautic, address: str, now: Clock) -> tuple[int, tuple[str, ...]]:
    """The contact's id, and the fields that refused a value of full length."""
    values, refused = _longest_values(now), frozenset[str]()
    for _ in range(2):
        kept = {alias: value for alias, value in values.items() if alias not in refused}
        result = mautic.create_contacts([{"email": address, **kept}])[0]
        if result.contact_id is not None:
            return result.contact_id, tuple(sorted(refused))
        refused = refused | set(result.refused_fields)
    raise ServerFailed(f"the test contact was refused with status {result.status}")


def _longest_values(now: Clock) -> Mapping[str, object]:
    """What the sync may write at most; the length of a field is not among what Mautic shows of it."""
    plain: dict[str, object] = {
        "supabase_id": str(uuid4()),
        "customer_segment": next(iter(next(each for each in CUSTOM_FIELDS if each.choices).choices)),
        "lead_score": 1,
        "total_orders": 1,
        "total_spent": 1.25,
        "last_order_date": now(),
        "marketing_opt_in": True,
        "customer_since": now().date(),
    }
    return write_fields(dict.fromkeys(_LONG_FIELDS, "x" * TEXT_LIMIT) | plain).fields


def _wait(db: Database, address: str, now: Clock, deadline: Deadline, sleep: Callable[[float], None]) -> bool:
    since = now() - _CLOCK_SKEW
    while delivery_mentioning(db, source="mautic", text=address, since=since) is None:
        if not deadline.allows(_POLL_SECONDS):
            return False
        sleep(_POLL_SECONDS)
    return True


def _remove(mautic: Mautic, address: str, sleep: Callable[[float], None]) -> bool:
    """Looked for by its address, since a call that failed may have made it all the same; False where it may be left."""
    for _ in range(_TRIES_TO_REMOVE):
        try:
            found = [
                each.contact_id
                for each in mautic.contacts_from(0, search=f"email:{address}")
                if each.fields.get("email") == address
            ]
            if not found:
                return True
            mautic.delete_contacts(found)
        except (RejectedInput, TransientError, FatalError):
            sleep(1.0)
    return False

"""Deliveries of Mautic as the webhook's source has let them in, applied without the function around it."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from crm_relay.platform.database import Database
from crm_relay.providers.mautic.events import MauticDelivery
from crm_relay.sources.mautic import MAUTIC
from crm_relay.webhooks.models import Delivered, DeliveryOutcome
from crm_relay.webhooks.receive import apply_once
from crm_relay.webhooks.source import Received
from tests.support.customers.mautic_hooks import delivery, subscription
from tests.support.processes.meanwhile import MeanwhileBefore

RECEIVED_AT = datetime(2026, 11, 20, 13, tzinfo=UTC)
_LAST_MESSAGE = "commit"
"""Those before it have locked and read."""

Done = TypeVar("Done")


def delivered(body: bytes) -> Delivered:
    """Kept as any other."""
    return Delivered(MAUTIC.name, body, RECEIVED_AT, {"content-type": "application/json"})


def received(body: bytes) -> Received[MauticDelivery]:
    """Its signature was verified."""
    return Received(delivered(body), MAUTIC.parse(delivered(body)))


def apply(database: Database, body: bytes) -> DeliveryOutcome:
    """In a transaction of its own."""
    return apply_once(database, MAUTIC, received(body))


def apply_during(url: str, body: bytes, act: Callable[[Database], object]) -> DeliveryOutcome:
    """`act` begins between the two messages of the delivery."""
    return during(url, lambda database: apply(database, body), act)


def during(url: str, work: Callable[[Database], Done], act: Callable[[Database], object]) -> Done:
    """What `work` returns; `act` begins before its last message."""
    database = MeanwhileBefore(url, _LAST_MESSAGE, act)
    try:
        outcome = work(database)
        database.join()
    finally:
        database.close()
    return outcome


def bounces(*seconds: int, email: str, contact_id: int = 88) -> bytes:
    """A delivery of bounces, told apart by their seconds."""
    return delivery(lead_channel_subscription_changed=_changes("bounced", seconds, email, contact_id))


def unsubscribe(second: int, *, email: str, contact_id: int = 88) -> bytes:
    """A delivery of one unsubscribe."""
    return delivery(lead_channel_subscription_changed=_changes("unsubscribed", [second], email, contact_id))


def _changes(new: str, seconds: Sequence[int], email: str, contact_id: int) -> list[Any]:
    return [
        subscription(new=new, email=email, contact_id=contact_id, at=f"2026-11-20T12:00:{second:02}+00:00")
        for second in seconds
    ]

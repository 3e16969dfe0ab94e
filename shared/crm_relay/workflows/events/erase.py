"""Takes the values of a person out of events, and out of what was decided and started by them."""

from collections.abc import Sequence
from uuid import UUID

from crm_relay.platform.database import Row, Transaction
from crm_relay.workflows.events import store


def lock_events(tx: Transaction, contacts: Sequence[UUID]) -> None:
    """What `redact_events` changes of events, for a transaction that locks runs before it calls that."""
    store.lock_traces(tx, contacts)


def redact_events(tx: Transaction, contacts: Sequence[UUID]) -> Row:
    """Table -> rows that lost values, of the contacts, their enrollments and their activities.

    Call it before the contacts' rows go. Which columns changed stays, and which comparisons were asked. Two statements;
    safe to call twice.
    """
    return store.redact(tx, contacts)

"""Where a person stands in every campaign and why, for `crm-relay why`."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_relay.campaigns import store
from crm_relay.consent.person import Person
from crm_relay.platform.database import Queryable, Row

LATEST = 20
"""So many enrollments are told, the newest ones."""


@dataclass(frozen=True)
class Enrollments:
    """`enrolled`: campaign, status, stopped_reason, held_for, next_step_at and so on; `steps` with their reasons."""

    enrolled: list[Row]


def enrollments_of(db: Queryable, person: Person, now: datetime) -> Enrollments:
    """One statement. Never what a mail says."""
    return Enrollments(store.enrollments_of(db, list(person.addresses), now, limit=LATEST))


def names_of(db: Queryable, campaigns: Collection[UUID]) -> Mapping[UUID, str]:
    """What these campaigns are called. One statement."""
    return store.names_of(db, sorted(campaigns))

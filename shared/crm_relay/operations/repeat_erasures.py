"""Tries again, every night, the erasures that could not be completed."""

from dataclasses import dataclass

from crm_relay.consent.person import Person
from crm_relay.operations import store
from crm_relay.operations.erase import ErasureScope, erase_person, find
from crm_relay.platform.errors import FatalError, RejectedInput, TransientError, describe_error
from crm_relay.platform.logging import count_metric, logger
from crm_relay.platform.shared_clock.server_time import server_time

KEPT_DAYS = 30
"""So long a person is kept for a repetition: the month in which a request has to be answered (GDPR, article 12)."""

_SECONDS = 60.0
"""What is left of the run below that is not enough for one of them."""


@dataclass
class Repeated:
    """`given_up`: not tried any more. `failed`: what stopped a try; it is tried again."""

    complete: int = 0
    incomplete: int = 0
    failed: int = 0
    given_up: int = 0


def repeat_erasures(scope: ErasureScope) -> Repeated:
    """Each of them once, the one that was tried longest ago first, until time is up. One never stops another."""
    db = scope.run.db
    before = server_time(db)
    done = Repeated(given_up=store.give_up_unfinished(db, KEPT_DAYS))
    if done.given_up:
        logger().error("erasures are not repeated any more", erasures=done.given_up, days=KEPT_DAYS)
    while scope.run.deadline.allows(_SECONDS) and (person := store.next_unfinished(db, before)) is not None:
        _again(scope, person, done)
    return done


def _again(scope: ErasureScope, person: Person, done: Repeated) -> None:
    try:
        receipt = erase_person(scope, _as_known_now(scope, person), is_asked=False)
    except (RejectedInput, TransientError, FatalError) as error:
        logger().error("an erasure could not be repeated", reason=describe_error(error))
        count_metric("ErasuresNotRepeated")
        done.failed += 1
        return
    done.complete += receipt.is_complete
    done.incomplete += not receipt.is_complete


def _as_known_now(scope: ErasureScope, person: Person) -> Person:
    """What was kept, and what one of the addresses finds now."""
    if not person.addresses:
        return person
    now = find(scope.run.db, min(person.addresses))
    return Person(
        person.addresses | now.addresses,
        person.phones | now.phones,
        person.customer_ids | now.customer_ids,
        person.contact_ids | now.contact_ids,
    )

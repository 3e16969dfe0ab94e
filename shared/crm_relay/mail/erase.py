"""Erases a person from both ledgers of what was sent; it stays counted, without its recipient."""

from datetime import datetime

from crm_relay.consent.address import normalise_phone
from crm_relay.consent.person import Person
from crm_relay.mail import store
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.errors import TransientError


def erase_mail(db: Queryable, person: Person, now: datetime) -> dict[str, int]:
    """Table -> rows that lost the person; what is queued is refused. One statement; safe to call twice.

    Raises TransientError where a mail is on its way at this moment: the bytes of its request stay until its fate is
    known, within a day. Everything else is erased by then.
    """
    done = store.erase(db, list(person.addresses), numbers_of(person), now)
    on_its_way = done.pop("on_its_way")
    if on_its_way:
        raise TransientError(f"{on_its_way} mails are on their way: their bytes are kept until it is known they left")
    return done


def count_mail(db: Queryable, person: Person) -> Row:
    """Table -> rows that erase_mail would change."""
    return store.count(db, list(person.addresses), numbers_of(person))


def numbers_of(person: Person) -> list[str]:
    """Their phone numbers, as the ledger of text messages has them."""
    return sorted({number for phone in person.phones if (number := normalise_phone(phone)) is not None})

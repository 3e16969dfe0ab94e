"""Gives one event of a mail all its effects: on the mail, on the ledger of consent, and on whoever is enrolled."""

from collections.abc import Mapping
from typing import Any

from crm_relay.campaigns.engine import store
from crm_relay.platform.database import Queryable


def follow_mail(db: Queryable, event: Mapping[str, Any]) -> str:
    """'processed', 'duplicate', or 'unmatched' where the mail has no row yet. One statement; safe to call twice.

    To be given to delivery's `apply_event` as `follow`. Opens and clicks of people make the enrollment engaged; a
    permanent bounce or a complaint ends every sequence of the address; an event of a mail whose sending was unclear
    settles it as sent.
    """
    return store.follow_mail_event(db, event)

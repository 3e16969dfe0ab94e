"""A colleague follows the link in a notification's mail: no more e-mails of its categories."""

from collections.abc import Sequence
from datetime import datetime

from crm_relay.mail.models import OwnedMail
from crm_relay.notifications import store
from crm_relay.platform.sql import Statement


def leave_categories(mails: Sequence[OwnedMail], now: datetime) -> Statement:
    """Of a mail the category of its notification, of a digest all in it. Safe to call twice; no consent is touched.

    Who has no preference yet keeps what acts for them, without e-mail.
    """
    entities = [mail.entity_id for mail in mails if mail.entity_id is not None]
    return store.leaving_categories(entities, [mail.send_id for mail in mails], now)

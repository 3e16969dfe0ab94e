"""Rows of Mautic's tables as GET /api/stats/{table} shows them: documented and read in the source, not recorded.

https://devdocs.mautic.org/en/latest/rest_api/stats.html - raw columns, numbers as text or not, times in UTC without an
offset. What goes wrong there is answered 200 with `errors` and without `stats`; so is a table that does not exist.
https://github.com/mautic/mautic/blob/5.1.1/app/bundles/CoreBundle/Controller/Api/StatsApiController.php
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator

from crm_relay.platform.http.wire import Wire
from crm_relay.providers.mautic.wire_webhook import Address, ContactId, Moment, Number, Text, Word

_OPENED_AT = re.compile(r's:8:"datetime";s:19:"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)"')


def _times(serialized: object) -> object:
    """PHP's own serialization: a list of opens, each with `datetime`. Other forms are read as nothing."""
    found = _OPENED_AT.findall(serialized) if isinstance(serialized, str) else []
    try:
        return [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in found]
    except ValueError:
        return []


class Statistics(Wire):
    """One page; `stats` is None where Mautic refuses."""

    stats: list[dict[str, Any]] | None = None


class MailRow(Wire):
    """What both tables have. `email_id` is None without a mail, `lead_id` where the contact was deleted."""

    id: Number
    email_id: Number | None = None
    lead_id: ContactId | None = None


class SendingRow(MailRow):
    """A row of email_stats: one mail to one contact.

    `open_details` has one moment for each open, the oldest first: Mautic keeps the first thousand, and from 7 on it may
    keep them elsewhere.
    """

    email_address: Address = None
    date_sent: Moment = None
    date_read: Moment = None
    last_opened: Moment = None
    tracking_hash: Word | None = None
    open_count: Annotated[int, BeforeValidator(lambda value: value or 0)] = 0
    viewed_in_browser: Annotated[bool, BeforeValidator(lambda value: str(value).lower() in {"1", "true"})] = False
    open_details: Annotated[tuple[datetime, ...], BeforeValidator(_times)] = ()


class HitRow(MailRow):
    """A row of page_hits: a page or a tracked link."""

    date_hit: Moment = None
    url: Text = None
    user_agent: Text = None


class MailAnswer(Wire):
    """GET /api/emails/{id}."""

    email: dict[str, Any]

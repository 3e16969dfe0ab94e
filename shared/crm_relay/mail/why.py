"""Which mails a person was sent or was not, and why, for `crm-relay why`; never what they say."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from crm_relay.consent.person import Person
from crm_relay.mail import store
from crm_relay.platform.database import Queryable, Row

LATEST = 20
"""So many mails are told, the newest ones."""

NameCampaigns = Callable[[Queryable, Collection[UUID]], Mapping[UUID, str]]
"""What campaigns are called, in one statement."""


@dataclass(frozen=True)
class MailHistory:
    """`mails`: name of the campaign, status, reason and times, newest first; `topics_left`: what they want no more."""

    mails: list[Row]
    topics_left: list[Row]


def delivery_of(db: Queryable, person: Person, name_campaigns: NameCampaigns) -> MailHistory:
    """Three statements, whatever there is."""
    addresses = list(person.addresses)
    mails = store.mails(db, addresses, limit=LATEST)
    names = name_campaigns(db, {row["campaign_id"] for row in mails if row["campaign_id"] is not None})
    named = [row | {"campaign": names.get(row["campaign_id"])} for row in mails]
    return MailHistory(named, store.topics_left(db, addresses))

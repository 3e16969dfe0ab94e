"""Which mails and texts a person was sent or was not, and why, for `crm-relay why`; never what they say."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from crm_relay.consent.person import Person
from crm_relay.mail import store
from crm_relay.mail.erase import numbers_of
from crm_relay.platform.database import Queryable, Row

LATEST = 20
"""So many mails are told, the newest ones."""

NameCampaigns = Callable[[Queryable, Collection[UUID]], Mapping[UUID, str]]
"""What campaigns are called, in one statement."""


@dataclass(frozen=True)
class MailHistory:
    """`mails` and `texts`: name of the campaign, status, reason and times, newest first.

    `topics_left`: what they want no more.
    """

    mails: list[Row]
    topics_left: list[Row]
    texts: list[Row]


def delivery_of(db: Queryable, person: Person, name_campaigns: NameCampaigns) -> MailHistory:
    """Four statements, whatever there is."""
    addresses = list(person.addresses)
    mails = store.mails(db, addresses, limit=LATEST)
    texts = store.texts(db, numbers_of(person), addresses, limit=LATEST)
    names = name_campaigns(db, {row["campaign_id"] for row in (*mails, *texts) if row["campaign_id"] is not None})
    mails, texts = ([row | {"campaign": names.get(row["campaign_id"])} for row in rows] for rows in (mails, texts))
    return MailHistory(mails, store.topics_left(db, addresses), texts)

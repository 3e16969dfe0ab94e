"""The page behind a mail's link to unsubscribe, let in by the token of the mail in its path.

What is kept is the request in our own words, since a form says too little. It has the token and no address, so there
is nobody to redact in it; were there an address, it would go as a whole.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qs

from crm_relay.campaigns.engine.follow_mail import Followed
from crm_relay.consent.person import Person
from crm_relay.mail.feedback.mail_names import MailNames
from crm_relay.mail.feedback.unsubscribe import Reader, UnsubscribeBatch, UnsubscribeRequest, may_be_token
from crm_relay.mail.link_tokens import is_signed_link
from crm_relay.notifications.people.unsubscribe import leave_categories
from crm_relay.platform.errors import RejectedInput, TransientError
from crm_relay.platform.http.refusals import RefusalBudget
from crm_relay.platform.sql import Statement
from crm_relay.webhooks.models import Delivered, DeliveryOutcome
from crm_relay.webhooks.people.redact import emptied
from crm_relay.webhooks.source import Batch, Decided, KeptDelivery, ReadRows, Received, Source, WebhookRequest

NAME = "unsubscribe"

FindReader = Callable[[str], Reader | None]
"""Who has that token; None: nobody. TransientError: that cannot be known now."""

_MOST_UNKNOWN = 30
"""More than an address book of people whose mail was erased opens within a minute."""


class TooManyUnknown(TransientError):
    """Strangers try links: of one that is not signed nothing is looked up for a while."""


@dataclass(frozen=True)
class LinkKeys:
    """Whose link it is, at a bounded price for links that are nobody's.

    A link that we signed is looked up each time. All others share a budget that only unknown ones spend. Once it is
    spent, a few requests a minute are kept unseen, since each may be a reader's, and the rest have to come again.
    """

    signed_with: Sequence[str]
    find_reader: FindReader
    refusals: RefusalBudget = field(default_factory=lambda: RefusalBudget(_MOST_UNKNOWN))
    unseen: RefusalBudget = field(default_factory=lambda: RefusalBudget(_MOST_UNKNOWN))

    def reader(self, token: str, now: datetime) -> Reader | None:
        """None: nobody's. TransientError: that cannot be known now."""
        if not may_be_token(token):
            return None
        if self.refusals.is_spent(now) and not is_signed_link(token, self.signed_with):
            raise TooManyUnknown("too many unknown links")
        reader = self.find_reader(token)
        if reader is None:
            self.refusals.spend(now)
        return reader


def receive(request: WebhookRequest, keys: LinkKeys, now: datetime) -> Received[UnsubscribeRequest]:
    """RejectedInput: 404 for a token that nobody has. TooManyUnknown: come again.

    While that cannot be known, a token of our form is let in: no wish to leave is lost, and whether anybody has it is
    found out when it is applied. Whatever a form says that is not the topic's button means everything.
    """
    token = request.path_parameters.get("token", "")
    reader = _reader(token, keys, now)
    only_topic = parse_qs(request.body.decode(errors="replace")).get("scope") == ["topic"]
    wanted = UnsubscribeRequest(token, only_topic, now, reader)
    return Received(Delivered(NAME, wanted.to_body(), now), wanted)


def _reader(token: str, keys: LinkKeys, now: datetime) -> Reader | None:
    try:
        reader = keys.reader(token, now)
    except TooManyUnknown:
        if keys.unseen.is_spent(now):
            raise
        keys.unseen.spend(now)
        return None
    except TransientError:
        return None
    if reader is None:
        raise RejectedInput("unknown token", status=404)
    return reader


def parse(delivered: Delivered) -> UnsubscribeRequest:
    """RejectedInput for what is no kept request."""
    return UnsubscribeRequest.from_body(delivered.body)


def reads(batch: Batch[UnsubscribeRequest]) -> Mapping[str, Statement]:
    """The mails with these links, no matter who is enrolled with their addresses, and what decides about them."""
    return _reads(UnsubscribeBatch([each.parsed for each in batch.deliveries]))


def decide(kept: Sequence[KeptDelivery[UnsubscribeRequest]], rows: ReadRows) -> Decided:
    """To the ledger, the mail, the sequences and the queue; of a notification to its reader's preference alone."""
    new = [each for each in kept if each.is_new]
    if not new:
        return Decided([DeliveryOutcome(duplicates=1) for _ in kept])
    batch = UnsubscribeBatch([each.parsed for each in new])
    left = batch.decide(rows)
    found = dict(zip([id(each) for each in new], left.outcomes, strict=True))
    at = max(each.parsed.at for each in new)
    writes = _followed(batch).writes(rows, left.mails, left.departures, at)
    outcomes = [found.get(id(each), DeliveryOutcome(duplicates=1)) for each in kept]
    colleagues = [leave_categories(left.colleagues, at)] if left.colleagues else []
    return Decided(outcomes, [*left.writes, *writes, *left.refused, *colleagues])


def _reads(batch: UnsubscribeBatch) -> dict[str, Statement]:
    followed = _followed(batch)
    return {**batch.locks(), **followed.locks(), **batch.reads(), **followed.reads()}


def _followed(batch: UnsubscribeBatch) -> Followed:
    return Followed(MailNames(), (batch.names, ()))


def redact(body: str, person: Person) -> str | None:
    """All or nothing."""
    return emptied(body, person)


UNSUBSCRIBE = Source(NAME, receive, parse, reads, decide, redact)

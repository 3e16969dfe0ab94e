"""The page behind a mail's link to unsubscribe, let in by the token of the mail in its path.

What is kept is the request in our own words, since a form says too little. It has the token and no address, so there
is nobody to redact in it; were there an address, it would go as a whole.
"""

from collections.abc import Callable
from datetime import datetime
from urllib.parse import parse_qs

from crm_relay.campaigns.engine.stop import stop_for_address
from crm_relay.consent.person import Person
from crm_relay.mail.feedback.unsubscribe import Reader, UnsubscribeRequest, may_be_token, unsubscribe
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import RejectedInput, TransientError
from crm_relay.webhooks.models import Delivered, DeliveryOutcome
from crm_relay.webhooks.redact import emptied
from crm_relay.webhooks.source import Received, StepwiseSource, WebhookRequest, nothing_new

NAME = "unsubscribe"

FindReader = Callable[[str], Reader | None]
"""Who has that token; None: nobody. TransientError: that cannot be known now."""


def receive(request: WebhookRequest, find_reader: FindReader, now: datetime) -> Received[UnsubscribeRequest]:
    """RejectedInput: 404 for a token that nobody has.

    While that cannot be known, a token of our form is let in: no wish to leave is lost, and whether anybody has it is
    found out when it is applied. Whatever a form says that is not the topic's button means everything.
    """
    token = request.path_parameters.get("token", "")
    reader = _reader(token, find_reader)
    only_topic = parse_qs(request.body.decode(errors="replace")).get("scope") == ["topic"]
    wanted = UnsubscribeRequest(token, only_topic, now, reader)
    return Received(Delivered(NAME, wanted.to_body(), now), wanted)


def _reader(token: str, find_reader: FindReader) -> Reader | None:
    try:
        reader = find_reader(token)
    except TransientError:
        if may_be_token(token):
            return None
        raise RejectedInput("unknown token", status=404) from None
    if reader is None:
        raise RejectedInput("unknown token", status=404)
    return reader


def parse(delivered: Delivered) -> UnsubscribeRequest:
    """RejectedInput for what is no kept request."""
    return UnsubscribeRequest.from_body(delivered.body)


def apply(transaction: Queryable, _delivered: Delivered, wanted: UnsubscribeRequest) -> DeliveryOutcome:
    """To the ledger, the mail, the sequences and the queue."""
    return unsubscribe(transaction, wanted, stop=stop_for_address)


def redact(body: str, person: Person) -> str | None:
    """All or nothing."""
    return emptied(body, person)


UNSUBSCRIBE = StepwiseSource(NAME, receive, parse, apply, nothing_new, redact)

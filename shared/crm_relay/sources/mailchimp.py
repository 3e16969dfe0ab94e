"""Mailchimp: who left an audience or changed there, let in by the token of a connection in the path.

A delivery is a form about one member, so it is redacted as a whole. It is filed under the id of its connection.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from crm_relay.connections.audiences.deliveries import decide_batch, reads_of
from crm_relay.consent.address import normalise
from crm_relay.consent.person import Person
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.logging import count_metric
from crm_relay.providers.mailchimp import webhook
from crm_relay.providers.mailchimp.webhook import AudienceEvent
from crm_relay.webhooks.models import Delivered
from crm_relay.webhooks.people.redact import emptied
from crm_relay.webhooks.source import Received, Source, WebhookRequest

NAME = "mailchimp"


@dataclass(frozen=True)
class MailchimpKeys:
    """What makes the tokens in paths, and what Mailchimp signs with; without the first every call is refused."""

    links: Sequence[str]
    signing: Sequence[str] = ()


def ensure_known(request: WebhookRequest, keys: MailchimpKeys) -> str:
    """The id of the connection. Raises RejectedInput with 401; nothing is asked of anybody, and no body is read."""
    connection = webhook.connection_of(request.path_parameters.get("token", ""), keys.links)
    if connection is None:
        count_metric("RejectedCalls", source=NAME)
        raise RejectedInput("unknown token", status=401)
    return str(connection)


def receive(request: WebhookRequest, keys: MailchimpKeys, now: datetime) -> Received[AudienceEvent]:
    """RejectedInput: 401 without a good token and, where it is agreed, a good signature; 400 without meaning."""
    connection = ensure_known(request, keys)
    webhook.ensure_signed(request.body, request.headers, keys.signing, now)
    delivered = Delivered(NAME, request.body, now, request.headers, workspace_name=connection)
    return Received(delivered, parse(delivered))


def parse(delivered: Delivered) -> AudienceEvent:
    """RejectedInput for a body without meaning."""
    return webhook.parse(delivered.body, now=delivered.received_at)


def redact(body: str, person: Person) -> str | None:
    """All or nothing. A contact's id is Mautic's: the same number is another person here."""
    return emptied(body, replace(person, contact_ids=frozenset()))


def _addresses(event: AudienceEvent) -> frozenset[str]:
    address = normalise(event.address or "")
    return frozenset() if address is None else frozenset({address})


MAILCHIMP = Source(NAME, receive, parse, reads_of, decide_batch, redact, _addresses)

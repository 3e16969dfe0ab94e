"""Resend's REST API in verbs of ours: send a batch, read a received mail's headers, and see to the webhook."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from crm_relay.platform.errors import NoAnswer, NotConnected, RejectedInput, ServerFailed
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.answers import EmailAnswer, Later, RefusedWhole, Unclear
from crm_relay.providers.email_events import ReceivedMail
from crm_relay.providers.resend import wire
from crm_relay.providers.resend.api import RateLimit, ResendApi
from crm_relay.providers.resend.batch_answer import read_batch_answer
from crm_relay.providers.resend.mapping import received_mail
from crm_relay.providers.resend.sent_mail import find_sent

_KEY = re.compile(r"[!-~]{1,256}")
_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_PAGE = 100


@dataclass(frozen=True)
class EnsuredWebhook:
    """`signing_secret` is told once, when the webhook is made: else None, and never shown. `changed`: by this call."""

    webhook_id: str
    signing_secret: str | None = field(repr=False)
    changed: bool


class Resend:
    """One account by its API key. Sending needs a key that may send; everything else needs one with full access."""

    name = "resend"
    largest_batch = 100
    has_idempotency_key = True

    def __init__(self, http: HttpClient, api_key: str) -> None:
        self._api = ResendApi(http, api_key)

    @property
    def requests_sent(self) -> int:
        """Requests by this HTTP client."""
        return self._api.http.requests_sent

    @property
    def rate_limit(self) -> RateLimit:
        """As the last answer told it; it is the whole account's, other clients' requests count as well."""
        return self._api.rate_limit

    def send_batch(self, payload: bytes, key: str) -> EmailAnswer:
        """One request with `payload`, a JSON array of 1 to 100 mails, byte by byte as it is. Raises nothing of HTTP.

        Nothing is repeated here. Safe to call again with the same `key` (1 to 256 visible ASCII characters) and the
        same bytes within 24 hours, even at the same moment: nobody gets a second mail. Other bytes need another key.
        """
        mails = _count(payload)
        if not 1 <= mails <= self.largest_batch:
            return RefusedWhole(f"a batch is a JSON array of 1 to {self.largest_batch} mails", retry_payload=mails > 1)
        if not _KEY.fullmatch(key):
            return RefusedWhole("an idempotency key is 1 to 256 visible ASCII characters", retry_payload=False)
        headers = {"Idempotency-Key": key, "x-batch-validation": "permissive"}
        try:
            reply = self._api.exchange("POST", "/emails/batch", payload, headers)
        except NotConnected as error:
            return Later(str(error))
        except NoAnswer as error:
            return Unclear(str(error))
        return read_batch_answer(reply, mails)

    def find_sent(self, payload: bytes, since: datetime) -> list[str | None]:
        """As LooksUpMail. Needs a key with full access: FatalError for one that may only send."""
        return find_sent(self._api, payload, since, _safe)

    def received(self, email_id: str) -> ReceivedMail | None:
        """A received mail without its text; None where there is none. Errors as in HttpClient.send."""
        # Without the parameter every inline image comes along in the text.
        found = self._api.call(
            wire.ReceivedEmail, "GET", f"/emails/receiving/{_safe(email_id)}", query={"html_format": "cid"}
        )
        return None if found is None else received_mail(email_id, found)

    def ensure_webhook(self, url: str, events: Sequence[str]) -> EnsuredWebhook:
        """Sees to it that `url` is told of just these events. Safe to call twice; errors as in HttpClient.send."""
        known = next((hook for hook in self._webhooks() if hook.endpoint == url), None)
        if known is None:
            made = self._api.call(
                wire.ResendWebhookAnswer, "POST", "/webhooks", json_body={"endpoint": url, "events": list(events)}
            )
            return EnsuredWebhook(_required(made).id, _required(made).signing_secret, changed=True)
        if known.status != "disabled" and set(known.events) == set(events):
            return EnsuredWebhook(known.id, None, changed=False)
        wanted = {"endpoint": url, "events": list(events), "status": "enabled"}
        _required(self._api.call(wire.ResendWebhookAnswer, "PATCH", f"/webhooks/{_safe(known.id)}", json_body=wanted))
        return EnsuredWebhook(known.id, None, changed=True)

    def webhook_addresses(self) -> list[str]:
        """Where the account's webhooks lead; only a key with full access may ask. Errors as in HttpClient.send."""
        return [hook.endpoint for hook in self._webhooks()]

    def _webhooks(self) -> list[wire.ResendWebhookWire]:
        hooks: list[wire.ResendWebhookWire] = []
        query = {"limit": str(_PAGE)}
        while True:
            page = _required(self._api.call(wire.ResendWebhookList, "GET", "/webhooks", query=query))
            hooks += page.data
            if not page.has_more or not page.data:
                return hooks
            query = {"limit": str(_PAGE), "after": page.data[-1].id}


def _required(found: wire.W | None) -> wire.W:
    if found is None:
        raise ServerFailed("Resend does not know /webhooks, or the webhook has just been deleted")
    return found


def _safe(email_id: str) -> str:
    """An id that can stand in a path: it came from outside."""
    if not _ID.fullmatch(email_id):
        raise RejectedInput("an id of Resend's has another form")
    return email_id


def _count(payload: bytes) -> int:
    try:
        mails = json.loads(payload)
    except (ValueError, RecursionError):
        return 0
    return len(mails) if isinstance(mails, list) else 0

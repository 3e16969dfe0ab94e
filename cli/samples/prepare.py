"""Makes a sample event good for the settings in force: signed, dated, with tokens and queues that exist."""

import base64
import copy
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal

from cli.samples.sample_deliveries import SAMPLE_CONNECTION, SIGNERS, SampleRequest, SigningSettings
from crm_relay.platform.errors import FatalError
from crm_relay.providers.mailchimp.webhook import webhook_token
from local.simulated import SAMPLE_TOKEN

LinkKind = Literal["unsubscribe", "approvals", "oauth"]
"""What a link leads to: the token of each is found in the database alone."""

FindLink = Callable[[LinkKind], str]

_SAMPLE_MAILCHIMP_KEY = "sample-webhook-key-of-32-letters!"
_SAMPLE_ADMIN_TOKEN = "Bearer local-admin-token-of-32-characters"
_SAMPLE_LINKS: Mapping[str, LinkKind] = {
    "sample-unsubscribe-token-0000001": "unsubscribe",
    "sample-approval-token-00000000001": "approvals",
    "sample-ticket-000000000000000000000000000001": "oauth",
}
_LINK_METHODS = frozenset({"GET", "HEAD", "POST"})


class SampleSettings(SigningSettings):
    """What else a sample has of an installation: the token of its API, and the addresses of its queues."""

    admin_token: str | None = None
    deferred_queue_url: str | None = None
    continue_queue_url: str | None = None
    notification_queue_url: str | None = None
    workflow_queue_url: str | None = None

    @property
    def queues(self) -> dict[str, str]:
        """The name of a queue in the samples -> its name in this installation."""
        urls = {
            "deferred-queue": self.deferred_queue_url,
            "continue-queue": self.continue_queue_url,
            "notification-queue": self.notification_queue_url,
            "workflow-queue": self.workflow_queue_url,
        }
        return {f"crm-relay-local-{name}": url.rpartition("/")[2] for name, url in urls.items() if url}


def prepare_sample(
    event: Mapping[str, Any], settings: SampleSettings, now: datetime, find_link: FindLink
) -> dict[str, Any]:
    """A copy of a file of `events/`. What is wrong on purpose in a case (no signature, a wrong token) stays wrong.

    Raises FatalError where a setting is missing by which it would be signed.
    """
    made = copy.deepcopy(dict(event))
    if "requestContext" in made:
        _date(made, now)
        _authorize(made, settings)
        _sign(made, settings, now)
        _fill_in_link(made, find_link)
    for record in made.get("Records", []):
        _name_queue(record, settings.queues)
    return made


def _date(event: dict[str, Any], now: datetime) -> None:
    context = event["requestContext"]
    context["timeEpoch"] = int(now.timestamp() * 1000)
    context["time"] = f"{now:%d/%b/%Y:%H:%M:%S} +0000"


def _authorize(event: dict[str, Any], settings: SampleSettings) -> None:
    if event["headers"].get("authorization") != _SAMPLE_ADMIN_TOKEN:
        return
    if settings.admin_token is None:
        raise FatalError("settings: ADMIN_TOKEN: is not set")
    event["headers"]["authorization"] = f"Bearer {settings.admin_token}"


def _sign(event: dict[str, Any], settings: SampleSettings, now: datetime) -> None:
    source = _source_to_sign(event, settings)
    if source is None:
        return
    signed = SIGNERS[source].sign(_body(event), settings, now, None)
    _put(event, signed)


def _source_to_sign(event: Mapping[str, Any], settings: SampleSettings) -> str | None:
    """None: the case has no signature, or a wrong token, on purpose, or what it has is good as it is."""
    headers, token = event["headers"], _token(event)
    if "webhook-signature" in headers:
        return "mautic"
    if "svix-signature" in headers:
        return "resend"
    if token == SAMPLE_TOKEN and not _knows_sample_token(settings, token):
        return "bison"
    return "mailchimp" if token == webhook_token(SAMPLE_CONNECTION, [_SAMPLE_MAILCHIMP_KEY]) else None


def _knows_sample_token(settings: SampleSettings, token: str) -> bool:
    return any(each.token == token for tokens in settings.bison_webhook_tokens.values() for each in tokens)


def _put(event: dict[str, Any], signed: SampleRequest) -> None:
    if "body" in event and signed.body != _body(event):
        event["body"] = signed.body.decode()
        event["isBase64Encoded"] = False
        event["headers"]["content-length"] = str(len(signed.body))
    given = event["headers"].get("content-type")
    event["headers"].update(signed.headers, **({"content-type": given} if given else {}))
    if token := _token(event):
        _replace_token(event, token, signed.path.rpartition("/")[2])


def _fill_in_link(event: dict[str, Any], find_link: FindLink) -> None:
    kind = next((kind for token, kind in _SAMPLE_LINKS.items() if token in json.dumps(event)), None)
    if kind is None or event["requestContext"]["http"]["method"] not in _LINK_METHODS:
        return
    sample = next(token for token, each in _SAMPLE_LINKS.items() if each == kind)
    _replace_token(event, sample, find_link(kind))


def _replace_token(event: dict[str, Any], old: str, new: str) -> None:
    """Wherever a path or a query string has it."""
    replaced = json.loads(json.dumps(event).replace(json.dumps(old)[1:-1], json.dumps(new)[1:-1]))
    event.clear()
    event.update(replaced)


def _name_queue(record: dict[str, Any], queues: Mapping[str, str]) -> None:
    arn, _, name = str(record.get("eventSourceARN", "")).rpartition(":")
    if name in queues:
        record["eventSourceARN"] = f"{arn}:{queues[name]}"


def _token(event: Mapping[str, Any]) -> str:
    return str((event.get("pathParameters") or {}).get("token", ""))


def _body(event: Mapping[str, Any]) -> bytes:
    body = str(event.get("body") or "")
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()

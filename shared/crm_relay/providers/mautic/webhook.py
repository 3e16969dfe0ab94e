"""Deliveries of Mautic's webhook: verified over the bytes that came, then read.

https://docs.mautic.org/en/5.x/configuration/webhooks.html - there is no delivery id and no signed time, so a recorded
delivery can be sent again by anyone who saw it; the identity of each event makes that harmless.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import ValidationError

from crm_relay.platform.errors import IgnoredInput, RejectedInput
from crm_relay.platform.http.untrusted_json import read_json_object
from crm_relay.providers.mautic.events import MauticDelivery, MauticEvent
from crm_relay.providers.mautic.mapping_webhook import READERS, WebhookItem
from crm_relay.providers.mautic.vocabulary import IGNORED_EVENTS
from crm_relay.providers.mautic.wire_webhook import MauticEnvelope, of_one_or_many

_BASE64_LENGTH, _HEX_LENGTH = 44, 64  # of 32 bytes


class _Signatures(NamedTuple):
    """Mautic's own header, and the one that the integration's design document expects; empty where one is missing."""

    base64: bytes
    hex: bytes


def receive(body: bytes, headers: Mapping[str, str], *, secrets: Sequence[str], now: datetime) -> MauticDelivery:
    """The events of a delivery that carries a valid signature; header names lower-case.

    Raises RejectedInput: 401 where the signature is missing or wrong or no secret is configured, else 400.
    """
    ensure_signed(headers, secrets)
    _verify(body, headers, secrets)
    return parse(body, now=now)


def ensure_signed(headers: Mapping[str, str], secrets: Sequence[str]) -> None:
    """Whether it is worth to read the body: a secret is configured, and something that may be a signature came along.

    Raises RejectedInput with 401.
    """
    if not any(secrets):
        raise RejectedInput("no webhook secret is configured", status=401)
    given = _signatures(headers)
    if len(given.base64) != _BASE64_LENGTH and len(given.hex) != _HEX_LENGTH:
        raise RejectedInput("invalid signature", status=401)


def parse(body: bytes, *, now: datetime) -> MauticDelivery:
    """The events of a delivery that was verified before, such as a deferred one. Raises RejectedInput with 400.

    An event that cannot be read does not take the others with it: Mautic never sends a refused delivery again, and an
    unsubscribe may stand beside it. Only where nothing could be read the delivery is refused.
    """
    content = read_json_object(body)
    delivered_at = _top_timestamp(content)
    outcomes = [
        _read(name, raw, delivered_at, now)
        for name, value in content.items()
        if name != "timestamp"
        for raw in of_one_or_many(value)
    ]
    events = {outcome.key: outcome for outcome in outcomes if isinstance(outcome, MauticEvent)}
    problems = [outcome for outcome in outcomes if isinstance(outcome, ValidationError)]
    if problems and len(problems) == len(outcomes):
        raise RejectedInput("the delivery cannot be read", details=_details(problems))
    return MauticDelivery(
        events=tuple(events.values()),
        repeated=sum(isinstance(outcome, MauticEvent) for outcome in outcomes) - len(events),
        ignored=sum(isinstance(outcome, IgnoredInput) for outcome in outcomes),
        unknown=outcomes.count(None),
        unreadable=len(problems),
    )


def _read(
    name: str, raw: Any, delivered_at: datetime | None, now: datetime
) -> MauticEvent | IgnoredInput | ValidationError | None:
    """What became of one event; None for a name that nobody knows."""
    if name in IGNORED_EVENTS:
        return IgnoredInput(IGNORED_EVENTS[name])
    reader = READERS.get(name)
    if reader is None:
        return None
    try:
        return reader(WebhookItem(raw, delivered_at, now))
    except (IgnoredInput, ValidationError) as outcome:
        return outcome


def _verify(body: bytes, headers: Mapping[str, str], secrets: Sequence[str]) -> None:
    digests = [hmac.new(secret.encode(), body, hashlib.sha256).digest() for secret in secrets if secret]
    given = _signatures(headers)
    # Every comparison is made, whatever the others said.
    results = [hmac.compare_digest(base64.b64encode(digest), given.base64) for digest in digests]
    results += [hmac.compare_digest(digest.hex().encode(), given.hex) for digest in digests]
    if not any(results):
        raise RejectedInput("invalid signature", status=401)


def _signatures(headers: Mapping[str, str]) -> _Signatures:
    base64_given = headers.get("webhook-signature", "").strip().encode(errors="replace")
    hex_given = headers.get("x-mautic-signature", "").strip().encode(errors="replace")
    return _Signatures(base64_given, hex_given)


def _top_timestamp(content: Mapping[str, Any]) -> datetime | None:
    try:
        return MauticEnvelope.model_validate(content).timestamp
    except ValidationError:
        raise RejectedInput("the delivery cannot be read", details=["timestamp: not a date"]) from None


def _details(problems: Sequence[ValidationError]) -> list[str]:
    """Where and which rule, for the first few; never a value."""
    first = [error for problem in problems for error in problem.errors(include_input=False, include_url=False)][:5]
    return [f"{'.'.join(str(step) for step in error['loc'])}: {error['msg']}" for error in first]

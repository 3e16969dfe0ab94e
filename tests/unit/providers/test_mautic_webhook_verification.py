"""Nobody reads an unverified delivery."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from crm_relay.platform.errors import RejectedInput
from crm_relay.providers.mautic import webhook
from tests.support.customers.mautic_hooks import SECRET, Hook, all_recorded, recorded, sign

NOW = datetime(2026, 11, 20, 13, tzinfo=UTC)
BODY = b'{"timestamp":"2026-11-20T12:25:53+00:00"}'
DIGEST = hmac.new(SECRET.encode(), BODY, hashlib.sha256).digest()


def _refused(body: bytes, headers: Mapping[str, str], *secrets: str) -> RejectedInput:
    with pytest.raises(RejectedInput) as refusal:
        webhook.receive(body, headers, secrets=secrets, now=NOW)
    return refusal.value


@pytest.mark.parametrize("hook", [each for each in all_recorded() if each.is_signed_for_us], ids=lambda each: each.name)
def test_a_recorded_delivery_is_accepted_by_the_signature_that_mautic_gave_it(hook: Hook) -> None:
    webhook.receive(hook.body, hook.headers, secrets=[SECRET], now=NOW)


def test_the_signature_that_the_document_describes_is_accepted_as_well() -> None:
    webhook.receive(BODY, {"x-mautic-signature": DIGEST.hex()}, secrets=[SECRET], now=NOW)


@pytest.mark.parametrize("secrets", [(SECRET,), ("new", SECRET), (SECRET, "new"), ("", SECRET)])
def test_any_of_several_secrets_will_do_while_one_is_being_replaced(secrets: tuple[str, ...]) -> None:
    webhook.receive(BODY, sign(BODY), secrets=secrets, now=NOW)


@pytest.mark.parametrize("secrets", [(), ("",), ("", "")])
def test_without_a_secret_everything_is_refused(secrets: tuple[str, ...]) -> None:
    with_empty_secret = sign(BODY, "")
    refusal = _refused(BODY, with_empty_secret, *secrets)
    assert (refusal.status, refusal.message) == (401, "no webhook secret is configured")
    assert _refused(BODY, {}, *secrets).status == 401


WRONG = {
    "no header": {},
    "an empty header": {"webhook-signature": ""},
    "both empty": {"webhook-signature": "", "x-mautic-signature": ""},
    "hex where base64 belongs": {"webhook-signature": DIGEST.hex()},
    "base64 where hex belongs": {"x-mautic-signature": base64.b64encode(DIGEST).decode()},
    "base64 without padding": {"webhook-signature": base64.b64encode(DIGEST).decode().rstrip("=")},
    "base64 for URLs of other bytes": {"webhook-signature": base64.urlsafe_b64encode(DIGEST[::-1]).decode()},
    "the first half": {"x-mautic-signature": DIGEST.hex()[:32]},
    "twice in one header": {"webhook-signature": ", ".join([base64.b64encode(DIGEST).decode()] * 2)},
    "not ASCII": {"webhook-signature": "ß" * 44},
    "a lone surrogate": {"webhook-signature": "\ud800" * 44},
    "another algorithm": {"x-mautic-signature": hmac.new(SECRET.encode(), BODY, hashlib.sha512).hexdigest()},
    "a hash without the secret": {"x-mautic-signature": hashlib.sha256(BODY).hexdigest()},
    "another secret's": sign(BODY, "removed-secret"),
}


@pytest.mark.parametrize("headers", WRONG.values(), ids=WRONG.keys())
def test_a_missing_or_wrong_signature_is_refused(headers: dict[str, str]) -> None:
    refusal = _refused(BODY, headers, SECRET, "new")
    assert (refusal.status, refusal.message) == (401, "invalid signature")


def test_a_secret_that_was_taken_away_opens_nothing_any_more() -> None:
    webhook.receive(BODY, sign(BODY, "old"), secrets=["old", "new"], now=NOW)
    assert _refused(BODY, sign(BODY, "old"), "new").status == 401


@pytest.mark.parametrize("position", [0, 1, 4000, -1])
def test_one_changed_bit_in_the_body_is_noticed(position: int) -> None:
    hook = recorded("97_hook_unsubscribe_get__lead_channel_subscription_changed")
    tampered = bytearray(hook.body)
    tampered[position] ^= 1
    assert _refused(bytes(tampered), hook.headers, SECRET).status == 401


def test_the_bytes_that_came_are_verified_not_what_they_mean() -> None:
    hook = recorded("97_hook_click__page_on_hit")
    assert rb"\/" in hook.body
    assert _refused(hook.body.replace(rb"\/", b"/"), hook.headers, SECRET).status == 401


def test_an_unverified_body_is_not_even_read() -> None:
    assert _refused(b"\xff not JSON", {}, SECRET).status == 401

"""Nobody reads an unverified delivery of Resend's, and none that was signed long ago."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_relay.platform.errors import RejectedInput
from crm_relay.providers.email_events import MailEvent
from crm_relay.providers.resend import webhook
from tests.support.mail.resend_events import NOW, SECRET, encoded, headers, mail_event, signature

BODY = encoded(mail_event("email.delivered"))
OTHER = "whsec_" + base64.b64encode(b"another secret of 24 byte").decode()

# The worked example of Svix's documentation, https://docs.svix.com/receiving/verifying-payloads/how
VECTOR_BODY = b'{"test": 2432232314}'
VECTOR_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VECTOR_HEADERS = {
    "svix-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "svix-timestamp": "1614265330",
    "svix-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
VECTOR_NOW = datetime.fromtimestamp(1614265330, UTC)


def _refused(given: Mapping[str, str], body: bytes = BODY, *secrets: str, now: datetime = NOW) -> RejectedInput:
    with pytest.raises(RejectedInput) as refusal:
        webhook.verify(given, body, secrets or (SECRET,), now)
    assert refusal.value.status == 401
    return refusal.value


@pytest.mark.parametrize("secret", [VECTOR_SECRET, VECTOR_SECRET.removeprefix("whsec_"), f" {VECTOR_SECRET}\n"])
def test_the_published_example_is_accepted(secret: str) -> None:
    assert webhook.verify(VECTOR_HEADERS, VECTOR_BODY, [secret], VECTOR_NOW) == "msg_p5jXN8AQM9LWM0D4loKWxJek"


def test_the_bytes_that_came_are_verified_not_what_they_mean() -> None:
    assert (
        _refused(VECTOR_HEADERS, b'{"test":2432232314}', VECTOR_SECRET, now=VECTOR_NOW).message == "invalid signature"
    )


@pytest.mark.parametrize(
    "secrets", [(SECRET,), (OTHER, SECRET), (SECRET, OTHER), ("", SECRET), ("not base64!", SECRET)]
)
def test_any_of_several_secrets_will_do_while_one_is_being_replaced(secrets: tuple[str, ...]) -> None:
    assert webhook.verify(headers(BODY), BODY, secrets, NOW) == "msg_1"


@pytest.mark.parametrize("secrets", [("",), ("", " "), ("whsec_",), ("whsec_not base64!",), ("ü",)])
def test_without_a_usable_secret_everything_is_refused(secrets: tuple[str, ...]) -> None:
    empty = hmac.digest(b"", f"msg_1.{int(NOW.timestamp())}.".encode() + BODY, hashlib.sha256)
    given = {**headers(BODY), "svix-signature": f"v1,{base64.b64encode(empty).decode()}"}
    assert _refused(given, BODY, *secrets).message == "no usable webhook secret is configured"
    with pytest.raises(RejectedInput, match="no usable webhook secret"):
        webhook.verify(given, BODY, [], NOW)


OURS = signature(BODY)
ACCEPTED = {
    "two, the second is ours": f"{signature(BODY, secret=OTHER)} {OURS}",
    "two, the first is ours": f"{OURS} {signature(BODY, secret=OTHER)}",
    "another version first": f"v1a,{'x' * 86}== {OURS}",
    "nonsense between": f"v1, , v2,{OURS[3:]} {OURS}",
    "not ASCII beside": f"v1,ß\ud800 {OURS}",
    "more blanks": f"  {OURS}\t ",
}
REFUSED = {
    "no signature of version 1": f"v1a,{OURS[3:]} v2,{OURS[3:]}",
    "without its version": OURS[3:],
    "another secret's": signature(BODY, secret=OTHER),
    "hex": "v1," + base64.b64decode(OURS[3:]).hex(),
    "the first half": OURS[:20],
    "without padding": OURS.rstrip("="),
    "for URLs": OURS.replace("+", "-").replace("/", "_") + "-",
    "separated by a comma": f"{OURS},{OURS}",
    "not ASCII": "v1," + "ß" * 44,
    "a lone surrogate": "v1," + "\ud800" * 44,
    "a hash without the secret": "v1," + base64.b64encode(hashlib.sha256(BODY).digest()).decode(),
    "empty": "",
    "a version and nothing": "v1,",
}


@pytest.mark.parametrize("header", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_one_signature_of_several_is_enough(header: str) -> None:
    assert webhook.verify({**headers(BODY), "svix-signature": header}, BODY, [SECRET], NOW) == "msg_1"


@pytest.mark.parametrize("header", REFUSED.values(), ids=REFUSED.keys())
def test_a_wrong_signature_is_refused(header: str) -> None:
    _refused({**headers(BODY), "svix-signature": header})


@pytest.mark.parametrize("name", ["svix-id", "svix-timestamp", "svix-signature"])
def test_every_header_has_to_be_there(name: str) -> None:
    given = headers(BODY)
    assert _refused({**given, name: ""}).message == "a header of the signature is missing"
    del given[name]
    assert _refused(given).message == "a header of the signature is missing"


@pytest.mark.parametrize("changed", [{"svix-id": "msg_2"}, {"svix-timestamp": str(int(NOW.timestamp()) + 1)}])
def test_id_and_time_are_signed_too(changed: dict[str, str]) -> None:
    assert _refused({**headers(BODY), **changed}).message == "invalid signature"


@pytest.mark.parametrize(("seconds", "fits"), [(-301, False), (-300, True), (0, True), (300, True), (301, False)])
def test_a_delivery_counts_for_five_minutes_around_its_time(seconds: int, fits: bool) -> None:
    now = NOW + timedelta(seconds=seconds)
    if fits:
        assert webhook.verify(headers(BODY), BODY, [SECRET], now) == "msg_1"
    else:
        assert _refused(headers(BODY), now=now).message == "the signature's time is not now"


@pytest.mark.parametrize("text", ["now", "-1", "1.5e9", "1_795_390_873", "٣", "9" * 400, "2026-11-22T23:41:12Z", " 1"])
def test_a_time_that_is_no_number_of_seconds_is_refused(text: str) -> None:
    assert _refused(headers(BODY, timestamp=text)).message == "the signature's time is not now"


@settings(max_examples=60, deadline=None)
@given(
    body=st.binary(max_size=200),
    svix_id=st.text(st.characters(codec="ascii", min_codepoint=33), min_size=1, max_size=40),
    key=st.binary(min_size=1, max_size=64),
    position=st.integers(min_value=0),
)
def test_whatever_was_signed_is_accepted_and_one_other_bit_is_not(
    body: bytes, svix_id: str, key: bytes, position: int
) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    given = headers(body, secret=secret, svix_id=svix_id)
    assert webhook.verify(given, body, [secret], NOW) == svix_id
    tampered = bytearray(body + b"\0")
    tampered[position % len(tampered)] ^= 1
    _refused(given, bytes(tampered), secret)


def test_an_unverified_body_is_not_even_read() -> None:
    with pytest.raises(RejectedInput) as refusal:
        webhook.receive(b"\xff not JSON", {}, secrets=[SECRET], now=NOW)
    assert refusal.value.status == 401


def test_a_verified_delivery_has_its_id_and_its_event() -> None:
    svix_id, event = webhook.receive(BODY, headers(BODY), secrets=[SECRET], now=NOW)
    assert svix_id == "msg_1"
    assert isinstance(event, MailEvent)
    assert event.kind == "delivered"


def test_no_secret_and_no_signature_is_told() -> None:
    message = repr(_refused({**headers(BODY), "svix-signature": "v1,never-to-be-seen"}))
    assert "never-to-be-seen" not in message
    assert SECRET not in message

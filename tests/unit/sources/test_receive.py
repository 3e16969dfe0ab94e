"""Nothing of a request is parsed before it is verified; where a token comes with it, the body is not even touched."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import pytest

from crm_relay.mail.feedback.unsubscribe import Reader
from crm_relay.mail.link_tokens import new_link_token
from crm_relay.outreach.refuse_call import RefusedCalls
from crm_relay.platform.errors import RejectedInput, TransientError
from crm_relay.providers.bison import webhook as bison_webhook
from crm_relay.providers.bison.tokens import WebhookToken
from crm_relay.providers.mautic import webhook as mautic_webhook
from crm_relay.providers.resend import webhook as resend_webhook
from crm_relay.sources import bison, mautic, resend, unsubscribe
from crm_relay.sources.all_sources import all_sources
from crm_relay.sources.mailchimp import MailchimpKeys
from tests.support.customers.mautic_hooks import delivery, opened
from tests.support.mail.resend_webhook_function import SECRET, mail_event

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
TOKEN = "northwind-token-0001-of-32-letters"


@dataclass(frozen=True)
class Request:
    """As the edge hands it on."""

    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    path_parameters: Mapping[str, str] = field(default_factory=dict)


class BodyTouched(Exception):
    """Somebody looked."""


class Sealed(Request):
    """Of which the body may not be touched."""

    @property
    def body(self) -> NoReturn:
        raise BodyTouched

    @body.setter
    def body(self, _body: bytes) -> None: ...


class NoDatabase:
    """Counts the statements and runs none."""

    statements = 0

    def run(self, *_: Any, **__: Any) -> NoReturn:
        self.statements += 1
        raise TransientError("away")


def keys(*, tokens: Mapping[str, Any] | None = None) -> bison.BisonKeys:
    known = {"Northwind": (WebhookToken(TOKEN),)} if tokens is None else tokens
    return bison.BisonKeys(known, NoDatabase(), RefusedCalls())


def sealed(token: str) -> Request:
    return Sealed(path_parameters={"token": token})


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1]])
@pytest.mark.parametrize(
    "tokens", [None, {}, {"Northwind": ()}, {"Northwind": (WebhookToken(TOKEN, NOW.replace(day=29)),)}]
)
def test_emailbisons_token_is_checked_before_the_body_is_touched(token: str, tokens: Mapping[str, Any] | None) -> None:
    given = keys(tokens=tokens)
    with pytest.raises(RejectedInput) as refused:
        bison.receive(sealed(token), given, NOW)
    assert (refused.value.status, given.db.statements) == (401, 1)  # type: ignore[attr-defined]


def test_a_retired_token_opens_nothing() -> None:
    with pytest.raises(RejectedInput):
        bison.receive(sealed(TOKEN), keys(tokens={"N": (WebhookToken(TOKEN, NOW.replace(day=29)),)}), NOW)


def test_behind_a_good_token_the_body_is_read() -> None:
    with pytest.raises(BodyTouched):
        bison.receive(sealed(TOKEN), keys(), NOW)


def away(_token: str) -> Reader | None:
    raise TransientError("away")


def links(find_reader: unsubscribe.FindReader, *signed_with: str) -> unsubscribe.LinkKeys:
    return unsubscribe.LinkKeys(signed_with, find_reader)


@pytest.mark.parametrize(("token", "find_reader"), [("some-token", lambda _token: None), ("no token", away)])
def test_a_readers_token_is_checked_before_the_form_is_touched(token: str, find_reader: unsubscribe.FindReader) -> None:
    with pytest.raises(RejectedInput) as refused:
        unsubscribe.receive(sealed(token), links(find_reader), NOW)
    assert refused.value.status == 404


def test_a_readers_form_is_read_where_the_token_may_be_theirs() -> None:
    request = Request(b"scope=topic", path_parameters={"token": "some-token"})
    received = unsubscribe.receive(request, links(away), NOW)
    assert (received.parsed.only_topic, received.parsed.reader) == (True, None)
    assert unsubscribe.parse(received.delivered) == received.parsed


ADA = Reader("Example", "a•••@e•••.com", None, is_out=False, is_out_of_topic=False)


def sealed_but_for_its_form(token: str) -> Request:
    return Request(b"", path_parameters={"token": token})


def spent(asked: list[str], readers: Mapping[str, Reader], *signed_with: str) -> unsubscribe.LinkKeys:
    """After strangers have tried as many links as may be looked up within a minute."""

    def find_reader(token: str) -> Reader | None:
        asked.append(token)
        return readers.get(token)

    keys = links(find_reader, *signed_with)
    for number in range(100):
        with suppress(TransientError):
            keys.reader(f"stranger-{number}", NOW)
    return keys


def test_strangers_links_are_looked_up_within_a_budget_that_readers_do_not_spend() -> None:
    asked: list[str] = []
    keys = links(lambda token: asked.append(token) or ADA)  # type: ignore[func-returns-value]
    assert {keys.reader(f"reader-{number}", NOW) for number in range(100)} == {ADA}
    assert len(asked) == 100
    asked.clear()
    spent(asked, {})
    assert len(asked) == 30


def test_while_strangers_try_links_a_signed_one_is_looked_up_and_another_is_let_in_unseen() -> None:
    asked: list[str] = []
    ours, older = new_link_token(["the key of the links"]), "a-link-of-before-the-key"
    keys = spent(asked, {ours: ADA, older: ADA}, "a newer key of the links", "the key of the links")
    before = len(asked)
    assert keys.reader(ours, NOW) == ADA
    with pytest.raises(TransientError):
        keys.reader(older, NOW)
    kept = unsubscribe.receive(sealed_but_for_its_form(older), keys, NOW)
    assert (kept.parsed.token, kept.parsed.reader) == (older, None)
    assert asked[before:] == [ours]
    for _ in range(29):
        assert unsubscribe.receive(sealed_but_for_its_form(older), keys, NOW).parsed.reader is None
    with pytest.raises(unsubscribe.TooManyUnknown):
        unsubscribe.receive(sealed(older), keys, NOW)
    assert asked[before:] == [ours]
    assert unsubscribe.receive(sealed_but_for_its_form(ours), keys, NOW).parsed.reader == ADA
    assert keys.reader(older, NOW + timedelta(minutes=1)) == ADA


def test_every_source_says_here_how_a_stranger_is_refused_before_the_body_is_touched() -> None:
    """A new source needs a line: whom it lets in is known from the head of a request, or the body has a signature."""
    strangers: Mapping[str, Any] = {
        "bison": keys(),
        "mailchimp": MailchimpKeys(["a secret of 16 or more"]),
        "mautic": ["a secret of 16 or more"],
        "resend": [SECRET],
        "unsubscribe": links(lambda _token: None),
    }
    found = all_sources("")
    assert strangers.keys() == found.keys()
    for name, source in found.items():
        for token in ("stranger", ""):
            with pytest.raises(RejectedInput) as refused:
                source.receive(sealed(token), strangers[name], NOW)
            assert refused.value.status in {401, 404}, name


def signed_by_mautic(body: bytes, secret: str) -> dict[str, str]:
    return {"webhook-signature": base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()}


def signed_by_resend(body: bytes, secret: str) -> dict[str, str]:
    stamp, key = str(int(NOW.timestamp())), base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, b".".join((b"msg_1", stamp.encode(), body)), hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"svix-id": "msg_1", "svix-timestamp": stamp, "svix-signature": signature}


SIGNED = [
    pytest.param(mautic, mautic_webhook, signed_by_mautic, delivery(email_on_open=[opened()]), id="mautic"),
    pytest.param(resend, resend_webhook, signed_by_resend, mail_event("opened"), id="resend"),
]


@pytest.mark.parametrize(("source", "provider", "sign", "body"), SIGNED)
def test_a_signed_body_is_parsed_only_once_its_signature_is_good(
    source: Any, provider: Any, sign: Any, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, parsed = provider.read_json_object, list[bytes]()

    def noting(content: bytes) -> Any:
        parsed.append(content)
        return read(content)

    monkeypatch.setattr(provider, "read_json_object", noting)
    headers = sign(body, SECRET)
    for secrets, given in (((), headers), (("",), headers), ((SECRET,), {}), ((SECRET,), sign(body + b" ", SECRET))):
        with pytest.raises(RejectedInput) as refused:
            source.receive(Request(body, given), secrets, NOW)
        assert (refused.value.status, parsed) == (401, [])
    received = source.receive(Request(body, headers), (SECRET,), NOW)
    assert parsed == [body]
    assert source.parse(received.delivered) == received.parsed


def test_a_refused_body_of_emailbison_is_never_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[bytes] = []
    monkeypatch.setattr(bison_webhook, "read_json_object", parsed.append)
    with pytest.raises(RejectedInput):
        bison.receive(Request(b"{}", path_parameters={"token": "wrong"}), keys(), NOW)
    assert parsed == []

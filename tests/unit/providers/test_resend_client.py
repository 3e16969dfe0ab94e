"""What is asked of Resend's API, and what each of its answers means, over real HTTP."""

import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from crm_relay.platform.errors import FatalError, NotConnected, RateLimited, RejectedInput, ServerFailed
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.answers import (
    Accepted,
    ConfigurationWrong,
    EmailAnswer,
    KeyMisused,
    Later,
    QuotaExhausted,
    RefusedWhole,
    Unclear,
)
from crm_relay.providers.resend.api import RateLimit
from crm_relay.providers.resend.client import EnsuredWebhook, Resend
from tests.support.platform.canned_server import Canned, CannedServer, canned_server
from tests.support.platform.certificates import make_server_certificate

KEY = "re_never-to-be-seen"
# Not as json.dumps would write it.
PAYLOAD = b'[ {"to":["rosa@x.example"]},\n{"to":"b@x.example","subject":"\\u00fc"},{"to":["c@x.example"]} ]'
EMAIL_ID = "4ef9a417-02e9-4d39-ad75-9611e0fcc33c"
URL = "https://crm.example.com/webhooks/resend"


@pytest.fixture
def server() -> Iterator[CannedServer]:
    with canned_server() as running:
        yield running


@pytest.fixture
def resend(server: CannedServer) -> Resend:
    return Resend(HttpClient(server.url, timeout=(2, 2), repeats=0), KEY)


def error(status: int, name: str, message: str = "no rosa@x.example", **headers: str) -> Canned:
    return Canned({"statusCode": status, "name": name, "message": message}, status, headers)


# --- sending ----------------------------------------------------------------------------------------------------------


def test_a_batch_travels_byte_by_byte_as_it_is(server: CannedServer, resend: Resend) -> None:
    server.answer(Canned({"data": [{"id": "a"}, {"id": "b"}, {"id": "c"}]}))
    for _ in range(2):
        assert resend.send_batch(PAYLOAD, "batch/1.2") == Accepted(("a", "b", "c"))
    for asked in server.asked:
        assert (asked.method, asked.target, asked.body) == ("POST", "/emails/batch", PAYLOAD)
        assert asked.headers["Authorization"] == f"Bearer {KEY}"
        assert asked.headers["Idempotency-Key"] == "batch/1.2"
        assert asked.headers["x-batch-validation"] == "permissive"
        assert asked.headers["Content-Type"] == "application/json"
        assert asked.headers["User-Agent"].startswith("crm-relay/")
    assert resend.requests_sent == 2


MISSING = "The `to` field is missing."
NO_BATCH: list[Any] = [None, "<html>hello</html>", '{"data": [{"id"', [], {}, {"data": "x"}, {"data": [1, 2, 3]}]
ANSWERS: list[tuple[Canned, EmailAnswer]] = [
    # One of three is refused: `data` holds the others only, or null in its place.
    (
        Canned({"data": [{"id": "a"}, {"id": "c"}], "errors": [{"index": 1, "message": MISSING}]}),
        Accepted(("a", None, "c"), {1: MISSING}),
    ),
    (
        Canned({"data": [{"id": "a"}, None, {"id": "c"}], "errors": [{"index": 1, "message": MISSING}]}),
        Accepted(("a", None, "c"), {1: MISSING}),
    ),
    (
        Canned({"data": [], "errors": [{"index": each, "message": "rosa@x.example is bad"} for each in range(3)]}),
        Accepted((None, None, None), dict.fromkeys(range(3), "[address] is bad")),
    ),
    (Canned({"data": [{"id": "a"}, {"id": "b"}, {"id": "c"}], "errors": []}), Accepted(("a", "b", "c"))),
    (Canned({"data": ["a", "b", "c"], "errors": None}), Accepted(("a", "b", "c"))),
    # A good status that does not say of each mail what became of it.
    (Canned({"data": [{"id": "a"}, {"id": "c"}]}), Unclear("the answer counts other mails than the batch")),
    (
        Canned({"data": [{"id": "a"}, {"id": "b"}], "errors": [{"index": 7}]}),
        Unclear("the answer does not say of every mail what became of it"),
    ),
    (
        Canned({"data": [{"id": "a"}, {"id": "b"}, {"id": "c"}], "errors": [{"index": 1}]}),
        Unclear("the answer does not say of every mail what became of it"),
    ),
    (
        Canned({"data": [{"id": "a"}, {"id": ""}, {"x": 1}]}),
        Unclear("the answer does not say of every mail what became of it"),
    ),
    *((Canned(body), Unclear("a good status with another body than that of a batch")) for body in NO_BATCH),
    (error(400, "validation_error"), RefusedWhole("400 validation_error: no [address]")),
    (error(422, "missing_required_field", MISSING), RefusedWhole(f"422 missing_required_field: {MISSING}")),
    (Canned("<html>too large</html>", 413), RefusedWhole("413 without a name")),
    (error(400, "invalid_idempotency_key", ""), RefusedWhole("400 invalid_idempotency_key", retry_payload=False)),
    (error(429, "rate_limit_exceeded", "slow", **{"retry-after": "3"}), Later("429 rate_limit_exceeded: slow", 3)),
    (error(429, "rate_limit_exceeded", "", **{"ratelimit-reset": "1"}), Later("429 rate_limit_exceeded", 1)),
    (Canned("<html>slow down</html>", 429, {"Retry-After": "soon"}), Later("429 without a name")),
    (error(429, "daily_quota_exceeded", **{"retry-after": "60"}), QuotaExhausted("day", 60)),
    (error(429, "monthly_quota_exceeded"), QuotaExhausted("month")),
    (error(401, "missing_api_key", ""), ConfigurationWrong("401 missing_api_key")),
    (error(403, "invalid_api_key", ""), ConfigurationWrong("403 invalid_api_key")),
    (
        error(403, "validation_error", "The `x.example` domain is not verified."),
        ConfigurationWrong("403 validation_error: The `x.example` domain is not verified.", of_sender=True),
    ),
    (Canned("error code: 1010", 403), ConfigurationWrong("403 without a name")),
    (error(451, "security_error", ""), ConfigurationWrong("451 security_error")),
    (error(404, "not_found", ""), ConfigurationWrong("404 not_found")),
    (Canned("", 301, {"Location": "https://elsewhere.example.com"}), ConfigurationWrong("301 without a name")),
    (error(409, "invalid_idempotent_request"), KeyMisused()),
    (error(409, "concurrent_idempotent_requests", ""), Unclear("409 concurrent_idempotent_requests")),
    (error(409, "resource_locked", ""), Unclear("409 resource_locked")),
    (error(500, "application_error", ""), Unclear("500 application_error")),
    (error(503, "service_unavailable", ""), Unclear("503 service_unavailable")),
    (Canned("<html>Bad Gateway</html>", 502), Unclear("502 without a name")),
    (Canned("", 408), Unclear("408 without a name")),
    (Canned({"name": "rosa@x.example", "message": ["x"]}, 418), Unclear("418 without a name")),
]


@pytest.mark.parametrize(("canned", "meaning"), ANSWERS, ids=range(len(ANSWERS)))
def test_an_answer_says_what_to_do_next(
    server: CannedServer, resend: Resend, canned: Canned, meaning: EmailAnswer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.answer(canned)
    answered = resend.send_batch(PAYLOAD, "batch-1")
    assert answered == meaning
    assert len(server.asked) == 1
    for secret in (KEY, "rosa@"):
        assert secret not in repr(answered) + caplog.text


def test_a_reason_is_not_longer_than_a_line(server: CannedServer, resend: Resend) -> None:
    server.answer(error(422, "validation_error", "long\n" * 10_000))
    answered = resend.send_batch(PAYLOAD, "batch-1")
    assert isinstance(answered, RefusedWhole)
    assert len(answered.reason) < 250
    assert "\n" not in answered.reason


@pytest.mark.parametrize(
    ("payload", "parts_may_pass"),
    [(b"[]", False), (b"{}", False), (b"[", False), (b"\xff", False), (b"[" + b"{}," * 100 + b"{}]", True)],
)
def test_what_is_no_batch_is_not_even_sent(
    server: CannedServer, resend: Resend, payload: bytes, parts_may_pass: bool
) -> None:
    answered = resend.send_batch(payload, "batch-1")
    assert answered == RefusedWhole("a batch is a JSON array of 1 to 100 mails", retry_payload=parts_may_pass)
    assert server.asked == []


@pytest.mark.parametrize("key", ["", "x" * 257, "a b", "ü", "a\r\nX-Other: b"])
def test_a_key_that_cannot_be_one_is_not_even_sent(server: CannedServer, resend: Resend, key: str) -> None:
    answered = resend.send_batch(PAYLOAD, key)
    assert isinstance(answered, RefusedWhole)
    assert not answered.retry_payload
    assert server.asked == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "https://127.0.0.1:9", "http://nowhere.invalid"])
@pytest.mark.parametrize("repeats", [0, 1])
def test_where_no_connection_was_made_nothing_was_sent(url: str, repeats: int) -> None:
    answered = Resend(HttpClient(url, timeout=(1, 1), repeats=repeats), KEY).send_batch(PAYLOAD, "batch-1")
    assert answered == Later("POST /emails/batch: no connection")


def test_who_cannot_prove_to_be_resend_is_sent_nothing(server: CannedServer, tmp_path: Path) -> None:
    shown = make_server_certificate(tmp_path, address="127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.certificate, shown.key)
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        read = pool.submit(_read_of_one_connection, listener, context)
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        answered = Resend(HttpClient(url, timeout=(2, 2), repeats=0), KEY).send_batch(PAYLOAD, "batch-1")
        assert answered == Later("POST /emails/batch: no connection")
        assert read.result(10) == b""


def _read_of_one_connection(listener: socket.socket, context: ssl.SSLContext) -> bytes:
    connection, _ = listener.accept()
    with connection, contextlib.suppress(OSError):
        return context.wrap_socket(connection, server_side=True).recv(1)
    return b""


def test_the_last_answer_says_how_many_requests_are_left(server: CannedServer, resend: Resend) -> None:
    assert resend.rate_limit == RateLimit(None, None)
    headers = {"ratelimit-limit": "5", "ratelimit-remaining": "4", "ratelimit-reset": "1"}
    server.answer(Canned({"data": []}, 200, headers), Canned({}, 500, {"ratelimit-remaining": "many"}))
    resend.send_batch(PAYLOAD, "batch-1")
    assert resend.rate_limit == RateLimit(4, 1)
    resend.send_batch(PAYLOAD, "batch-1")
    assert resend.rate_limit == RateLimit(None, None)


# --- received mail ----------------------------------------------------------------------------------------------------

MAIL: dict[str, Any] = {
    "object": "email",
    "id": EMAIL_ID,
    "to": ["reply+t0ken@in.acme.example", "Sales <sales@acme.example>"],
    "from": "rosa@customer.example",
    "created_at": "2026-04-03T22:13:42.674Z",
    "subject": "Re: hello",
    "html": "<p>never to be kept</p>",
    "text": "never to be kept",
    "headers": {
        "from": "Rosa <rosa@customer.example>",
        "In-Reply-To": " <2@email.example.com>",
        "references": "<1@email.example.com>\r\n <2@email.example.com> <1@email.example.com>",
        "auto-submitted": "auto-replied",
        "Precedence": "bulk",
        "x-autoreply": "yes",
        "subject": "Re: hello",
    },
    "message_id": "<111@customer.example>",
}


def test_a_received_mail_is_read_without_its_text(server: CannedServer, resend: Resend) -> None:
    server.answer(Canned(MAIL))
    found = resend.received(EMAIL_ID)
    assert server.asked[0].target == f"/emails/receiving/{EMAIL_ID}?html_format=cid"
    assert found is not None
    assert (found.message_id, found.in_reply_to) == ("<111@customer.example>", "<2@email.example.com>")
    assert found.references == ("<1@email.example.com>", "<2@email.example.com>")
    assert found.headers == {"auto-submitted": "auto-replied", "precedence": "bulk", "x-autoreply": "yes"}
    assert (found.from_address, found.subject) == ("rosa@customer.example", "Re: hello")
    assert found.to == ("reply+t0ken@in.acme.example", "sales@acme.example")
    assert "never to be kept" not in repr(found)


@pytest.mark.parametrize("headers", [None, [], "x", {"references": None, "in-reply-to": "no id", "auto-submitted": []}])
def test_a_received_mail_may_say_little(server: CannedServer, resend: Resend, headers: Any) -> None:
    server.answer(Canned({"object": "email", "headers": headers, "to": "rosa"}))
    found = resend.received(EMAIL_ID)
    assert found is not None
    assert (found.in_reply_to, found.references, found.headers, found.to) == (None, (), {}, ())


def test_headers_are_read_as_a_list_too(server: CannedServer, resend: Resend) -> None:
    listed = [
        {"name": "References", "value": ["<1@x.example>", "<2@x.example>"]},
        {"name": "Message-ID", "value": "<3@x>"},
    ]
    server.answer(Canned({**MAIL, "message_id": None, "headers": listed}))
    found = resend.received(EMAIL_ID)
    assert found is not None
    assert (found.references, found.message_id) == (("<1@x.example>", "<2@x.example>"), "<3@x>")


def test_a_mail_that_is_not_there_is_none(server: CannedServer, resend: Resend) -> None:
    server.answer(error(404, "not_found"))
    assert resend.received(EMAIL_ID) is None


@pytest.mark.parametrize("email_id", ["", "../webhooks", "a/b", "a?b", "ü", "x" * 101])
def test_an_id_from_outside_leads_nowhere_else(server: CannedServer, resend: Resend, email_id: str) -> None:
    with pytest.raises(RejectedInput):
        resend.received(email_id)
    assert server.asked == []


# --- errors of everything but sending ---------------------------------------------------------------------------------

CALLS: list[Callable[[Resend], object]] = [
    lambda resend: resend.received(EMAIL_ID),
    lambda resend: resend.ensure_webhook(URL, ["email.sent"]),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("canned", "kind", "message"),
    [
        (error(401, "restricted_api_key"), FatalError, "status 401 restricted_api_key"),
        (error(403, "email_above_quota"), FatalError, "status 403 email_above_quota"),
        (Canned("error code: 1010", 403), FatalError, "status 403"),
        (error(429, "rate_limit_exceeded", **{"retry-after": "7"}), RateLimited, "status 429"),
        (error(422, "invalid_parameter"), RejectedInput, "status 422 invalid_parameter"),
        (error(409, "resource_locked"), ServerFailed, "status 409"),
        (Canned("<html>Bad Gateway</html>", 502), ServerFailed, "status 502"),
        (Canned("<html>hello</html>"), ServerFailed, "not of the form"),
    ],
)
def test_a_status_becomes_the_error_by_what_happens_next(
    server: CannedServer,
    resend: Resend,
    call: Callable[[Resend], object],
    canned: Canned,
    kind: type[Exception],
    message: str,
) -> None:
    server.answer(canned)
    with pytest.raises(kind) as failed:
        call(resend)
    assert message in str(failed.value)
    assert len(server.asked) == 1
    if isinstance(failed.value, RateLimited):
        assert failed.value.retry_after == 7
    for secret in (KEY, "rosa@", URL):
        assert secret not in repr(failed.value)


def test_a_server_that_is_not_there_is_not_connected() -> None:
    with pytest.raises(NotConnected):
        Resend(HttpClient("http://127.0.0.1:9", timeout=(1, 1), repeats=0), KEY).received(EMAIL_ID)


# --- the webhook ------------------------------------------------------------------------------------------------------

HOOK = {"id": "h-1", "endpoint": URL, "events": ["email.sent", "email.bounced"], "status": "enabled"}
OTHER = {**HOOK, "id": "h-0", "endpoint": "https://elsewhere.example.com"}
SECRET = "whsec_never-to-be-seen"


def listed(*hooks: Any, has_more: bool = False) -> Canned:
    return Canned({"object": "list", "has_more": has_more, "data": list(hooks)})


def test_a_webhook_is_made_and_its_secret_is_told_once(server: CannedServer, resend: Resend) -> None:
    server.answer(listed(OTHER), Canned({"object": "webhook", "id": "h-1", "signing_secret": SECRET}, 201))
    made = resend.ensure_webhook(URL, ("email.sent", "email.bounced"))
    assert made == EnsuredWebhook("h-1", SECRET, changed=True)
    assert SECRET not in repr(made)
    assert (server.asked[1].method, server.asked[1].target) == ("POST", "/webhooks")
    assert server.asked[1].json == {"endpoint": URL, "events": ["email.sent", "email.bounced"]}


def test_a_webhook_that_is_there_already_stays(server: CannedServer, resend: Resend) -> None:
    server.answer(listed(OTHER, has_more=True), listed(HOOK))
    assert resend.ensure_webhook(URL, ["email.bounced", "email.sent"]) == EnsuredWebhook("h-1", None, changed=False)
    assert [asked.target for asked in server.asked] == ["/webhooks?limit=100", "/webhooks?limit=100&after=h-0"]


@pytest.mark.parametrize("changed", [{"status": "disabled"}, {"events": ["email.sent"]}])
def test_a_webhook_is_put_right(server: CannedServer, resend: Resend, changed: dict[str, Any]) -> None:
    server.answer(listed({**HOOK, **changed}), Canned({"object": "webhook", "id": "h-1"}))
    assert resend.ensure_webhook(URL, ["email.sent", "email.bounced"]) == EnsuredWebhook("h-1", None, changed=True)
    assert (server.asked[1].method, server.asked[1].target) == ("PATCH", "/webhooks/h-1")
    assert server.asked[1].json == {"endpoint": URL, "events": ["email.sent", "email.bounced"], "status": "enabled"}

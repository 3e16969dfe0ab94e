"""What is asked of Twilio, what its answers mean, and that nothing runs before it is configured."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest

from crm_relay.platform.errors import FatalError, NotConnected, RateLimited, RejectedInput, ServerFailed
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.answers import (
    ConfigurationWrong,
    Later,
    OptedOut,
    Refused,
    Taken,
    TextAnswer,
    Unclear,
)
from crm_relay.providers.twilio.client import Twilio, is_e164, open_twilio
from tests.support.platform.canned_server import Canned, CannedServer, canned_server

ACCOUNT = "AC" + "0" * 32
TOKEN = "never-to-be-seen"
NUMBER = "+15550100000"
TO = "+4915100000000"
SERVICE = "MG" + "1" * 32
SINCE = datetime(2026, 11, 20, 12, 0, 0, 700_000, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[CannedServer]:
    with canned_server() as running:
        yield running


def client(server: CannedServer, sender: str = NUMBER) -> Twilio:
    return Twilio(HttpClient(server.url, timeout=(2, 2), repeats=0), ACCOUNT, TOKEN, sender)


def error(status: int, code: Any, **headers: str) -> Canned:
    return Canned({"code": code, "message": f"no {TO}", "more_info": "", "status": status}, status, headers)


# --- configured or not ------------------------------------------------------------------------------------------------


def test_nothing_runs_before_it_is_configured() -> None:
    assert open_twilio(None, None, None) is None
    assert open_twilio("", "", "") is None
    assert isinstance(open_twilio(ACCOUNT, TOKEN, NUMBER), Twilio)


@pytest.mark.parametrize(
    "settings",
    [
        (ACCOUNT, None, None),
        (ACCOUNT, TOKEN, ""),
        (None, TOKEN, NUMBER),
        ("AC1", TOKEN, NUMBER),
        (ACCOUNT + "/..", TOKEN, NUMBER),
        (ACCOUNT, TOKEN, "015550100000"),
        (ACCOUNT, TOKEN, "MG1"),
    ],
)
def test_half_a_configuration_is_told_without_its_values(settings: tuple[Any, Any, Any]) -> None:
    with pytest.raises(FatalError) as failed:
        open_twilio(*settings)
    assert TOKEN not in str(failed.value)


@pytest.mark.parametrize("number", ["+1555010", "+15550100000", "+999999999999999"])
def test_a_number_with_its_country_is_e164(number: str) -> None:
    assert is_e164(number)


@pytest.mark.parametrize(
    "number",
    [
        "",
        "+",
        "15550100000",
        "+0555010000",
        "+1 555 0100",
        "+1-555-0100",
        "+1555010000000000",
        "+١٢٣٤٥٦٧",
        "+1555010\n",
    ],
)
def test_any_other_number_is_not(number: str) -> None:
    assert not is_e164(number)


# --- sending ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sender", "field"), [(NUMBER, "From"), (SERVICE, "MessagingServiceSid")])
def test_a_message_is_posted_as_a_form(server: CannedServer, sender: str, field: str) -> None:
    server.answer(Canned({"sid": "SM1", "status": "queued", "num_segments": "1"}, 201))
    assert client(server, sender).send(TO, "Grüße & mehr") == Taken("SM1", "queued")
    (asked,) = server.asked
    assert (asked.method, asked.target) == ("POST", f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json")
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert asked.headers["Authorization"].startswith("Basic ")
    assert parse_qs(asked.body.decode()) == {"To": [TO], "Body": ["Grüße & mehr"], field: [sender]}


ANSWERS: list[tuple[Canned, TextAnswer]] = [
    (error(400, 21610), OptedOut()),
    (error(400, 21211), Refused("status 400, code 21211", 21211)),
    (error(400, 21614), Refused("status 400, code 21614", 21614)),
    (error(429, 20429, **{"Retry-After": "4"}), Later("status 429, code 20429", 4)),
    (Canned("slow down", 429, {"Retry-After": "soon"}), Later("status 429, code none")),
    (error(400, 21611), Later("status 400, code 21611")),
    (error(401, 20003), ConfigurationWrong("status 401, code 20003")),
    (error(400, 21659), ConfigurationWrong("status 400, code 21659")),
    (error(400, 21408), ConfigurationWrong("status 400, code 21408")),
    (error(404, 20404), ConfigurationWrong("status 404, code 20404")),
    (Canned("", 301, {"Location": "https://elsewhere.example.com"}), ConfigurationWrong("status 301, code none")),
    (error(500, 20500), Unclear("status 500, code 20500")),
    (Canned("<html>Bad Gateway</html>", 502), Unclear("status 502, code none")),
    (error(400, "21211"), Unclear("status 400, code none")),
    (Canned({"status": "queued"}, 201), Unclear("a good status without a message")),
    (Canned("<html>hello</html>"), Unclear("a good status without a message")),
    (Canned(None), Unclear("a good status without a message")),
]


@pytest.mark.parametrize(("canned", "meaning"), ANSWERS, ids=range(len(ANSWERS)))
def test_an_answer_says_what_to_do_next(
    server: CannedServer, canned: Canned, meaning: TextAnswer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server.answer(canned)
    answered = client(server).send(TO, "Hello")
    assert answered == meaning
    assert len(server.asked) == 1
    for secret in (TO, TOKEN):
        assert secret not in repr(answered) + caplog.text


@pytest.mark.parametrize(("to", "body"), [("0151", "Hello"), (TO, ""), (TO, "x" * 1601)])
def test_what_cannot_be_sent_is_not_even_tried(server: CannedServer, to: str, body: str) -> None:
    assert isinstance(client(server).send(to, body), Refused)
    assert server.asked == []


def test_where_no_connection_was_made_nothing_was_sent() -> None:
    gone = Twilio(HttpClient("http://127.0.0.1:9", timeout=(1, 1), repeats=0), ACCOUNT, TOKEN, NUMBER)
    assert gone.send(TO, "Hello") == Later("no connection")
    with pytest.raises(NotConnected) as failed:
        gone.find(TO, "Hello", SINCE)
    assert ACCOUNT not in str(failed.value)


# --- looking one up ---------------------------------------------------------------------------------------------------


def item(
    sid: str, created: Any = "Fri, 20 Nov 2026 12:00:00 +0000", body: Any = "Hello", **rest: Any
) -> dict[str, Any]:
    return {"sid": sid, "status": "queued", "body": body, "date_created": created, "date_sent": None, **rest}


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        ([item("SM1")], "SM1"),
        ([item("SM1", body="Another"), item("SM2")], "SM2"),
        ([item("SM1", "Fri, 20 Nov 2026 11:59:55 +0000")], None),
        ([item("SM1", "Fri, 20 Nov 2026 14:00:00 +0200")], "SM1"),
        ([item("SM1", "gibberish")], "SM1"),
        ([item("", "Fri, 20 Nov 2026 12:00:01 +0000"), "x", None], None),
        ([], None),
    ],
)
def test_a_message_is_found_by_number_text_and_time(server: CannedServer, listed: list[Any], found: str | None) -> None:
    server.answer(Canned({"messages": listed, "next_page_uri": None}))
    message = client(server).find(TO, "Hello", SINCE)
    assert (message.sid if message else None) == found
    assert server.asked[0].target.endswith(f"/Messages.json?To=%2B{TO[1:]}&PageSize=100")


@pytest.mark.parametrize(
    ("canned", "kind"),
    [
        (error(401, 20003), FatalError),
        (error(400, 20001), RejectedInput),
        (error(429, 20429, **{"Retry-After": "4"}), RateLimited),
        (error(500, 20500), ServerFailed),
        (Canned({"messages": None}), ServerFailed),
        (Canned("<html>hello</html>"), ServerFailed),
    ],
)
def test_what_is_not_an_answer_is_never_taken_for_nothing_found(
    server: CannedServer, canned: Canned, kind: type[Exception]
) -> None:
    server.answer(canned)
    with pytest.raises(kind) as failed:
        client(server).find(TO, "Hello", SINCE + timedelta(days=1))
    for secret in (ACCOUNT, TO, TOKEN):
        assert secret not in repr(failed.value)

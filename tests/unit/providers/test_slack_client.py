"""What a Slack channel is sent, what its answers mean, and that its address is never told."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from crm_relay.platform.errors import FatalError, NotConnected, RateLimited, RejectedInput, ServerFailed
from crm_relay.providers.slack.client import Slack
from crm_relay.providers.slack.message_text import cut, escape, paragraph
from tests.support.platform.canned_server import Canned, CannedServer, canned_server

PATH = "/services/T0001/B0002/never-to-be-seen"


@pytest.fixture
def server() -> Iterator[CannedServer]:
    with canned_server() as running:
        running.answer(Canned("ok"))
        yield running


@pytest.fixture
def slack(server: CannedServer) -> Slack:
    return Slack(server.url + PATH, timeout=(2, 2))


def sent(server: CannedServer) -> dict[str, Any]:
    body: dict[str, Any] = server.asked[-1].json
    return body


def test_a_message_is_posted_to_the_whole_address(server: CannedServer, slack: Slack) -> None:
    slack.post("2 accounts disconnected")
    (asked,) = server.asked
    assert (asked.method, asked.target) == ("POST", PATH)
    assert sent(server) == {"text": "2 accounts disconnected", "unfurl_links": False}


def test_nothing_from_outside_becomes_a_mention_or_a_link(server: CannedServer, slack: Slack) -> None:
    slack.post("<!channel> A & B", ["<https://evil.example.com|click> &amp;"])
    assert sent(server)["text"] == "&lt;!channel&gt; A &amp; B"
    assert sent(server)["blocks"] == [
        {"type": "section", "text": {"type": "mrkdwn", "text": "&lt;https://evil.example.com|click&gt; &amp;amp;"}}
    ]


def test_a_block_that_is_ready_is_sent_as_it_is(server: CannedServer, slack: Slack) -> None:
    made = paragraph(f"<https://crm.example.com|{escape('A & B')}>")
    slack.post("text", [made, {"type": "divider"}])
    assert sent(server)["blocks"] == [made, {"type": "divider"}]


def test_what_is_too_long_is_cut(server: CannedServer, slack: Slack) -> None:
    slack.post("x" * 50_000, ["y" * 5_000])
    body = sent(server)
    assert (len(body["text"]), body["text"][-2:]) == (40_000, "x…")
    assert len(body["blocks"][0]["text"]["text"]) == 3_000
    slack.post("x" * 40_000, [str(number) for number in range(50)])
    assert (len(sent(server)["text"]), sent(server)["text"][-1], len(sent(server)["blocks"])) == (40_000, "x", 50)


def test_of_too_many_blocks_the_last_says_how_many_are_missing(server: CannedServer, slack: Slack) -> None:
    slack.post("text", [str(number) for number in range(60)])
    blocks = sent(server)["blocks"]
    assert (len(blocks), blocks[48]["text"]["text"], blocks[49]["text"]["text"]) == (50, "48", "… and 11 more")


@pytest.mark.parametrize("longest", range(2, 14))
def test_no_entity_is_cut_in_half(longest: int) -> None:
    text = cut(escape("a<&>b" * 5), longest)
    assert len(text) <= longest
    assert "&" not in text.replace("&lt;", "").replace("&amp;", "").replace("&gt;", "")


@pytest.mark.parametrize(
    ("canned", "kind", "message"),
    [
        (Canned("channel_is_archived", 410), FatalError, "Slack: destination disabled, channel_is_archived"),
        (Canned("no_service", 404), FatalError, "Slack: destination disabled, no_service"),
        (Canned("action_prohibited", 403), FatalError, "Slack: destination disabled, action_prohibited"),
        (Canned("invalid_token", 400), FatalError, "Slack: destination disabled, invalid_token"),
        (Canned("<html>gone</html>", 404), FatalError, "Slack: destination disabled, no reason given"),
        (Canned("invalid_payload", 400), RejectedInput, "Slack refuses the message: invalid_payload"),
        (Canned("no_text\n", 400), RejectedInput, "Slack refuses the message: no_text"),
        (Canned({"error": "A person said so"}, 400), RejectedInput, "Slack refuses the message: no reason given"),
        (Canned("too large", 413), RejectedInput, "POST : status 413"),
        (Canned("rollup_error", 500), ServerFailed, "POST : status 500"),
        (Canned("<html>proxy</html>"), ServerFailed, "Slack: status 200 without ok"),
        (Canned(None), ServerFailed, "Slack: status 200 without ok"),
        (Canned("", 302, {"Location": "https://elsewhere.example.com"}), FatalError, "POST : status 302"),
    ],
)
def test_an_answer_becomes_the_error_by_what_happens_next(
    server: CannedServer, slack: Slack, canned: Canned, kind: type[Exception], message: str
) -> None:
    server.answer(canned)
    with pytest.raises(kind) as failed:
        slack.post("text")
    assert str(failed.value) == message
    assert len(server.asked) == 1


def test_who_asks_us_to_slow_down_is_heard(server: CannedServer, slack: Slack) -> None:
    server.answer(Canned("rate_limited", 429, {"Retry-After": "30"}))
    with pytest.raises(RateLimited) as limited:
        slack.post("text")
    assert limited.value.retry_after == 30


ALLOWED = [
    "https://hooks.slack.com/services/T/B/x",
    "https://HOOKS.slack.com:443/services/T/B/x",
    "http://127.0.0.1:8080/services/T/B/x",
    "http://localhost/x",
    "https://[::1]:8443/x",
]
REFUSED = [
    "",
    "http://hooks.slack.com/services/T/B/x",
    "https://hooks.slack.com/workflows/T/B/x",
    "https://hooks.slack.com.evil.example.com/services/T/B/x",
    "https://evil.example.com/services/T/B/x",
    "https://hooks.slack.com@evil.example.com/services/T/B/x",
    "https://user@hooks.slack.com/services/T/B/x",
    "https://hooks.slack.com:8443/services/T/B/x",
    "https://hooks.slack.com:port/services/T/B/x",
    "https://hooks.slack.com/services/T/B/x?to=evil",
    "ftp://127.0.0.1/x",
    "http://169.254.169.254/services/T/B/x",
    "https://[hooks.slack.com/services/T/B/x",
]


@pytest.mark.parametrize("url", ALLOWED)
def test_slack_and_loopback_are_allowed(url: str) -> None:
    Slack(url)


@pytest.mark.parametrize("url", REFUSED)
def test_any_other_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(FatalError) as refused:
        Slack(url)
    assert "T/B/x" not in str(refused.value)
    assert "evil" not in str(refused.value)


def test_the_address_is_told_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with pytest.raises(NotConnected) as failed:
        Slack("http://127.0.0.1:9" + PATH, timeout=(1, 1)).post("text")
    assert failed.value.__cause__ is None
    assert "never-to-be-seen" not in caplog.text + repr(failed.value)

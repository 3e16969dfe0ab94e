"""What is asked of EmailBison's API, and what its answers mean, over real HTTP."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from crm_relay.platform.errors import FatalError, NotConnected, RateLimited, RejectedInput, ServerFailed
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.bison.client import Bison, RegisteredWebhook
from tests.support.platform.canned_server import Canned, CannedServer, canned_server

TOKEN = "77|never-to-be-seen"
SECRET_URL = "https://crm.example.com/webhooks/bison/sample-webhook-token-of-32-letters"
ITEM: dict[str, Any] = {
    "id": 301,
    "email": "rosa@outreach.example.com",
    "status": "Not connected",
    "type": "Inbox",
    "daily_limit": 50,
    "warmup_enabled": True,
    "emails_sent_count": 412,
    "total_replied_count": 19,
    "tags": [{"id": 1, "name": "Outlook", "default": False}],
}
HOOK = {"id": 8, "name": "CRM Relay", "url": SECRET_URL, "events": ["EMAIL_SENT", "lead_replied"]}
PAGE = {"data": [ITEM], "links": {"next": None}, "meta": {"current_page": 2, "last_page": 3, "total": 31}}


@pytest.fixture
def server() -> Iterator[CannedServer]:
    with canned_server() as running:
        yield running


@pytest.fixture
def bison(server: CannedServer) -> Bison:
    return Bison(HttpClient(server.url, timeout=(2, 2)), TOKEN, 17)


def test_a_request_carries_the_token_and_asks_for_json(server: CannedServer, bison: Bison) -> None:
    server.answer(Canned(PAGE))
    bison.sender_emails(2)
    (asked,) = server.asked
    assert (asked.method, asked.target) == ("GET", "/api/sender-emails?page=2")
    assert (asked.headers["Authorization"], asked.headers["Accept"]) == (f"Bearer {TOKEN}", "application/json")
    assert (bison.workspace_id, bison.instance_url, bison.requests_sent) == (17, server.url, 1)


def test_a_page_of_accounts_says_how_many_there_are(server: CannedServer, bison: Bison) -> None:
    server.answer(Canned(PAGE))
    page = bison.sender_emails(2)
    assert (page.page, page.last_page, page.total) == (2, 3, 31)
    (account,) = page.accounts
    assert (account.account_id, account.status, account.provider) == (301, "Disconnected", "Outlook")
    assert (account.emails_sent, account.replied, account.bounced) == (412, 19, None)


def test_a_page_past_the_end_is_empty_and_may_not_count(server: CannedServer, bison: Bison) -> None:
    server.answer(Canned({"data": [], "meta": {"current_page": 4, "last_page": 3}}))
    assert (bison.sender_emails(4).accounts, bison.sender_emails(4).total) == ((), None)


UNUSABLE: list[Any] = [
    None,
    [],
    {"data": [ITEM]},
    {"data": [ITEM], "meta": {"current_page": 1, "last_page": 3}},
    {"data": [{**ITEM, "email": None}], "meta": {"current_page": 2, "last_page": 3}},
    {"data": ["rosa@outreach.example.com"], "meta": {"current_page": 2, "last_page": 3}},
]


@pytest.mark.parametrize("body", UNUSABLE, ids=range(len(UNUSABLE)))
def test_a_page_that_cannot_be_the_one_asked_for_is_not_taken(server: CannedServer, bison: Bison, body: Any) -> None:
    server.answer(Canned(body))
    with pytest.raises(ServerFailed) as failed:
        bison.sender_emails(2)
    assert "rosa" not in str(failed.value)


def test_one_account_is_asked_for_by_its_number(server: CannedServer, bison: Bison) -> None:
    server.answer(Canned({"data": {**ITEM, "status": "Connected"}}), Canned({"message": "No query results"}, 404))
    found = bison.sender_email(301)
    assert found is not None
    assert found.status == "Connected"
    assert bison.sender_email(302) is None
    assert [each.target for each in server.asked] == ["/api/sender-emails/301", "/api/sender-emails/302"]


def test_webhooks_are_read_from_all_pages_each_once(server: CannedServer, bison: Bison) -> None:
    other = {"id": 9, "name": None, "url": "https://elsewhere.example.com", "events": [{"type": "tag_attached"}]}
    pages = [{"data": [HOOK], "meta": {"current_page": 1, "last_page": 2}}, {"data": [HOOK, other]}]
    server.answer(*(Canned(page) for page in pages))
    assert bison.webhooks() == [
        RegisteredWebhook(8, "CRM Relay", SECRET_URL, ("email_sent", "lead_replied")),
        RegisteredWebhook(9, "", "https://elsewhere.example.com", ("tag_attached",)),
    ]
    assert [each.target for each in server.asked] == ["/api/webhook-url?page=1", "/api/webhook-url?page=2"]


def test_a_webhook_is_made_and_replaced(server: CannedServer, bison: Bison) -> None:
    made = RegisteredWebhook(8, "CRM Relay", SECRET_URL, ("email_sent", "lead_replied"))
    body = {"name": "CRM Relay", "url": SECRET_URL, "events": ["email_sent", "lead_replied"]}
    server.answer(Canned({"data": HOOK}, 201), Canned({"data": HOOK}))
    assert bison.create_webhook("CRM Relay", SECRET_URL, ("email_sent", "lead_replied")) == made
    assert bison.replace_webhook(8, "CRM Relay", SECRET_URL, ["email_sent", "lead_replied"]) == made
    assert [(each.method, each.target) for each in server.asked] == [
        ("POST", "/api/webhook-url"),
        ("PUT", "/api/webhook-url/8"),
    ]
    assert server.asked[0].json == server.asked[1].json == body
    assert SECRET_URL not in repr(made)


@pytest.mark.parametrize(
    "data",
    [
        ["email_sent", "LEAD_REPLIED"],
        [{"id": "email_sent", "name": "Email Sent"}, {"id": "lead_replied", "name": "Lead Replied"}],
        [{"id": 1, "label": "Email Sent", "value": "email_sent"}, {"id": 2, "type": "LEAD_REPLIED"}, {"id": 3}, None],
    ],
)
def test_the_names_of_events_are_found_however_they_are_listed(server: CannedServer, bison: Bison, data: Any) -> None:
    server.answer(Canned({"data": data}))
    assert bison.event_types() == ("email_sent", "lead_replied")


def test_a_test_event_is_asked_for(server: CannedServer, bison: Bison) -> None:
    server.answer(Canned({"data": {"success": True}}))
    bison.send_test_event("tag_attached", SECRET_URL)
    assert server.asked[0].target == "/api/webhook-events/test-event"
    assert server.asked[0].json == {"event_type": "tag_attached", "url": SECRET_URL}


# --- whose answer it is ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["workspace", "team"])
def test_a_token_says_which_workspace_it_belongs_to(server: CannedServer, bison: Bison, name: str) -> None:
    server.answer(Canned({"data": {"id": 1, "email": "owner@example.com", name: {"id": 17, "name": "Northwind"}}}))
    assert bison.token_workspace() == 17
    assert server.asked[0].target == "/api/users"


@pytest.mark.parametrize("canned", [Canned({"message": "not found"}, 404), Canned({"data": {"id": 1, "team": None}})])
def test_an_emailbison_that_does_not_say_is_no_error(server: CannedServer, bison: Bison, canned: Canned) -> None:
    server.answer(canned)
    assert bison.token_workspace() is None


CALLS: list[tuple[Callable[[Bison], object], Any]] = [
    (lambda bison: bison.token_workspace(), {"data": {"id": 1, "team": {"id": 18}}}),
    (lambda bison: bison.sender_emails(2), {**PAGE, "data": [{**ITEM, "workspace_id": 18}]}),
    (lambda bison: bison.sender_emails(2), {**PAGE, "data": [{**ITEM, "team_id": 17}, {**ITEM, "team_id": "18"}]}),
    (lambda bison: bison.sender_email(301), {"data": {**ITEM, "workspace_id": 18}}),
    (lambda bison: bison.webhooks(), {"data": [{**HOOK, "team_id": 18}]}),
    (lambda bison: bison.event_types(), {"workspace_id": 18, "data": ["email_sent"]}),
]


@pytest.mark.parametrize(("call", "body"), CALLS, ids=range(len(CALLS)))
def test_an_answer_of_another_workspace_is_never_taken(
    server: CannedServer, bison: Bison, call: Callable[[Bison], object], body: Any
) -> None:
    server.answer(Canned(body))
    with pytest.raises(FatalError, match="answered for another workspace"):
        call(bison)
    call(Bison(HttpClient(server.url), TOKEN))


def test_tokens_that_share_a_connection_share_no_cookie(server: CannedServer) -> None:
    http = HttpClient(server.url)
    server.answer(Canned(PAGE, headers={"Set-Cookie": "laravel_session=workspace-17; Path=/"}))
    for token in ("1|one", "2|two"):
        Bison(http, token).sender_emails(2)
    assert [each.headers.get("Cookie") for each in server.asked] == [None, None]
    assert [each.headers["Authorization"] for each in server.asked] == ["Bearer 1|one", "Bearer 2|two"]


# --- errors ----------------------------------------------------------------------------------------------------------

LARAVEL = {
    "message": "The address rosa@outreach.example.com is invalid.",
    "errors": {"url": ["invalid"], "events.0": ["x"]},
}


@pytest.mark.parametrize(
    ("canned", "kind", "message"),
    [
        (Canned({"message": "Unauthenticated."}, 401), FatalError, "the token is not accepted"),
        (Canned("<html>Log in</html>", 401), FatalError, "status 401"),
        (Canned({"message": "unauthorized"}, 403), FatalError, "status 403"),
        (Canned("<html>Redirecting</html>", 302, {"Location": "/login"}), FatalError, "status 302"),
        (Canned("<html>Log in</html>"), FatalError, "BISON_INSTANCE_URL is wrong"),
        (Canned(LARAVEL, 400), RejectedInput, "status 400"),
        (Canned(LARAVEL, 422), RejectedInput, "status 422"),
        (Canned({"message": "Server Error"}, 500), ServerFailed, "status 500"),
    ],
)
def test_a_status_becomes_the_error_by_what_happens_next(
    server: CannedServer, bison: Bison, canned: Canned, kind: type[Exception], message: str
) -> None:
    server.answer(canned)
    with pytest.raises(kind) as failed:
        bison.create_webhook("CRM Relay", SECRET_URL, ["email_sent"])
    assert message in str(failed.value)
    assert len(server.asked) == 1
    for secret in ("rosa@", "never-to-be-seen", "sample-webhook-token-of-32-letters", "Log in"):
        assert secret not in repr(failed.value) + str(getattr(failed.value, "details", ""))


def test_of_a_refused_input_the_fields_are_named(server: CannedServer, bison: Bison) -> None:
    server.answer(Canned(LARAVEL | {"errors": {**LARAVEL["errors"], "rosa@outreach.example.com": []}}, 422))  # type: ignore[dict-item]
    with pytest.raises(RejectedInput) as refused:
        bison.create_webhook("CRM Relay", SECRET_URL, [])
    assert (refused.value.status, refused.value.details) == (422, ("url: refused", "events.0: refused"))


@pytest.mark.parametrize(
    ("canned", "seconds"),
    [
        (Canned({"message": "Too Many Attempts."}, 429, {"Retry-After": "37"}), 37),
        (Canned({"message": "Too Many Attempts.", "retry_after": 21}, 429), 21),
        (Canned({"message": "Too Many Attempts."}, 429, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}), None),
        (Canned("slow down", 429), None),
        (Canned(["slow down"], 429), None),
    ],
)
def test_who_asks_us_to_slow_down_is_heard_at_once(
    server: CannedServer, bison: Bison, canned: Canned, seconds: float | None
) -> None:
    server.answer(canned)
    started = time.monotonic()
    with pytest.raises(RateLimited) as limited:
        bison.sender_emails(1)
    assert limited.value.retry_after == seconds
    assert time.monotonic() - started < 5
    assert len(server.asked) == 1


def test_a_gateways_page_is_asked_again_and_then_it_is_a_failure(server: CannedServer, bison: Bison) -> None:
    server.answer(Canned("<html>Bad Gateway</html>", 502), Canned(PAGE))
    assert bison.sender_emails(2).page == 2
    assert len(server.asked) == 2


def test_a_server_that_is_not_there_is_transient() -> None:
    with pytest.raises(NotConnected) as failed:
        Bison(HttpClient("http://127.0.0.1:9", timeout=(1, 1)), TOKEN).event_types()
    assert "never-to-be-seen" not in str(failed.value)

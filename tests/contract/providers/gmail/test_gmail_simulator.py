"""The simulator, driven by Google's own client library, and each of its answers held against the discovery document."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

from crm_relay.providers.connectors.oauth_client import GrantRefused, OAuthApp, ProviderOAuth
from crm_relay.providers.connectors.setup import set_up
from crm_relay.providers.gmail.connector import GmailConnector
from local.simulators.clock import MovableClock
from local.simulators.gmail import GmailSimulator
from local.simulators.http_server import Incoming, Outgoing, ServedSimulator
from tests.support.connections.gmail_discovery import gmail_document

LETTER = b"From: mary@example.org\r\nTo: ada@example.com\r\nSubject: Hi\r\nMessage-ID: <m@example.org>\r\n\r\nHello\r\n"
ENCODED = base64.urlsafe_b64encode(LETTER).decode()


@pytest.fixture
def sim() -> Iterator[GmailSimulator]:
    """Each of its good answers is one of the document."""
    problems: list[str] = []

    def observe(served: ServedSimulator, incoming: Incoming, outgoing: Outgoing) -> None:
        if served is running and incoming.path.startswith("/gmail/") and 200 <= outgoing.status < 300:
            problems.extend(gmail_document().problems_of_answer(incoming.method, incoming.path, outgoing.body))

    with GmailSimulator(clock=MovableClock()) as running:
        ServedSimulator.observers.append(observe)
        yield running
        ServedSimulator.observers.remove(observe)
    assert problems == []


@pytest.fixture
def users(sim: GmailSimulator) -> Any:
    """Google's library, without a look at the network for its description of the API."""
    credentials: Any = Credentials(sim.consent(sim.client().client_id)["access_token"])  # type: ignore[no-untyped-call]
    options = {"api_endpoint": sim.url}
    return build("gmail", "v1", credentials=credentials, static_discovery=True, client_options=options).users()


def status_of(call: Callable[[], Any]) -> tuple[int, str]:
    with pytest.raises(HttpError) as error:
        call()
    return error.value.status_code, error.value.error_details[0]["reason"]


def test_drafts_leave_once(sim: GmailSimulator, users: Any) -> None:
    draft = users.drafts().create(userId="me", body={"message": {"raw": ENCODED}}).execute()
    assert users.drafts().list(userId="me", q="rfc822msgid:m@example.org").execute()["drafts"][0]["id"] == draft["id"]
    assert users.drafts().get(userId="me", id=draft["id"], format="minimal").execute()["id"] == draft["id"]
    sent = users.drafts().send(userId="me", body={"id": draft["id"]}).execute()
    assert (sent["labelIds"], sent["threadId"]) == (["SENT"], draft["message"]["threadId"])
    assert sent["id"] != draft["message"]["id"]
    for again in (users.drafts().send(userId="me", body={"id": draft["id"]}), users.drafts().get(userId="me", id="r1")):
        assert status_of(again.execute) == (404, "notFound")
    found = users.messages().list(userId="me", q="rfc822msgid:m@example.org", labelIds=["SENT"]).execute()
    assert [each["id"] for each in found["messages"]] == [sent["id"]]
    assert sim.account().sent == ["ada@example.com"]


def test_a_draft_that_is_deleted_is_gone(users: Any) -> None:
    draft = users.drafts().create(userId="me", body={"message": {"raw": ENCODED}}).execute()
    users.drafts().delete(userId="me", id=draft["id"]).execute()
    assert status_of(users.drafts().delete(userId="me", id=draft["id"]).execute) == (404, "notFound")
    assert "drafts" not in users.drafts().list(userId="me").execute()


def test_history_is_read_in_pages_and_forgotten(sim: GmailSimulator, users: Any) -> None:
    start = users.getProfile(userId="me").execute()["historyId"]
    assert "history" not in users.history().list(userId="me", startHistoryId=start).execute()
    came = [sim.deliver("ada@example.com") for _ in range(5)]
    sim.deliver("spam@example.com", labels=("SPAM",))
    sim.label(came[0], "STARRED")
    sim.switch(page_size=2)
    asked = {"userId": "me", "startHistoryId": start, "labelId": "INBOX", "historyTypes": "messageAdded"}
    request, seen = users.history().list(**asked), []
    while request is not None:
        page = request.execute()
        seen += [each["message"]["id"] for record in page["history"] for each in record["messagesAdded"]]
        request = users.history().list_next(request, page)
    assert seen == [each.id for each in came]
    starred = users.history().list(userId="me", startHistoryId=start, historyTypes=["labelAdded"]).execute()
    assert starred["history"][0]["labelsAdded"][0]["labelIds"] == ["STARRED"]
    sim.forget_history()
    assert status_of(users.history().list(userId="me", startHistoryId=start).execute) == (404, "notFound")
    assert status_of(users.history().list(userId="me", startHistoryId="x").execute)[0] == 400


def test_messages_threads_and_labels(sim: GmailSimulator, users: Any) -> None:
    first = sim.deliver("Ada <ada@example.com>", subject="Hello", headers={"Auto-Submitted": "auto-replied"})
    second = sim.deliver("ada@example.com", answers=first.message_id)
    shown = users.messages().get(
        userId="me", id=first.id, format="metadata", metadataHeaders=["From", "auto-submitted"]
    )
    headers = {each["name"]: each["value"] for each in shown.execute()["payload"]["headers"]}
    assert headers == {"From": "Ada <ada@example.com>", "Auto-Submitted": "auto-replied"}
    thread = users.threads().get(userId="me", id=first.thread_id, format="minimal").execute()
    assert [each["id"] for each in thread["messages"]] == [first.id, second.id]
    label = sim.new_label("Leads")
    assert label in {each["id"] for each in users.labels().list(userId="me").execute()["labels"]}
    assert status_of(users.messages().list(userId="me", labelIds=["nowhere"]).execute)[0] == 400
    assert status_of(users.messages().get(userId="me", id="nothing").execute) == (404, "notFound")


def test_limits_scopes_and_tokens_are_held(sim: GmailSimulator, users: Any) -> None:
    sim.switch(units_per_minute=4)
    assert status_of(users.messages().list(userId="me").execute) == (429, "userRateLimitExceeded")
    users.getProfile(userId="me").execute()
    sim.switch(units_per_minute=None)
    sim.google.grants[0].scopes = frozenset({"https://www.googleapis.com/auth/gmail.compose"})
    assert status_of(users.getProfile(userId="me").execute) == (403, "insufficientPermissions")
    sim.fault("403_rate")
    assert status_of(users.labels().list(userId="me").execute) == (403, "userRateLimitExceeded")


# --- consent and tokens ---------------------------------------------------------------------------------------------


def our_oauth(sim: GmailSimulator) -> ProviderOAuth:
    client = sim.client("https://crm.example/oauth/gmail/callback")
    app = OAuthApp(client.client_id, client.secret)
    oauth = set_up(GmailConnector(), base_url=sim.url, app=app, oauth_base=sim.url).oauth
    assert oauth is not None
    return oauth


def test_consent_issues_a_refresh_token_and_a_refresh_none(sim: GmailSimulator) -> None:
    sim.account()
    oauth, back = our_oauth(sim), "https://crm.example/oauth/gmail/callback"
    address = oauth.authorize_address(redirect_uri=back, state="s" * 32, verifier="v" * 64)
    assert "access_type=offline" in address
    assert "prompt=consent" in address
    leads_to = requests.get(address, allow_redirects=False, timeout=5).headers["Location"]
    code = dict(parse_qsl(urlsplit(leads_to).query))["code"]
    issued = oauth.exchange(code, redirect_uri=back, verifier="v" * 64)
    assert issued.refresh_token is not None
    refreshed = oauth.refresh(issued.refresh_token)
    assert (refreshed.refresh_token, refreshed.expires_in) == (None, 3599.0)
    assert refreshed.access_token != issued.access_token
    assert oauth.revoke(issued.refresh_token)
    with pytest.raises(GrantRefused):
        oauth.refresh(issued.refresh_token)

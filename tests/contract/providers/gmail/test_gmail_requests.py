"""Requests of our client, held against Google's discovery document."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest

from crm_relay.platform.errors import FatalError, RateLimited
from crm_relay.platform.http.http_client import Answer, HttpClient
from crm_relay.providers.connectors.failures import CursorLost, PermissionMissing, SchemaDrift
from crm_relay.providers.connectors.mailbox import DraftGone
from crm_relay.providers.connectors.mailbox_connector import MailboxConnector
from crm_relay.providers.gmail.client import ASKED_HEADERS, GmailMailbox
from crm_relay.providers.gmail.connector import GmailConnector
from crm_relay.providers.gmail.refusals import GmailRefused, read_reasons, refusal
from crm_relay.rules.replies.vocabulary import KEPT_HEADERS
from local.simulators.gmail import GmailSimulator
from tests.support.connections.airtable_stage import TestAccess
from tests.support.connections.gmail_discovery import gmail_document
from tests.support.connections.vendor_specification import RecordingSession

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
LETTER = b"From: mary@example.org\r\nTo: ada@example.com\r\nMessage-ID: <m@example.org>\r\n\r\nHello\r\n"


@pytest.fixture
def sim() -> Iterator[GmailSimulator]:
    with GmailSimulator() as running:
        yield running


class OurClient:
    def __init__(self, sim: GmailSimulator) -> None:
        sim.client()
        (client_id,) = sim.google.clients
        self.session = RecordingSession()
        self.access = TestAccess([sim.consent(client_id)["access_token"]])
        http = HttpClient(sim.url, timeout=(5, 5), repeats=0, session=self.session)
        self.account = GmailConnector().open(http, self.access, {})

    @property
    def mailbox(self) -> GmailMailbox:
        return self.account.mailbox()


@pytest.fixture
def ours(sim: GmailSimulator) -> OurClient:
    return OurClient(sim)


def everything(sim: GmailSimulator, client: OurClient) -> None:
    """Every request that the mailbox makes, with every parameter."""
    mailbox = client.mailbox
    start = mailbox.profile().newest
    sim.switch(page_size=1)
    came = [sim.deliver("ada@example.com"), sim.deliver("ada@example.com")]
    for labels in (["INBOX"], ["INBOX", "STARRED"]):
        page = mailbox.changes(start, labels, None)
        mailbox.changes(start, labels, page.next_page)
    mailbox.listing(LONG_AGO, "INBOX", mailbox.listing(LONG_AGO, "INBOX", None).next_page)
    assert mailbox.message(came[0].id) is not None
    assert mailbox.message("gone") is None
    assert client.account.choices("label")
    draft = mailbox.create_draft(LETTER)
    assert mailbox.find_draft("<m@example.org>") == draft
    assert mailbox.has_draft(draft.id)
    assert mailbox.delete_draft(draft.id)
    assert not mailbox.delete_draft(draft.id)
    mailbox.ready_to_send()
    sent = mailbox.send_draft(mailbox.create_draft(LETTER).id)
    assert mailbox.find_sent("<m@example.org>", None) == sent
    assert mailbox.find_sent("<other@example.org>", sent.thread_id) == sent
    assert mailbox.find_sent("<other@example.org>", "none") is None


def test_every_request_is_one_of_the_discovery_document(sim: GmailSimulator, ours: OurClient) -> None:
    everything(sim, ours)
    assert len({(each.method, each.path.rpartition("/")[0]) for each in ours.session.recorded}) >= 6
    for each in ours.session.recorded:
        parts = urlsplit(each.url)
        assert gmail_document().problems_of_request(each.method, parts.path, parts.query, each.body) == []


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "problem"),
    [
        ("GET", "/gmail/v1/users/me/mail", "", None, "GET /gmail/v1/users/me/mail: not in the document"),
        ("GET", "/gmail/v1/users/me/history", "historyTypes=added", None, "query historyTypes: not one of its words"),
        ("GET", "/gmail/v1/users/me/history", "label=A", None, "query label: not in the document"),
        ("GET", "/gmail/v1/users/me/history", "labelId=A&labelId=B", None, "query labelId: several values"),
        ("POST", "/gmail/v1/users/me/drafts", "", b'{"raw": "x"}', "body.raw: not in the document"),
        ("POST", "/gmail/v1/users/me/drafts", "", b'{"id": 7}', "body.id: not of type string"),
    ],
)
def test_what_the_document_forbids_is_noticed(
    method: str, path: str, query: str, body: bytes | None, problem: str
) -> None:
    assert problem in gmail_document().problems_of_request(method, path, query, body)


def test_all_headers_that_the_rule_of_replies_reads_are_asked_for() -> None:
    assert set(KEPT_HEADERS) <= set(ASKED_HEADERS)
    assert isinstance(GmailConnector(), MailboxConnector)


def test_what_is_gone_is_told_apart_from_what_is_refused(sim: GmailSimulator, ours: OurClient) -> None:
    start = ours.mailbox.profile().newest
    sim.forget_history()
    with pytest.raises(CursorLost):
        ours.mailbox.changes(start, ["INBOX"], None)
    with pytest.raises(DraftGone):
        ours.mailbox.send_draft("r1")
    with pytest.raises(SchemaDrift) as drift:
        ours.mailbox.changes(str(10**9), ["Label_9", "Label_8"][:1], None)
    assert drift.value.lost == ("Label_9",)
    with pytest.raises(CursorLost):
        ours.mailbox.listing(LONG_AGO, "INBOX", "no-page")


def _error(status: int, reason: str, name: str = "X") -> Answer:
    listed = [{"domain": "global", "reason": reason, "message": "ada@example.com is not good"}]
    return Answer(status, {"error": {"code": status, "message": "ada@example.com", "errors": listed, "status": name}})


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (403, "rateLimitExceeded", RateLimited),
        (403, "userRateLimitExceeded", RateLimited),
        (403, "dailyLimitExceeded", RateLimited),
        (429, "rateLimitExceeded", RateLimited),
        (403, "insufficientPermissions", PermissionMissing),
        (403, "domainPolicy", PermissionMissing),
        (400, "failedPrecondition", FatalError),
        (400, "invalidArgument", GmailRefused),
        (404, "notFound", GmailRefused),
    ],
)
def test_googles_words_become_errors_that_quote_nobody(status: int, reason: str, kind: type[Exception]) -> None:
    error = refusal(_error(status, reason))
    assert type(error) is kind
    assert reason in str(error)
    assert "ada" not in str(error)


@pytest.mark.parametrize(
    "body", [None, [], "text", {"error": "invalid_grant"}, {"error": {"errors": [1, {"reason": 7}]}}]
)
def test_an_error_of_another_form_has_no_words(body: object) -> None:
    assert read_reasons(body) == []
    assert isinstance(refusal(Answer(403, body)), PermissionMissing)
    assert refusal(Answer(429, body)) is None
    assert refusal(Answer(401, body)) is None

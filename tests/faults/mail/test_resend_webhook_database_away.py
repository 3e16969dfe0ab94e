"""What Resend tells and what readers ask for survives the database being away, and counts once."""

import base64
import json
from collections.abc import Iterator

import pytest

from crm_relay.consent.person import Person
from crm_relay.mail.queue import queue_emails
from crm_relay.platform.database import Database
from crm_relay.sources.all_sources import REDACTORS
from crm_relay.webhooks.defer import Deferred
from crm_relay.webhooks.people.erase import erase_deliveries
from crm_relay.webhooks.people.redact import message_without
from crm_relay.webhooks.replay import replay_failed
from local.simulators.resend import MovableClock, ResendSimulator
from tests.support.function_settings import NOWHERE
from tests.support.mail import resend_webhook_function as resend
from tests.support.mail import unsubscribe_function as page
from tests.support.mail.mail_harness import MONDAY, MailHarness
from tests.support.platform.aws_of_a_test import Aws, failures, running_aws, sqs_event, wait_until
from tests.support.platform.counting_proxy import CountingProxy
from tests.support.platform.rows import one, rows_of
from webhook_replay.handler import handler as replay_handler

AWAY = "postgresql://nobody:secret@127.0.0.1:9/crm"
ADA = "ada@example.com"


class Both:
    """Both functions and the replay, in one AWS."""

    def __init__(self, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
        self.aws = aws
        self._monkeypatch = monkeypatch

    def configure(self, database_url: str, **settings: str) -> None:
        known = {"AWS_ENDPOINT_URL": self.aws.endpoint, "DEFERRED_QUEUE_URL": self.aws.queue}
        known |= {"OVERSIZE_BUCKET": self.aws.name, "COORDINATION_TABLE": self.aws.name}
        self.aws.configure(database_url, **settings)
        resend.configure(self._monkeypatch, database_url, **(known | settings))
        page.configure(self._monkeypatch, database_url, **(known | settings))

    def replay(self, *messages: str) -> list[str]:
        return failures(replay_handler(sqs_event(*messages), None))


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch) -> Iterator[Both]:
    with running_aws(monkeypatch) as running:
        yield Both(running, monkeypatch)


@pytest.fixture
def post(database: Database) -> Iterator[MailHarness]:
    clock = MovableClock(lambda: MONDAY)
    with ResendSimulator(clock=clock, requests_per_second=None) as simulator:
        yield MailHarness(database, simulator, clock)


def test_an_event_waits_in_the_queue_and_is_applied_once(post: MailHarness, database_url: str, functions: Both) -> None:
    (send,) = post.queue("ada")
    post.send()
    body = resend.mail_event("opened", post.simulator.mail_to(ADA).id, send=send)
    headers = resend.signed(body, delivery_id="msg_1")
    functions.configure(AWAY)
    assert resend.deliver(body, headers)["status"] == 202
    (message,) = functions.aws.messages()
    assert json.loads(message)["headers"]["delivery-id"] == "msg_1"

    functions.configure(database_url)
    assert functions.replay(message, message) == []
    assert post.rows()["ada"]["opened_count"] == 1
    # The same delivery, when Resend sends it again by itself.
    assert resend.deliver(body, resend.signed(body, delivery_id="msg_1"))["duplicates"] == 1
    assert post.rows()["ada"]["opened_count"] == 1


def test_an_event_whose_commit_got_no_answer_is_applied_once(
    post: MailHarness, database_url: str, functions: Both
) -> None:
    (send,) = post.queue("ada")
    post.send()
    body = resend.mail_event("opened", post.simulator.mail_to(ADA).id, send=send)
    with CountingProxy(database_url, cut_after="commit") as proxy:
        functions.configure(proxy.url)
        assert resend.deliver(body, resend.signed(body, delivery_id="msg_1"))["status"] == 202
    wait_until(lambda: len(rows_of(post.db, "select from webhook_inbox")) == 1)
    functions.configure(database_url)
    assert functions.replay(*functions.aws.messages()) == []
    assert post.rows()["ada"]["opened_count"] == 1


def test_an_unapplied_event_of_the_inbox_is_replayed_under_its_own_id(
    post: MailHarness, database_url: str, functions: Both
) -> None:
    (send,) = post.queue("ada")
    post.send()
    functions.configure(database_url)
    body = resend.mail_event("opened", post.simulator.mail_to(ADA).id, send=send)
    resend.deliver(body, resend.signed(body, delivery_id="msg_1"))
    rows_of(post.db, "update webhook_inbox set applied_at = null")
    assert replay_failed(post.db, Deferred(functions.aws.queue, functions.aws.name)).sent == 1
    assert functions.replay(*functions.aws.messages()) == []
    (row,) = rows_of(post.db, "select applied_at, attempts from webhook_inbox")
    assert row["applied_at"] is not None
    assert post.rows()["ada"]["opened_count"] == 1


def test_only_verified_events_reach_the_queue(functions: Both) -> None:
    functions.configure(AWAY)
    assert resend.deliver(resend.mail_event("opened"), {})["status"] == 401
    assert functions.aws.messages() == []


def test_where_the_queue_is_away_as_well_nobody_says_that_it_worked(functions: Both) -> None:
    functions.configure(AWAY, AWS_ENDPOINT_URL=NOWHERE)
    assert resend.deliver(resend.mail_event("opened"))["status"] == 503
    assert page.one_click("some-token-of-a-mail")["statusCode"] == 503


# --- who wants no more ------------------------------------------------------------------------------------------------


def test_a_wish_to_leave_is_never_lost(post: MailHarness, database_url: str, functions: Both) -> None:
    mail = post.mail("ada")
    queue_emails(post.db, [mail], post.now, purpose="test")
    post.send()
    functions.configure(AWAY)
    answer = page.one_click(mail.unsubscribe_token)
    assert (answer["statusCode"], "We have your request" in answer["body"]) == (202, True)
    (message,) = functions.aws.messages()
    assert ADA not in base64.b64decode(json.loads(message)["body_base64"]).decode()

    functions.configure(database_url)
    assert functions.replay(message, message) == []
    (entry,) = rows_of(post.db, "select address, kind from consent_events")
    assert entry == {"address": ADA, "kind": "opt_out"}


def test_the_page_asks_for_patience_while_it_cannot_be_shown(functions: Both) -> None:
    functions.configure(AWAY)
    for method in ("GET", "HEAD"):
        answer = page.ask("some-token-of-a-mail", method)
        assert (answer["statusCode"], answer["headers"]["retry-after"]) == (503, "120")
    assert functions.aws.messages() == []


@pytest.mark.parametrize("token", ["é", "a b", "x" * 200, ""])
def test_what_cannot_be_a_token_is_not_kept_even_then(functions: Both, token: str) -> None:
    functions.configure(AWAY)
    assert page.one_click(token)["statusCode"] == 404
    assert functions.aws.messages() == []


def test_a_kept_request_with_a_token_that_nobody_has_ends_quietly(
    database: Database, database_url: str, functions: Both
) -> None:
    functions.configure(AWAY)
    assert page.one_click("nobody-has-this-token")["statusCode"] == 202
    messages = functions.aws.messages()
    functions.configure(database_url)
    assert functions.replay(*messages) == []
    assert rows_of(database, "select from consent_events") == []
    assert rows_of(database, "select from failed_tasks") == []


# --- somebody who was erased ------------------------------------------------------------------------------------------


def test_a_kept_event_of_somebody_who_is_erased_goes_as_a_whole(
    database: Database, database_url: str, functions: Both
) -> None:
    functions.configure(database_url)
    resend.deliver(resend.mail_event("opened"))
    rows_of(database, "update webhook_inbox set applied_at = null")
    assert erase_deliveries(database, REDACTORS, Person(addresses=frozenset({ADA}))).redacted == 1
    row = one(database, "select body, applied_at from webhook_inbox")
    assert (row["body"], row["applied_at"] is None) == ("{}", False)


def test_a_waiting_event_of_somebody_who_is_erased_is_applied_as_nothing(
    database: Database, database_url: str, functions: Both
) -> None:
    functions.configure(AWAY)
    resend.deliver(resend.mail_event("opened"))
    (message,) = functions.aws.messages()
    redacted = message_without(message, Person(addresses=frozenset({ADA})), REDACTORS)
    assert redacted is not None
    assert ADA not in base64.b64decode(json.loads(redacted)["body_base64"]).decode()
    functions.configure(database_url)
    assert functions.replay(redacted) == []
    assert rows_of(database, "select from email_logs") == []
    assert rows_of(database, "select from failed_tasks") == []

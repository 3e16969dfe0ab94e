"""A verified delivery survives the database being away, and a commit that got no answer."""

import base64
import json
from collections.abc import Iterator

import pytest

from crm_relay.platform.database import Database
from tests.support.customers.mautic_hooks import body_of, delivery, opened, recorded
from tests.support.customers.mautic_webhook_function import counts, deliver, tables
from tests.support.function_settings import NOWHERE
from tests.support.log import quiet_about
from tests.support.platform.aws_of_a_test import Aws, failures, running_aws, sqs_event, wait_until
from tests.support.platform.counting_proxy import CountingProxy
from tests.support.platform.rows import add_customer, one, rows_of
from webhook_replay.handler import handler as replay_handler

AWAY = "postgresql://nobody:secret@127.0.0.1:9/crm"
EMAIL = "hook.one@example.com"
UNSUBSCRIBE = recorded("97_hook_unsubscribe_get__lead_channel_subscription_changed").body
DEFERRED = {"status": 202, "success": True, "deferred": True}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """The queue, the bucket and the table of this test."""
    with running_aws(monkeypatch) as running:
        yield running


def test_a_delivery_waits_in_the_queue_and_is_applied_once(database: Database, database_url: str, aws: Aws) -> None:
    customer = add_customer(database, EMAIL)
    aws.configure(AWAY)
    with quiet_about(EMAIL):
        assert deliver(UNSUBSCRIBE) == DEFERRED
    (message,) = aws.messages()
    assert set(json.loads(message)) == {
        "source",
        "workspace_name",
        "dedupe_key",
        "received_at",
        "headers",
        "body_base64",
    }
    assert base64.b64decode(json.loads(message)["body_base64"]) == UNSUBSCRIBE

    aws.configure(database_url)
    assert failures(replay_handler(sqs_event(message, message), None)) == []
    after = tables(database)
    assert [row["customer_id"] for row in after["customer_email_engagement"]] == [customer]
    assert after["customer_profiles"][0]["marketing_opt_in"] is False
    assert failures(replay_handler(sqs_event(message), None)) == []
    assert counts(deliver(UNSUBSCRIBE)) == (0, 1, 0, 0)
    assert tables(database) == after


def test_a_body_too_large_for_a_message_waits_in_the_bucket(database: Database, database_url: str, aws: Aws) -> None:
    event = opened()
    event["stat"]["email"]["customHtml"] = "x" * 1_000_000
    body = delivery(email_on_open=[event])
    aws.configure(AWAY)
    assert deliver(body) == DEFERRED
    (message,) = aws.messages()
    key = json.loads(message)["object_key"]
    assert key.startswith("oversize/mautic/")
    assert aws.s3.get_object(Bucket=aws.name, Key=key)["Body"].read() == body

    aws.configure(database_url)
    assert failures(replay_handler(sqs_event(message), None)) == []
    assert one(database, "select body from webhook_inbox")["body"].encode() == body


def test_the_largest_body_that_stands_in_a_message_fits_into_one(aws: Aws) -> None:
    aws.configure(AWAY)
    body = body_of({"timestamp": "2026-11-20T12:25:53+00:00", "filler": ""})
    body = body.replace(b'"filler":""', b'"filler":"' + b"x" * (675_000 - len(body)) + b'"')
    assert deliver(body) == DEFERRED
    (message,) = aws.messages()
    assert len(body) == 675_000
    assert len(message) < 2**20


def test_where_the_queue_is_away_as_well_nobody_says_that_it_worked(aws: Aws) -> None:
    aws.configure(AWAY, AWS_ENDPOINT_URL=NOWHERE)
    with quiet_about(EMAIL):
        answer = deliver(UNSUBSCRIBE)
    assert answer == {"status": 503, "error": "temporarily unavailable", "details": []}


def test_only_verified_deliveries_reach_the_queue(aws: Aws) -> None:
    aws.configure(AWAY)
    assert deliver(UNSUBSCRIBE, headers={})["status"] == 401
    assert deliver(b"no JSON")["status"] == 400
    assert aws.messages() == []


def test_an_error_that_nobody_foresaw_defers_the_delivery_too(database: Database, database_url: str, aws: Aws) -> None:
    rows_of(database, "alter table customer_email_engagement rename column verdict to opinion")
    aws.configure(database_url)
    with quiet_about(EMAIL):
        assert deliver(UNSUBSCRIBE) == DEFERRED
    assert rows_of(database, "select id from webhook_inbox") == []

    rows_of(database, "alter table customer_email_engagement rename column opinion to verdict")
    assert failures(replay_handler(sqs_event(*aws.messages()), None)) == []
    assert len(tables(database)["customer_email_engagement"]) == 1


def test_a_delivery_whose_commit_got_no_answer_is_applied_once(database: Database, database_url: str, aws: Aws) -> None:
    add_customer(database, "bounce.api@example.com")
    body = recorded("97_hook_bounce_by_api_dnc_reason2__lead_channel_subscription_changed").body
    with CountingProxy(database_url, cut_after="commit") as proxy:
        aws.configure(proxy.url)
        assert deliver(body) == DEFERRED
    wait_until(lambda: len(rows_of(database, "select id from webhook_inbox")) == 1)

    aws.configure(database_url)
    assert failures(replay_handler(sqs_event(*aws.messages()), None)) == []
    assert counts(deliver(body)) == (0, 1, 0, 0)
    assert one(database, "select bounce_count from customer_emails")["bounce_count"] == 1

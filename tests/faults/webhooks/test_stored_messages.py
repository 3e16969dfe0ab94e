"""Messages that an earlier version queued are applied; tests/samples/deferred_messages is what it left in its queue."""

import base64
import json
from collections.abc import Iterator

import pytest

from crm_relay.consent.erase import block_return
from crm_relay.consent.person import Person
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database, Row
from crm_relay.sources.all_sources import all_sources
from crm_relay.webhooks.defer import Deferred
from crm_relay.webhooks.replay import list_deferred, replay_failed
from tests.conftest import ROOT
from tests.support.outreach.bison_webhook_function import INSTANCE, plant_workspaces
from tests.support.platform.aws_of_a_test import Aws, failures, running_aws, sqs_event
from tests.support.platform.rows import one, rows_of
from webhook_replay.handler import handler as replay_handler

SAMPLES = ROOT / "tests" / "samples" / "deferred_messages"
NAMES = ("mautic", "mautic_oversize", "bison", "resend", "unsubscribe", "mailchimp")
EFFECTS = {
    "mautic": ("hook.one@example.com", "mautic"),
    "mautic_oversize": ("hook.one@example.com", "mautic"),
    "bison": ("lead1@example.org", "bison"),
    "resend": ("ada@example.com", "resend"),
    "unsubscribe": ("bea@example.com", "unsubscribe"),
    "mailchimp": ("ada@example.com", "mailchimp"),
}
"""Whose opt-out each of them is, and what the ledger calls its source."""


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str) -> Iterator[Aws]:
    """The bucket with the large body, and a database that knows the workspace and the mail."""
    with running_aws(monkeypatch) as running:
        running.configure(database_url, BISON_INSTANCE_URL=INSTANCE)
        body = (SAMPLES / "mautic_oversize_body.json").read_bytes()
        running.s3.put_object(Bucket=running.name, Key=json.loads(message("mautic_oversize"))["object_key"], Body=body)
        plant_workspaces(database)
        rows_of(
            database,
            """insert into email_sends (send_key, recipient_email, address, subject, status, unsubscribe_token)
               values ('kept', 'bea@example.com', 'bea@example.com', 'Hello', 'sent', 'kept-token-of-a-mail-0001')""",
        )
        rows_of(
            database,
            """with place as (
                   insert into workspaces (org_id, name) values (default_org_id(), 'Audience') returning id
               )
               insert into integration_connections (id, workspace_id, integration_type, settings)
               select cast(:connection as uuid), id, 'mailchimp', '{"list_id": "a6b5da1054"}' from place""",
            connection="6f1d2c3b-4a59-4e68-9b70-8c1d2e3f4a5b",
        )
        yield running


def message(name: str) -> str:
    return (SAMPLES / f"{name}.json").read_text(encoding="utf-8")


def opt_outs(database: Database) -> list[Row]:
    return rows_of(database, "select address, source from consent_events where kind = 'opt_out' order by id")


@pytest.mark.parametrize("name", NAMES)
def test_a_message_of_before_is_applied_once(database: Database, aws: Aws, name: str) -> None:
    assert failures(replay_handler(sqs_event(message(name), message(name)), None)) == []

    address, source = EFFECTS[name]
    assert opt_outs(database) == [{"address": address, "source": source}]
    queued = json.loads(message(name))
    kept = one(database, "select source, workspace_name, dedupe_key, headers, applied_at, error from webhook_inbox")
    assert kept["applied_at"] is not None
    assert {key: kept[key] for key in ("source", "workspace_name", "dedupe_key", "headers", "error")} == {
        **{key: queued[key] for key in ("source", "workspace_name", "dedupe_key", "headers")},
        "error": None,
    }
    assert rows_of(database, "select from failed_tasks") == []


@pytest.mark.parametrize("name", NAMES)
def test_what_waits_in_the_inbox_is_queued_as_the_same_message(database: Database, aws: Aws, name: str) -> None:
    replay_handler(sqs_event(message(name)), None)
    rows_of(database, "update webhook_inbox set applied_at = null")
    assert replay_failed(database, Deferred(aws.queue, aws.name)).sent == 1
    (queued,) = aws.messages()
    inline = message("mautic") if name == "mautic_oversize" else message(name)
    differing = {"received_at"} if name == "mautic_oversize" else set()
    sent, stored = json.loads(queued), json.loads(inline)
    assert {key: sent[key] for key in sent.keys() - differing} == {
        key: stored[key] for key in stored.keys() - differing
    }
    assert failures(replay_handler(sqs_event(queued), None)) == []
    assert list_deferred(database) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_message_of_before_that_was_given_up_can_be_replayed(database: Database, aws: Aws, name: str) -> None:
    replay_handler(sqs_event(message(name), queue="deferred-dead-letters"), None)
    assert [row["source"] for row in list_deferred(database)] == [json.loads(message(name))["source"]]
    assert replay_failed(database, Deferred(aws.queue, aws.name)).sent == 1
    assert failures(replay_handler(sqs_event(*aws.messages()), None)) == []
    assert [row["address"] for row in opt_outs(database)] == [EFFECTS[name][0]]


def test_every_source_has_a_message_of_before() -> None:
    assert {json.loads(message(name))["source"] for name in NAMES} == all_sources("").keys()


def test_a_message_of_a_source_that_nobody_knows_is_kept_without_anybody_who_was_erased(
    database: Database, aws: Aws
) -> None:
    block_return(database, Person(addresses=frozenset({"hook.one@example.com"})), utc_now())
    foreign = json.dumps(json.loads(message("mautic")) | {"source": "hubspot"})
    assert failures(replay_handler(sqs_event(foreign), None)) == []
    assert [(row["kept_in"], row["source"]) for row in list_deferred(database)] == [("failed_tasks", "hubspot")]
    (task,) = rows_of(database, "select payload from failed_tasks")
    kept = json.loads(base64.b64decode(task["payload"]))
    assert (kept["source"], base64.b64decode(kept["body_base64"])) == ("hubspot", b"{}")
    assert opt_outs(database) == []

"""An order of the API reaches cache_sync by message, waits while another run is at work, and bears a name."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from cache_sync import wiring
from crm_relay.platform.aws.lease import Lease
from crm_relay.platform.http.callers import Role
from local.runtime.lambda_context import LocalLambdaContext
from tests.conftest import fresh_database
from tests.support.edge_cache.edge_twin import EdgeTwin
from tests.support.operations.admin_stage import TEMPLATE, AdminStage, admin_stage
from tests.support.platform.rows import one, rows_of

CONTEXT = LocalLambdaContext.of(TEMPLATE.functions["cache_sync"])


MAUTIC = {"MAUTIC_URL": "http://127.0.0.1:9", "MAUTIC_CLIENT_ID": "id", "MAUTIC_CLIENT_SECRET": "secret"}


@pytest.fixture(scope="module")
def stage(postgres_url: str) -> Iterator[AdminStage]:
    with fresh_database(postgres_url) as url, admin_stage(url, table=EdgeTwin(), settings=MAUTIC) as made:
        yield made


def waiting(stage: AdminStage) -> list[dict[str, Any]]:
    """Takes the messages out of the queue of orders; those are seen that are delayed, too."""
    sqs, url = stage.aws.client("sqs"), stage.aws.queue_url("CacheOrdersQueue")
    state = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0).get("Messages", [])
    delayed = int(state["ApproximateNumberOfMessagesDelayed"])
    return [json.loads(each["Body"]) for each in found] + [{"delayed": True}] * delayed


def test_each_route_orders_its_own_run(stage: AdminStage) -> None:
    orders = []
    for name in ("prospects", "campaigns", "mailboxes", "emails", "full"):
        answer = stage.call("POST", f"/api/sync/{name}")
        assert (answer.status_code, answer.json()["look_at"]) == (202, "/api/sync/status")
        orders += waiting(stage)
    everything = ["prospects", "campaigns", "mailboxes", "emails"]
    assert orders == [
        {"direction": "to_cache", "entities": ["prospects"], "ordered_by": "admin"},
        {"direction": "to_cache", "entities": ["campaigns"], "ordered_by": "admin"},
        {"direction": "to_cache", "entities": ["mailboxes"], "ordered_by": "admin"},
        {"direction": "to_postgres", "ordered_by": "admin"},
        {"direction": "resync", "entities": everything, "ordered_by": "admin"},
    ]


def test_an_email_that_is_ordered_through_reaches_postgres(stage: AdminStage) -> None:
    email = {"id": "7c0d7f3e-7c55-4b0e-9d0a-52d7c6f0a001", "subject": "Hello", "status": "sent"}
    assert stage.call("POST", "/api/emails", body=email).status_code == 200
    assert stage.call("POST", "/api/sync/emails").status_code == 202
    stage.queues.drain()
    assert one(stage.database, "select subject from emails")["subject"] == "Hello"
    (run,) = rows_of(stage.database, "select direction, ordered_by, status from sync_log")
    assert run == {"direction": "to_postgres", "ordered_by": "admin", "status": "success"}


def test_an_order_that_meets_another_run_is_put_back_with_a_delay(stage: AdminStage) -> None:
    assert waiting(stage) == [], "nothing that was carried out is put back"
    lease = Lease(stage.aws.environment["COORDINATION_TABLE"], "edge:to_cache", 60)
    assert lease.acquire()
    message = {"body": json.dumps({"direction": "resync", "entities": ["mailboxes"], "ordered_by": "ada"})}
    done = wiring.sync({"Records": [message]}, CONTEXT)
    assert done["stepped_aside"]
    assert waiting(stage) == [{"delayed": True}]
    lease.release()


def test_a_schedule_that_meets_another_run_puts_nothing_back(stage: AdminStage) -> None:
    stage.aws.client("sqs").purge_queue(QueueUrl=stage.aws.queue_url("CacheOrdersQueue"))
    lease = Lease(stage.aws.environment["COORDINATION_TABLE"], "edge:to_cache", 60)
    assert lease.acquire()
    assert wiring.sync({"direction": "to_cache"}, CONTEXT)["stepped_aside"]
    assert waiting(stage) == []
    lease.release()


def test_a_run_to_mautic_by_hand_asks_for_a_token_that_may_operate(stage: AdminStage) -> None:
    path = "/api/sync/mautic"
    assert stage.call("POST", path, token=None, body={}).status_code == 401
    assert stage.call("POST", path, token=stage.token("reader", Role.READ), body={}).status_code == 403
    ordered = stage.call("POST", path, token=stage.token("worker", Role.OPERATE), body={})
    assert ordered.status_code not in {401, 403}

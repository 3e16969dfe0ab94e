"""A check that is ordered over the API runs by message and in its token's name; what it mended is undone as well."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from crm_relay.platform.aws.lease import Lease
from crm_relay.platform.aws.queue import send_message
from crm_relay.platform.http.callers import Role
from integrity_check import wiring
from local.runtime.lambda_context import LocalLambdaContext
from tests.conftest import fresh_database
from tests.support.edge_cache.edge_twin import EdgeTwin
from tests.support.integrity.meddled import Meddled
from tests.support.operations.admin_stage import TEMPLATE, AdminStage, admin_stage
from tests.support.platform.rows import one, rows_of

CHECK = "/api/integrity/check"
CONTEXT = LocalLambdaContext.of(TEMPLATE.functions["integrity_check"])


@pytest.fixture(scope="module")
def stage(postgres_url: str) -> Iterator[AdminStage]:
    with fresh_database(postgres_url) as url, admin_stage(url, table=EdgeTwin()) as made:
        yield made


def found(stage: AdminStage) -> dict[str, int]:
    """What the last run that has ended found, by check."""
    return {each["check"]: each["found"] for each in stage.get("/api/integrity")["checks"] if each["found"]}


def test_drift_is_found_mended_and_put_back_by_order_and_each_step_bears_a_name(stage: AdminStage) -> None:
    meddled = Meddled.plant(stage.database, stage.table)
    grace, ada = stage.token("grace", Role.OPERATE), stage.token("ada", Role.OPERATE)
    ordered = stage.call("POST", CHECK, token=grace)
    assert (ordered.status_code, ordered.json()) == (
        202,
        {"fix": False, "full": False, "ordered_by": "grace", "look_at": "/api/integrity"},
    )
    assert stage.get("/api/integrity")["runs"] == []
    assert stage.queues.drain() == 1
    assert found(stage) == {"drift": 1, "invalid_state": 1}
    assert meddled.item_now() == (meddled.item.version, meddled.item.doc)

    assert stage.call("POST", CHECK, token=grace, body={"fix": True, "full": True}).status_code == 202
    stage.queues.drain()
    board = stage.get("/api/integrity")
    runs = [(run["ordered_by"], run["is_fix"], run["is_full"], run["status"]) for run in board["runs"]]
    assert runs == [("grace", True, True, "success"), ("grace", False, False, "success")]
    fixes = {each["check_name"]: each for each in board["fixes"]}
    assert {name: each["fixed_by"] for name, each in fixes.items()} == {"drift": "grace", "invalid_state": "grace"}
    assert (meddled.city_at_edge(), meddled.status_at_edge()) == ("Porto", "sent")

    refuse_those_who_may_not(stage, meddled, fixes["drift"]["id"])
    for fix in fixes.values():
        done = stage.call("POST", f"/api/integrity/fixes/{fix['id']}/revert", token=ada)
        assert (done.status_code, done.json()) == (200, {"id": fix["id"], "done_by": "ada"})
        assert stage.call("POST", f"/api/integrity/fixes/{fix['id']}/revert", token=ada).status_code == 404
    assert meddled.item_now() == (meddled.item.version, meddled.item.doc)
    assert meddled.rows_now() == meddled.rows
    assert meddled.status_at_edge() == "unheard"
    undone = rows_of(stage.database, "select distinct fixed_by, reverted_by from integrity_fixes")
    assert undone == [{"fixed_by": "grace", "reverted_by": "ada"}]


def refuse_those_who_may_not(stage: AdminStage, meddled: Meddled, fix: int) -> None:
    """Without a token, or with one that merely reads, no fix is undone or seen, and no check begins."""
    reader = stage.token("reader", Role.READ)
    routes = [("POST", CHECK), ("POST", f"/api/integrity/fixes/{fix}/revert"), ("GET", f"/api/integrity/fixes/{fix}")]
    for method, path in routes:
        assert stage.call(method, path, token=None).status_code == 401
        assert stage.call(method, path, token=reader).status_code == 403
    assert stage.queues.drain() == 0
    assert meddled.city_at_edge() == "Porto"


def test_what_changed_since_its_fix_is_answered_as_a_conflict_and_stays(stage: AdminStage) -> None:
    email = one(
        stage.database,
        "insert into emails (direction, status, updated_at) values ('inbound', 'unheard', now() - interval '1 day') "
        "returning id",
    )["id"]
    stage.call("POST", CHECK, body={"fix": True})
    stage.queues.drain()
    fix = one(stage.database, "select id from integrity_fixes where row_id = :id", id=str(email))["id"]
    rows_of(stage.database, "update emails set status = null where id = :id", id=email)
    refused = stage.call("POST", f"/api/integrity/fixes/{fix}/revert")
    assert (refused.status_code, refused.json()["error"]) == (409, "what this fix changed has changed again since")
    assert one(stage.database, "select status from emails where id = :id", id=email)["status"] is None


def test_an_order_that_meets_a_run_is_put_back_as_it_was_and_has_its_turn(
    stage: AdminStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    delays = []

    def send_at_once(queue: str, message: Any, *, delay_seconds: int = 0) -> None:
        delays.append(delay_seconds)
        send_message(queue, message)

    monkeypatch.setattr("integrity_check.wiring.send_message", send_at_once)
    assert stage.call("POST", CHECK, token=stage.token("edsger", Role.OPERATE), body={"full": True}).status_code == 202
    lease = Lease(stage.aws.environment["COORDINATION_TABLE"], "integrity", 60)
    assert lease.acquire()
    sqs, queue = stage.aws.client("sqs"), stage.aws.queue_url("IntegrityOrdersQueue")
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=0)["Messages"]
    met = wiring.check({"Records": [{"body": message["Body"]}]}, CONTEXT)
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    assert (met, delays) == ({"success": True, "stepped_aside": True}, [30])
    lease.release()
    assert stage.queues.drain() == 1
    last = one(
        stage.database, "select ordered_by, is_full, is_fix, status from integrity_runs order by id desc limit 1"
    )
    assert last == {"ordered_by": "edsger", "is_full": True, "is_fix": False, "status": "success"}


def test_a_schedule_that_meets_a_run_puts_nothing_back(stage: AdminStage) -> None:
    lease = Lease(stage.aws.environment["COORDINATION_TABLE"], "integrity", 60)
    assert lease.acquire()
    assert wiring.check({"full": True, "fix": True}, CONTEXT)["stepped_aside"]
    lease.release()
    url = stage.aws.queue_url("IntegrityOrdersQueue")
    state = stage.aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert {name: state[f"ApproximateNumberOfMessages{name}"] for name in ("", "Delayed", "NotVisible")} == {
        "": "0",
        "Delayed": "0",
        "NotVisible": "0",
    }


def test_while_a_run_is_at_work_the_checks_are_those_of_the_last_one_that_ended(stage: AdminStage) -> None:
    stage.call("POST", CHECK)
    stage.queues.drain()
    rows_of(
        stage.database,
        "update integrity_runs set counts = :counts where id = (select max(id) from integrity_runs)",
        counts=json.dumps(
            {"drift": {"found": 7, "fixable": 7, "fixed": 0, "asks": False, "unseen": {"emails": "why"}}}
        ),
    )
    rows_of(stage.database, "insert into integrity_runs (started_at, status) values (now(), 'running')")
    board = stage.get("/api/integrity")
    assert board["runs"][0]["finished_at"] is None
    (drift,) = (each for each in board["checks"] if each["check"] == "drift")
    assert (drift["found"], drift["unseen"]) == (7, {"emails": "why"})
    rows_of(stage.database, "update integrity_runs set status = 'failed', finished_at = now() where status = 'running'")
    assert all(each["unseen"] for each in stage.get("/api/integrity")["checks"])

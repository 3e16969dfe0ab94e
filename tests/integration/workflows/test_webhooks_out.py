"""Webhooks on their way out: what is sent, what is recorded, who waits, and who holds up nobody."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from standardwebhooks.webhooks import Webhook

from crm_relay.platform.clock import Deadline, utc_now
from crm_relay.platform.database import Database, Row
from crm_relay.platform.errors import NotConnected, RejectedInput
from crm_relay.platform.http.guarded.exchange import (
    OutgoingAnswer,
    OutgoingRequest,
    TargetNotConnected,
    TargetRefused,
    TargetSilent,
)
from crm_relay.platform.sql import Json
from crm_relay.workflows.webhooks_out import store
from crm_relay.workflows.webhooks_out.decisions import MOST_ATTEMPTS, OPEN_AFTER, PAUSES
from crm_relay.workflows.webhooks_out.models import WebhookOutcome, WebhookReport
from crm_relay.workflows.webhooks_out.operate import (
    cancel_webhook,
    cancelling_of_runs,
    list_webhooks,
    retry_webhook,
    settle_missed_webhooks,
)
from crm_relay.workflows.webhooks_out.record_outcomes import WebhookAttempt, record_outcomes
from crm_relay.workflows.webhooks_out.references import WorkflowSecrets
from crm_relay.workflows.webhooks_out.send_due_webhooks import PER_HOST, send_due_webhooks
from local.simulators.webhooks import WebhookReceiver
from tests.support.platform.lock_recorder import LockOrder, LockRecorder
from tests.support.platform.rows import one, rows_of
from tests.support.source_tree import ROOT
from tests.support.workflows.webhook_stage import SIGNING, FakeReceivers, WebhookStage


@pytest.fixture
def fake() -> FakeReceivers:
    return FakeReceivers()


@pytest.fixture
def stage(database: Database, database_url: str, fake: FakeReceivers) -> WebhookStage:
    return WebhookStage(database, database_url, client=fake)


@pytest.fixture
def real(database: Database, database_url: str) -> Iterator[WebhookStage]:
    """With the real client and a server."""
    with WebhookReceiver() as receiver:
        stage = WebhookStage(database, database_url, receiver)
        stage.client = stage.guarded()
        yield stage


def received(stage: WebhookStage) -> WebhookReceiver:
    assert stage.receiver is not None
    return stage.receiver


# --- what is sent ---------------------------------------------------------------------------------------------------


def test_a_webhook_is_sent_signed_and_delivered_and_its_run_is_due(real: WebhookStage) -> None:
    webhook = real.webhook(secret="secret:crm", headers={"X-Source": "crm", "Authorization": "Bearer secret:token"})
    report = real.send()
    assert dict(report.outcomes) == {"delivered": 1}
    (request,) = received(real).requests
    assert (request.method, request.path, request.body) == ("POST", "/in", b'{"deal":"won"}')
    assert request.headers["webhook-id"] == str(webhook)
    assert request.headers["webhook-timestamp"] == str(int(real.now.timestamp()))
    assert (request.headers["x-source"], request.headers["authorization"]) == ("crm", "Bearer t0ken")
    assert request.headers["content-type"] == "application/json"
    row, run = real.row(webhook), real.run_of(webhook)
    assert (row["state"], row["status_code"], row["attempts"], row["leased_until"]) == ("delivered", 200, 1, None)
    assert (run["next_run_at"], run["waits_for_id"]) == (real.now, webhook)
    action = one(real.db, "select * from workflow_actions where id = :id", id=row["action_id"])
    assert (action["status"], action["result"]) == ("completed", {"status_code": 200, "attempts": 1})
    (log,) = real.logs(webhook)
    assert (log["level"], log["data"]["status_code"], log["step_id"]) == ("info", 200, action["step_id"])


@pytest.mark.parametrize("body", ['{"deal":"won"}', '{"name":"Zoë 🎉"}', "", "plain"])
def test_the_package_of_standard_webhooks_verifies_what_is_sent(real: WebhookStage, body: str) -> None:
    """Its tolerance of five minutes is by the clock of the machine."""
    real.now = utc_now()
    real.webhook(secret="crm", body=body)
    real.send()
    (request,) = received(real).requests
    assert request.body == body.encode()
    verifier = Webhook(SIGNING)
    if body.startswith("{"):
        assert verifier.verify(request.body.decode(), request.headers) == json.loads(body)
    changed = request.body + b" "
    with pytest.raises(Exception, match="No matching signature found"):
        verifier.verify(changed.decode(), request.headers)


def test_both_secrets_sign_while_one_is_replaced(real: WebhookStage) -> None:
    real.now = utc_now()
    old, new = "whsec_" + "b2xkLXNlY3JldA==", "whsec_" + "bmV3LXNlY3JldA=="
    real.secrets = WorkflowSecrets({"crm": (new, old)})
    real.webhook(secret="crm")
    real.send()
    (request,) = received(real).requests
    for secret in (old, new):
        assert Webhook(secret).verify(request.body.decode(), request.headers) == {"deal": "won"}
    assert len(request.headers["webhook-signature"].split()) == 2


def test_one_without_a_secret_has_an_id_and_no_signature(real: WebhookStage) -> None:
    webhook = real.webhook()
    real.send()
    (request,) = received(real).requests
    assert request.id == str(webhook)
    assert "webhook-signature" not in request.headers


def test_a_secret_is_in_no_row_and_no_log(real: WebhookStage) -> None:
    webhook = real.webhook(secret="crm", headers={"X-Token": "secret:token"})
    real.send()
    tables = ["workflow_webhooks", "workflow_steps", "workflow_actions", "workflow_execution_logs", "incidents"]
    kept = [row for table in tables for row in rows_of(real.db, f"select to_jsonb(t)::text as row from {table} t")]
    assert kept
    assert all("t0ken" not in each["row"] and SIGNING[6:] not in each["row"] for each in kept)
    assert real.state(webhook)[0] == "delivered"


def test_a_missing_secret_fails_clearly_and_can_be_retried_once_it_is_set(
    stage: WebhookStage, fake: FakeReceivers
) -> None:
    webhook = stage.webhook(secret="secret:other", is_awaited=False)
    stage.send()
    assert stage.state(webhook) == ("failed", "secret_missing")
    assert fake.requests == []
    assert stage.incidents() == [("workflow_webhook", str(webhook)), ("workflow_webhook_secret", "other")]
    stage.secrets = WorkflowSecrets({"other": ("s3cret",)})
    retry_webhook(stage.db, webhook, stage.now)
    stage.send()
    assert stage.state(webhook) == ("delivered", None)
    assert stage.incidents() == []


def test_a_missing_secret_of_a_step_that_waits_is_the_failure_of_the_step(stage: WebhookStage) -> None:
    webhook = stage.webhook(headers={"Authorization": "secret:other"})
    stage.send()
    assert stage.state(webhook) == ("failed", "secret_missing")
    assert stage.run_of(webhook)["next_run_at"] == stage.now
    assert stage.incidents() == [("workflow_webhook_secret", "other")]


@pytest.mark.parametrize(
    "name", ["Host", "Content-Length", "Transfer-Encoding", "webhook-id", "Webhook-Signature", "TE"]
)
def test_a_reserved_header_is_refused_and_nothing_is_sent(stage: WebhookStage, fake: FakeReceivers, name: str) -> None:
    webhook = stage.webhook(headers={name: "x"})
    stage.send()
    assert stage.state(webhook) == ("failed", f"headers: {name} cannot be set")
    assert fake.requests == []


@pytest.mark.parametrize("value", ["a\r\nHost: b", "\x00", "Ω", 5, None, ["x"]])
def test_a_header_that_cannot_be_sent_fails_that_webhook_alone(stage: WebhookStage, value: Any) -> None:
    broken, fine = stage.webhook(headers={"X-A": "a"}), stage.webhook()
    if value != "\x00":
        rows_of(
            stage.db,
            "update workflow_webhooks set headers = :headers where id = :id returning id",
            headers=Json({"X-A": value}),
            id=broken,
        )
        stage.send()
        assert stage.state(broken) == ("failed", "headers: the value of X-A cannot be sent")
    else:
        stage.send()
    assert stage.state(fine) == ("delivered", None)


@pytest.mark.parametrize("headers", ["[]", '"text"', "3"])
def test_headers_of_another_shape_fail_that_webhook_alone(stage: WebhookStage, headers: str) -> None:
    broken, fine = stage.webhook(), stage.webhook()
    rows_of(
        stage.db,
        "update workflow_webhooks set headers = cast(:headers as jsonb) where id = :id returning id",
        headers=headers,
        id=broken,
    )
    stage.send()
    assert stage.state(broken)[0] == "failed"
    assert stage.state(fine) == ("delivered", None)


# --- what an answer means -------------------------------------------------------------------------------------------


def test_500_twice_and_then_200_is_delivered_once(real: WebhookStage) -> None:
    webhook = real.webhook()
    received(real).fault("status", status=500, times=2)
    reports = []
    for _ in range(4):
        reports.append(dict(real.send().outcomes))
        real.wait(hours=2)
    assert reports == [{"waiting": 1}, {"waiting": 1}, {"delivered": 1}, {}]
    assert received(real).requests_by_id == {str(webhook): 3}
    assert set(received(real).taken) == {str(webhook)}
    assert real.row(webhook)["attempts"] == 3
    assert [log["level"] for log in real.logs(webhook)] == ["warning", "warning", "info"]


@pytest.mark.parametrize("kind", ["cut_before", "cut_after", "hang"])
def test_an_unclear_outcome_is_repeated_under_the_same_id(real: WebhookStage, kind: str) -> None:
    webhook = real.webhook()
    received(real).fault(kind)
    real.send(client=real.guarded(seconds=0.3))
    assert real.state(webhook)[0] == "waiting"
    real.wait(minutes=2)
    real.send()
    assert real.state(webhook) == ("delivered", None)
    assert received(real).requests_by_id == {str(webhook): 2}
    assert set(received(real).taken) == {str(webhook)}


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_what_may_work_later_is_tried_again(stage: WebhookStage, fake: FakeReceivers, status: int) -> None:
    webhook = stage.webhook()
    fake.answers["hooks.example.com"] = status
    stage.send()
    row = stage.row(webhook)
    assert (row["state"], row["reason"], row["status_code"]) == ("waiting", f"status_{status}", status)
    assert row["next_attempt_at"] == stage.now + PAUSES[0]
    assert stage.run_of(webhook)["next_run_at"] is None


@pytest.mark.parametrize("status", [300, 304, 400, 401, 403, 404, 409, 410, 413, 422, 451])
def test_what_is_refused_fails_at_once(stage: WebhookStage, fake: FakeReceivers, status: int) -> None:
    webhook = stage.webhook()
    fake.answers["hooks.example.com"] = status
    stage.send()
    row = stage.row(webhook)
    assert (row["state"], row["attempts"], row["status_code"]) == ("failed", 1, status)
    assert row["reason"] == ("gone" if status == 410 else f"status_{status}")
    assert stage.run_of(webhook)["next_run_at"] == stage.now
    action = one(stage.db, "select * from workflow_actions where id = :id", id=row["action_id"])
    assert (action["status"], action["error_code"]) == ("failed", row["reason"])


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (TargetRefused("loopback"), "failed", "refused_loopback"),
        (TargetNotConnected("certificate"), "waiting", "certificate"),
        (TargetNotConnected("no_such_name"), "waiting", "no_such_name"),
        (TargetSilent("timed_out"), "waiting", "timed_out"),
        (NotConnected("x"), "waiting", "not_connected"),
        (KeyError("x"), "failed", "cannot_be_sent: KeyError"),
    ],
)
def test_each_way_to_get_no_answer_has_its_outcome(
    stage: WebhookStage, fake: FakeReceivers, error: Exception, state: str, reason: str
) -> None:
    webhook, other = stage.webhook(), stage.webhook("https://other.example.com/")
    fake.answers["hooks.example.com"] = error
    stage.send()
    assert stage.state(webhook) == (state, reason)
    assert stage.state(other) == ("delivered", None)


def test_pauses_grow_and_the_last_attempt_fails_with_its_reason(stage: WebhookStage, fake: FakeReceivers) -> None:
    webhook = stage.webhook()
    fake.answers["hooks.example.com"] = 500
    for attempt in range(1, MOST_ATTEMPTS):
        stage.send()
        row = stage.row(webhook)
        assert (row["state"], row["attempts"]) == ("waiting", attempt)
        assert row["next_attempt_at"] - stage.now == PAUSES[attempt - 1]
        stage.now = row["next_attempt_at"]
    stage.send()
    assert stage.state(webhook) == ("failed", "status_500")
    assert len(fake.requests) == MOST_ATTEMPTS
    assert stage.run_of(webhook)["next_run_at"] == stage.now


@pytest.mark.parametrize(
    ("header", "pause"),
    [
        ("5", timedelta(minutes=1)),
        ("600", timedelta(minutes=10)),
        ("86400", timedelta(hours=1)),
        ("99999999999999999999", timedelta(hours=1)),
        ("Mon, 02 Mar 2026 09:50:00 GMT", timedelta(minutes=20)),
        ("Mon, 02 Mar 2020 09:50:00 GMT", timedelta(minutes=1)),
        ("soon", timedelta(minutes=1)),
        ("-5", timedelta(minutes=1)),
    ],
)
def test_retry_after_is_obeyed_up_to_an_hour(
    stage: WebhookStage, fake: FakeReceivers, header: str, pause: timedelta
) -> None:
    webhook, second = stage.webhook(), None
    fake.answers["hooks.example.com"] = lambda _request: OutgoingAnswer(429, {"retry-after": header})
    stage.send()
    assert stage.row(webhook)["next_attempt_at"] == stage.now + pause
    if pause > timedelta(minutes=1):
        second = stage.webhook()
        stage.wait(minutes=1)
        stage.send()
        assert stage.row(second)["attempts"] == 0, "the host asked for a rest"


# --- hosts and turns ------------------------------------------------------------------------------------------------


def test_a_host_rests_after_five_failures_and_then_gets_one_request(stage: WebhookStage, fake: FakeReceivers) -> None:
    stage.webhooks(20, "https://bad.example.com/")
    fake.answers["bad.example.com"] = TargetSilent("timed_out")
    stage.send()
    asked = fake.by_host["bad.example.com"]
    assert OPEN_AFTER <= asked < OPEN_AFTER + PER_HOST
    assert stage.hosts() == {"bad.example.com": asked}
    ((kind, subject),) = stage.incidents()
    assert (kind, subject.split()[1]) == ("workflow_webhook_host", "bad.example.com")
    for _ in range(3):
        before = fake.by_host["bad.example.com"]
        stage.send()
        assert fake.by_host["bad.example.com"] == before, "it rests"
        stage.now = one(stage.db, "select rests_until as at from workflow_webhook_hosts")["at"]
        stage.send()
        assert fake.by_host["bad.example.com"] == before + 1, "one request asks whether it is back"
    rests = one(stage.db, "select rests_until as at from workflow_webhook_hosts")["at"] - stage.now
    assert timedelta(minutes=1) < rests <= timedelta(hours=1)
    fake.answers["bad.example.com"] = 200
    stage.wait(hours=1)
    stage.send()
    assert stage.states() == {"delivered": 20}
    assert stage.hosts() == {"bad.example.com": 0}
    assert stage.incidents() == []


def test_all_workers_see_that_a_host_rests(stage: WebhookStage, fake: FakeReceivers, database_url: str) -> None:
    stage.webhooks(OPEN_AFTER, "https://bad.example.com/")
    fake.answers["bad.example.com"] = 500
    stage.send()
    before = len(fake.requests)
    stage.webhook("https://bad.example.com/")
    other = Database(database_url)
    send_due_webhooks(other, fake, stage.secrets, lambda: stage.now, Deadline.after(60))
    other.close()
    assert len(fake.requests) == before


def test_the_host_of_one_organization_rests_for_nobody_else(stage: WebhookStage, fake: FakeReceivers) -> None:
    other = stage.organization("Other")
    stage.webhooks(OPEN_AFTER, "https://shared.example.com/bad")
    fake.answers["shared.example.com"] = lambda request: OutgoingAnswer(500 if "bad" in request.url else 200)
    stage.send()
    theirs = stage.webhook("https://shared.example.com/good", org_id=other)
    stage.send()
    assert stage.state(theirs) == ("delivered", None)


def test_a_hanging_host_delays_nobody(stage: WebhookStage, fake: FakeReceivers, database_url: str) -> None:
    """Its requests hang until everything else is recorded, which they would wait for in vain if they delayed it."""
    stage.webhooks(PER_HOST * 2, "https://hanging.example.com/")
    quick = stage.webhooks(40, "https://quick.example.com/")
    seen: list[int] = []

    def hang(_request: OutgoingRequest) -> OutgoingAnswer:
        own = Database(database_url)
        delivered = 0
        for _ in range(1_000):
            sql = "select count(*)::integer as n from workflow_webhooks where state = 'delivered'"
            delivered = one(own, sql)["n"]
            if delivered == len(quick):
                break
            threading.Event().wait(0.02)
        own.close()
        seen.append(delivered)
        raise TargetSilent("timed_out")

    fake.answers["hanging.example.com"] = hang
    stage.send()
    assert seen
    assert set(seen) == {len(quick)}


def test_turns_are_fair_over_organizations_and_hosts(stage: WebhookStage) -> None:
    """A hundred of one organization, over ten hosts, beside one of another that is due later."""
    for host in range(10):
        stage.webhooks(10, f"https://h{host}.example.com/")
    stage.wait(minutes=1)
    stage.webhook("https://theirs.example.com/", org_id=stage.organization("Other"))
    claimed = Counter(each.host for each in store.claim(stage.db, stage.now, limit=8, per_host=4))
    assert claimed["theirs.example.com"] == 1
    assert set(claimed.values()) == {1}, "no host has a second turn before each has had one"


def test_of_a_host_only_some_requests_are_under_way_at_once(stage: WebhookStage, fake: FakeReceivers) -> None:
    under_way, most = [0], [0]
    lock = threading.Lock()

    def slow(_request: OutgoingRequest) -> OutgoingAnswer:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        threading.Event().wait(0.05)
        with lock:
            under_way[0] -= 1
        return OutgoingAnswer(204)

    fake.answers["hooks.example.com"] = slow
    stage.webhooks(20)
    stage.send()
    assert most[0] <= PER_HOST
    assert stage.states() == {"delivered": 20}


def test_a_webhook_that_waits_too_long_for_a_silent_host_fails(stage: WebhookStage, fake: FakeReceivers) -> None:
    fake.answers["hooks.example.com"] = TargetNotConnected("not_connected")
    webhooks = stage.webhooks(12)
    paused = stage.webhook(run=stage.run(status="paused"))
    for _ in range(40):
        stage.send()
        stage.wait(hours=2)
    assert {stage.state(each) for each in webhooks} <= {("failed", "expired"), ("failed", "not_connected")}
    assert ("failed", "expired") in {stage.state(each) for each in webhooks}
    assert all(stage.run_of(each)["next_run_at"] is not None for each in webhooks)
    assert stage.state(paused)[0] == "waiting"


# --- leases and fences ----------------------------------------------------------------------------------------------


def test_a_leased_webhook_is_left_alone_until_its_lease_has_lapsed(stage: WebhookStage, fake: FakeReceivers) -> None:
    webhook = stage.webhook()
    rows_of(
        stage.db,
        "update workflow_webhooks set state = 'sending', fence = 1, attempts = 1,"
        " leased_until = clock_timestamp() + interval '30 seconds' where id = :id returning id",
        id=webhook,
    )
    stage.wait(days=1)
    stage.send()
    assert fake.requests == [], "the lease is by the clock of the database, not by ours"
    stage.lapse()
    stage.send()
    row = stage.row(webhook)
    assert (row["state"], row["fence"], row["attempts"]) == ("delivered", 2, 2)


def test_a_worker_that_lost_its_lease_changes_nothing(
    stage: WebhookStage, fake: FakeReceivers, database_url: str
) -> None:
    webhook = stage.webhook()

    def overtaken(_request: OutgoingRequest) -> OutgoingAnswer:
        """While it is under way, its lease lapses, and another worker delivers the webhook."""
        own = Database(database_url)
        rows_of(
            own,
            "update workflow_webhooks set leased_until = clock_timestamp() - interval '1 second' returning id",
        )
        send_due_webhooks(own, FakeReceivers(), stage.secrets, lambda: stage.now, Deadline.after(60))
        own.close()
        return OutgoingAnswer(500)

    fake.answers["hooks.example.com"] = overtaken
    report = stage.send()
    assert (report.lost, dict(report.outcomes)) == (1, {})
    row = stage.row(webhook)
    assert (row["state"], row["status_code"], row["fence"]) == ("delivered", 200, 2)
    assert [log["level"] for log in stage.logs(webhook)] == ["info"]


def test_a_webhook_that_kills_its_workers_fails_in_the_end(stage: WebhookStage, fake: FakeReceivers) -> None:
    webhook = stage.webhook()
    stage.set(webhook, state="sending", attempts=MOST_ATTEMPTS + 3, fence=11)
    stage.lapse()
    stage.send()
    assert stage.state(webhook) == ("failed", "worker_lost")
    assert fake.requests == []


def test_without_time_nothing_is_begun(stage: WebhookStage, fake: FakeReceivers) -> None:
    stage.webhooks(3)
    report = stage.send(seconds=5)
    assert (report.is_finished, fake.requests, stage.states()) == (False, [], {"waiting": 3})


# --- runs -----------------------------------------------------------------------------------------------------------


def test_webhooks_of_a_cancelled_run_never_leave(stage: WebhookStage, fake: FakeReceivers) -> None:
    webhook = stage.webhook(run=stage.run(status="cancelled"))
    later = stage.webhook(run=stage.run(status="cancelled"), next_attempt_at=stage.now + timedelta(hours=1))
    assert stage.send().cancelled == 1
    assert stage.state(webhook) == ("cancelled", "run_cancelled")
    stage.wait(hours=2)
    stage.send()
    assert stage.state(later) == ("cancelled", "run_cancelled")
    assert fake.requests == []


def test_the_transaction_that_cancels_a_run_cancels_its_webhooks(stage: WebhookStage, fake: FakeReceivers) -> None:
    webhook, other = stage.webhook(), stage.webhook()
    run: UUID = stage.run_of(webhook)["id"]
    stage.db.transact(lambda tx: tx.send_all([cancelling_of_runs([run], stage.now)]))
    stage.send()
    assert (stage.state(webhook)[0], stage.state(other)[0]) == ("cancelled", "delivered")
    assert fake.ids == [str(other)]


def test_a_paused_run_and_a_paused_workflow_wait(stage: WebhookStage, fake: FakeReceivers) -> None:
    run = stage.run()
    webhook = stage.webhook(run=run)
    rows_of(stage.db, "update workflow_executions set status = 'paused' where id = :id returning id", id=run)
    stage.send()
    rows_of(stage.db, "update workflow_executions set status = 'running' where id = :id returning id", id=run)
    rows_of(stage.db, "update workflows set paused_at = now() returning id")
    stage.send()
    assert (fake.requests, stage.state(webhook)[0]) == ([], "waiting")
    rows_of(stage.db, "update workflows set paused_at = null returning id")
    stage.send()
    assert stage.state(webhook)[0] == "delivered"


def test_a_run_that_was_paused_while_its_webhook_was_under_way_is_due_when_it_is_resumed(
    stage: WebhookStage, fake: FakeReceivers, database_url: str
) -> None:
    webhook = stage.webhook()

    def pause(_request: OutgoingRequest) -> OutgoingAnswer:
        own = Database(database_url)
        rows_of(own, "update workflow_executions set status = 'paused' returning id")
        own.close()
        return OutgoingAnswer(200)

    fake.answers["hooks.example.com"] = pause
    stage.send()
    run = stage.run_of(webhook)
    assert (run["status"], run["next_run_at"], run["due_before_pause"]) == ("paused", None, stage.now)


def test_a_webhook_that_no_step_waits_for_settles_nothing_and_its_failure_is_an_incident(
    stage: WebhookStage, fake: FakeReceivers
) -> None:
    webhook = stage.webhook(run=stage.run(status="completed"), is_awaited=False)
    fake.answers["hooks.example.com"] = 404
    stage.send()
    assert stage.state(webhook) == ("failed", "status_404")
    assert stage.run_of(webhook)["next_run_at"] is None
    assert stage.incidents() == [("workflow_webhook", str(webhook))]
    cancel_webhook(stage.db, webhook, stage.now)
    assert (stage.state(webhook)[0], stage.incidents()) == ("cancelled", [])


def test_a_run_that_waits_for_an_outcome_that_is_there_is_due_after_the_sweep(stage: WebhookStage) -> None:
    webhook = stage.webhook()
    stage.set(webhook, state="delivered")
    assert settle_missed_webhooks(stage.db, stage.now) == 1
    assert stage.run_of(webhook)["next_run_at"] == stage.now
    assert settle_missed_webhooks(stage.db, stage.now) == 0


# --- operators ------------------------------------------------------------------------------------------------------


def test_a_retry_has_the_same_id_and_all_attempts(stage: WebhookStage, fake: FakeReceivers) -> None:
    webhook = stage.webhook(is_awaited=False)
    fake.answers["hooks.example.com"] = 404
    stage.send()
    fake.answers["hooks.example.com"] = 200
    for _ in range(2):
        retry_webhook(stage.db, webhook, stage.now)
    stage.send()
    assert stage.state(webhook) == ("delivered", None)
    assert fake.ids == [str(webhook)] * 2
    assert stage.row(webhook)["attempts"] == 1
    with pytest.raises(RejectedInput, match="is delivered") as refused:
        retry_webhook(stage.db, webhook, stage.now)
    assert refused.value.status == 409


def test_one_that_a_step_waited_for_is_retried_with_its_run(stage: WebhookStage) -> None:
    webhook = stage.webhook()
    stage.set(webhook, state="failed")
    rows_of(
        stage.db, "update workflow_executions set status = 'failed', waits_for = null, waits_for_id = null returning id"
    )
    with pytest.raises(RejectedInput, match="retry the run"):
        retry_webhook(stage.db, webhook, stage.now)


def test_a_cancelled_webhook_lets_its_run_go_on(stage: WebhookStage, fake: FakeReceivers) -> None:
    webhook = stage.webhook()
    cancel_webhook(stage.db, webhook, stage.now)
    stage.send()
    assert (fake.requests, stage.state(webhook)) == ([], ("cancelled", "cancelled"))
    assert stage.run_of(webhook)["next_run_at"] == stage.now


def test_an_operator_reaches_webhooks_of_the_own_organization_alone(stage: WebhookStage) -> None:
    webhook = stage.webhook()
    other = stage.organization("Other")
    for verb in (retry_webhook, cancel_webhook):
        with pytest.raises(RejectedInput) as refused:
            verb(stage.db, webhook, stage.now, org_id=other)
        assert refused.value.status == 404
        with pytest.raises(RejectedInput):
            verb(stage.db, uuid4(), stage.now)
    assert list_webhooks(stage.db, stage.now, org_id=other) == []


def test_the_list_shows_what_waits_and_why_and_no_secret(stage: WebhookStage, fake: FakeReceivers) -> None:
    stage.webhooks(OPEN_AFTER, "https://bad.example.com/T0ken")
    fake.answers["bad.example.com"] = 500
    stage.send()
    lines = list_webhooks(stage.db, stage.now, states=["waiting"])
    assert len(lines) == OPEN_AFTER
    assert {(line.host, line.reason, line.status_code) for line in lines} == {("bad.example.com", "status_500", 500)}
    assert all(line.host_rests_until is not None and line.workflow_id == stage.workflow() for line in lines)
    assert "T0ken" not in repr(lines)
    assert len(list_webhooks(stage.db, stage.now, limit=2)) == 2
    assert list_webhooks(stage.db, stage.now, execution_id=uuid4()) == []
    with pytest.raises(RejectedInput):
        list_webhooks(stage.db, stage.now, states=["T0ken"])


def test_transactions_of_the_outbox_lock_in_the_order_of_the_house(
    stage: WebhookStage, fake: FakeReceivers, database_url: str
) -> None:
    webhooks = [stage.webhook(f"https://h{n % 3}.example.com/") for n in range(9)]
    fake.answers = {"h0.example.com": 500, "h1.example.com": 404}
    stage.db, kept = LockRecorder(database_url), stage.db
    recorder = stage.db
    stage.send()
    stage.wait(minutes=2)
    stage.send()
    cancel_webhook(stage.db, webhooks[0], stage.now)
    stage.db.transact(lambda tx: tx.send_all([cancelling_of_runs([run_id_of(kept, webhooks[3])], stage.now)]))
    recorder.close()
    assert recorder.transactions
    assert LockOrder.read(ROOT / "schema" / "lock_order.toml").disorder(recorder.transactions) == []


def run_id_of(database: Database, webhook: UUID) -> UUID:
    found: UUID = one(database, "select execution_id as id from workflow_webhooks where id = :id", id=webhook)["id"]
    return found


# --- costs ----------------------------------------------------------------------------------------------------------


class CountedStatements(Database):
    """Counts statements, those included that share a message."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.statements = 0

    def _send(self, sql: str, **more: bool) -> list[list[Row]]:
        results = super()._send(sql, **more)
        self.statements += sum(not each.startswith(("begin", "commit")) for each in sql.split("\n; "))
        self.statements += sql.startswith("begin; ")
        return results


@pytest.fixture
def counted(stage: WebhookStage, database_url: str) -> Iterator[CountedStatements]:
    counted = CountedStatements(database_url)
    yield counted
    counted.close()


def cost_of(stage: WebhookStage, counted: CountedStatements, number: int, outcome: WebhookOutcome) -> int:
    """A claim and the record of what was claimed."""
    for each in range(number):
        stage.webhook(f"https://h{each}.example.com/")
    claimed = store.claim(counted, stage.now, limit=number, per_host=1)
    assert len(claimed) == number
    record_outcomes(counted, [WebhookAttempt(each, outcome) for each in claimed], stage.now, WebhookReport())
    return counted.statements


def test_an_idle_tick_is_one_statement(stage: WebhookStage, counted: CountedStatements) -> None:
    stage.webhook(next_attempt_at=stage.now + timedelta(minutes=1))
    stage.db = counted
    assert stage.send().is_idle
    assert counted.statements == 1


@pytest.mark.parametrize("number", [1, 16])
@pytest.mark.parametrize(
    ("outcome", "statements"),
    [
        (WebhookOutcome("delivered", None, 200, host_failed=False), 4),
        (WebhookOutcome("waiting", "status_500", 500, timedelta(minutes=1), host_failed=True), 5),
        (WebhookOutcome("failed", "secret_missing", missing_secret="x"), 5),
    ],
    ids=lambda value: value.state if isinstance(value, WebhookOutcome) else "",
)
def test_a_batch_costs_the_same_whatever_its_size(
    stage: WebhookStage, counted: CountedStatements, number: int, outcome: WebhookOutcome, statements: int
) -> None:
    """The claim, two locks and the record; hosts where they changed, incidents where there are some."""
    assert cost_of(stage, counted, number, outcome) == statements


def test_a_run_of_a_worker_costs_four_statements_more(stage: WebhookStage, counted: CountedStatements) -> None:
    """The look, incidents of secrets, webhooks of cancelled runs, and the claim that finds nothing more."""
    stage.webhook()
    stage.db = counted
    stage.send()
    assert counted.statements == 8

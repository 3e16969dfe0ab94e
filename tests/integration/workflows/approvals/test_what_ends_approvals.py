"""What becomes of approvals around their decision: notifications, cancelled runs, people who leave, erasure, checks."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from crm_relay.consent.person import Person
from crm_relay.integrity.workflows.unmoved import contradicting_workflows
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from crm_relay.workflows.approvals.deciding.decide import decide
from crm_relay.workflows.approvals.deciding.decisions import Decision
from crm_relay.workflows.approvals.models import ApprovalAction, Way
from crm_relay.workflows.approvals.overview import list_approvals, show_approval
from crm_relay.workflows.approvals.sweeps import repair_approvals
from crm_relay.workflows.engine.sweeps import repair_runs
from crm_relay.workflows.operations.erase import erase_workflows
from crm_relay.workflows.operations.steer import RunChange, change_runs
from tests.support.platform.counting_proxy import CountingProxy
from tests.support.workflows.approval_stage import MANAGER, ApprovalStage, asking, role, user, with_ways
from tests.support.workflows.run_harness import RunHarness, chain, step

YES = ApprovalAction.APPROVE


@pytest.fixture
def stage(runs: RunHarness) -> ApprovalStage:
    return ApprovalStage(runs)


def withdrawn(stage: ApprovalStage, person: UUID) -> list[str | None]:
    rows = stage.runs.rows("select withdrawn_for from notifications where user_id = :id order by created_at", id=person)
    return [row["withdrawn_for"] for row in rows]


def test_what_is_decided_is_asked_of_nobody_any_more(stage: ApprovalStage) -> None:
    """The notification is put away, and drops out of the digest that it waits in."""
    stage.runs.rows(
        "insert into notification_preferences (org_id, user_id, category, channels, frequency)"
        " values (:org, :user, 'workflow', '[\"in_app\", \"email\"]', 'daily_digest') returning id",
        org=stage.runs.org,
        user=stage.max,
    )
    run = stage.begin(asking(MANAGER))
    (waiting,) = stage.runs.rows("select channel, state from notification_deliveries where state = 'digest'")
    assert waiting["channel"] == "email"
    stage.approve(run, stage.max)
    assert withdrawn(stage, stage.max) == ["decided"]


@pytest.mark.parametrize("quorum", [None, 1])
def test_those_who_need_not_answer_any_more_are_asked_no_more(stage: ApprovalStage, quorum: int | None) -> None:
    eve, tom = stage.person("eve", role="finance"), stage.person("tom", role="finance")
    config = {} if quorum is None else {"mode": "parallel", "quorum": quorum}
    run = stage.begin(asking(role("finance"), **config))
    other = stage.pending(run, eve)
    stage.approve(run, tom)
    assert (withdrawn(stage, eve), withdrawn(stage, tom)) == (["decided"], ["decided"])
    answered = stage.decide(other, YES, eve)
    assert (answered.status, answered.changed) == ("expired", False)


def test_a_cancelled_run_asks_nobody(stage: ApprovalStage) -> None:
    run = stage.begin(asking(MANAGER))
    asked = stage.pending(run, stage.max)
    change_runs(stage.runs.db, RunChange.CANCEL, stage.runs.now, runs=[run])
    assert (stage.said(run), withdrawn(stage, stage.max)) == ([("max", "expired")], ["decided"])
    assert stage.decide(asked, YES, stage.max).status == "expired"
    assert "approval over: cancelled" in stage.runs.log(run)


def test_a_paused_run_is_decided_and_goes_on_when_it_is_resumed(stage: ApprovalStage) -> None:
    run = stage.begin(asking(MANAGER))
    change_runs(stage.runs.db, RunChange.PAUSE, stage.runs.now, runs=[run])
    assert stage.decide(stage.pending(run, stage.max), YES, stage.max).changed
    stage.tick(minutes=5)
    assert stage.runs.status(run) == "paused"
    change_runs(stage.runs.db, RunChange.RESUME, stage.runs.now, runs=[run])
    stage.tick()
    assert stage.runs.status(run) == "completed"


def test_a_record_that_is_gone_needs_no_approval(stage: ApprovalStage) -> None:
    run = stage.begin(asking(MANAGER))
    stage.runs.rows("update deals set deleted_at = now() where id = :id returning id", id=stage.deal)
    stage.tick(hours=1)
    assert (stage.runs.status(run), stage.said(run)) == ("cancelled", [("max", "expired")])


def test_a_run_that_sql_ended_is_decided_by_nobody(stage: ApprovalStage) -> None:
    run = stage.begin(asking(MANAGER))
    asked = stage.pending(run, stage.max)
    stage.runs.rows("update workflow_executions set status = 'cancelled' where id = :id returning id", id=run)
    assert stage.refusal(asked, YES, stage.max) == (409, "the run that asked for it is over")
    repair_runs(stage.runs.db, stage.runs.now)
    repair_approvals(stage.runs.db, stage.runs.now)
    assert (stage.said(run), withdrawn(stage, stage.max)) == ([("max", "expired")], ["decided"])


def test_whoever_leaves_is_replaced_with_the_next_repair(stage: ApprovalStage) -> None:
    ida = stage.person("ida")
    stage.change(stage.max, manager_id=ida)
    run = stage.begin(asking(MANAGER))
    stage.change(stage.max, is_active=False)
    stage.tick(minutes=5)
    assert stage.asked(run) == ["max"]
    assert repair_approvals(stage.runs.db, stage.runs.now) == 1
    stage.tick()
    assert stage.said(run) == [("ida", "pending"), ("max", "expired")]
    assert repair_approvals(stage.runs.db, stage.runs.now) == 0


def test_an_approval_that_nobody_can_give_is_an_incident_until_somebody_can(stage: ApprovalStage) -> None:
    stage.change(stage.max, is_active=False)
    run = stage.begin(asking(MANAGER))
    assert (stage.asked(run), stage.runs.incidents()) == ([], {"workflow_approval_undecidable"})
    found = contradicting_workflows(stage.runs.db, settled_before=stage.runs.now + timedelta(hours=2), limit=10)
    assert [(row["id"], row["what"]) for row in found if "approval" in row["what"]] == [
        (str(run), "waits for an approval that nobody can decide")
    ]
    stage.change(stage.max, is_active=True)
    stage.tick(minutes=15)
    assert (stage.asked(run), stage.runs.incidents()) == (["max"], set())


def test_the_incident_of_a_run_that_was_cancelled_is_over(stage: ApprovalStage) -> None:
    stage.change(stage.max, is_active=False)
    run = stage.begin(asking(MANAGER))
    change_runs(stage.runs.db, RunChange.CANCEL, stage.runs.now, runs=[run])
    repair_approvals(stage.runs.db, stage.runs.now)
    assert stage.runs.incidents() == set()


def test_an_approval_that_no_run_waits_for_is_found(stage: ApprovalStage) -> None:
    run = stage.begin(asking(MANAGER))
    stage.runs.rows("update workflow_executions set status = 'cancelled' where id = :id returning id", id=run)
    found = contradicting_workflows(stage.runs.db, settled_before=datetime.now(UTC) + timedelta(hours=2), limit=10)
    assert "pending though no run waits for it" in {row["what"] for row in found}


def test_a_deputy_of_a_deputy_decides_and_the_row_says_for_whom(stage: ApprovalStage) -> None:
    dora = stage.person("dora")
    emil = stage.person("emil", deputy_id=dora)
    stage.change(stage.max, deputy_id=emil)
    stage.away(stage.max)
    stage.away(emil)
    run = stage.begin(asking(MANAGER))
    stage.approve(run, dora)
    (row,) = stage.approvals(run)
    assert (row["came_by"], row["stands_for"], row["decided_by_name"]) == ("deputy", stage.max, "Dora")
    assert stage.runs.status(run) == "completed"


def test_expiry_takes_its_own_way(stage: ApprovalStage) -> None:
    run = stage.begin(with_ways(MANAGER, expires="+2d"))
    stage.tick(days=2)
    assert (stage.runs.status(run), stage.tasks(), stage.said(run)) == ("completed", ["No"], [("max", "expired")])


def test_escalation_hands_the_request_on(stage: ApprovalStage) -> None:
    ida = stage.person("ida")
    stage.change(stage.max, manager_id=ida)
    run = stage.begin(asking(MANAGER, due="+1d", escalate_to="manager"))
    stage.tick(days=1)
    first, second = sorted(stage.approvals(run), key=lambda row: row["created_at"])
    assert (first["status"], first["escalated_to"], first["escalation_reason"]) == ("escalated", ida, "overdue")
    assert (second["approver_id"], second["follows"], withdrawn(stage, stage.max)) == (ida, first["id"], ["decided"])
    stage.approve(run, ida)
    assert stage.runs.status(run) == "completed"


def test_a_step_that_cannot_be_asked_fails_and_asks_again_when_it_is_retried(stage: ApprovalStage) -> None:
    program = chain(step("approval", title="x", approvers=[{"type": "user", "user_id": "{{deal.stage}}"}]))
    stage.runs.rows("update deals set stage = 'nobody' where id = :id returning id", id=stage.deal)
    run = stage.begin(program)
    assert stage.runs.status(run) == "failed"
    stage.runs.rows(f"update deals set stage = '{stage.max}' where id = :id returning id", id=stage.deal)
    change_runs(stage.runs.db, RunChange.RETRY, stage.runs.now, runs=[run])
    stage.tick()
    assert stage.asked(run) == ["max"]
    stage.runs.rows("update deals set stage = 'nobody' where id = :id returning id", id=stage.deal)
    stage.approve(run, stage.max)
    assert stage.runs.status(run) == "completed"


def test_an_erasure_leaves_the_decision_without_the_person(stage: ApprovalStage) -> None:
    contact = stage.runs.contact("ada")
    stage.runs.rows("update deals set lead_contact_id = :c where id = :id returning id", c=contact, id=stage.deal)
    run = stage.begin(chain(
        step("approval", title="{{deal.name}} for {{contact.first_name}}", message="Ada wants it", approvers=[MANAGER])
    ))  # fmt: skip
    stage.approve(run, stage.max)
    reached = erase_workflows(stage.runs.db, Person(addresses=frozenset({"ada@example.com"})), stage.runs.now)
    (row,) = stage.approvals(run)
    assert (row["title"], row["message"], row["status"], reached["workflow_approvals"]) == (
        "redacted", None, "approved", 1,
    )  # fmt: skip
    assert stage.runs.notified(stage.max) == []
    reached = erase_workflows(stage.runs.db, Person(addresses=frozenset({"max@relay.example"})), stage.runs.now)
    (row,) = stage.approvals(run)
    assert (row["decided_by_name"], row["response_notes"], reached) == ("redacted", None, {"workflow_approvals": 1})
    assert erase_workflows(stage.runs.db, Person(addresses=frozenset({"max@relay.example"})), stage.runs.now) == {}


def test_a_list_has_the_oldest_first_with_its_age(stage: ApprovalStage) -> None:
    stage.runs.time[0] = datetime.now(UTC) - timedelta(hours=2)
    first = stage.begin(asking(MANAGER))
    stage.runs.time[0] += timedelta(hours=1)
    eve = stage.person("eve")
    stage.begin(asking(user(eve)))
    listed = list_approvals(stage.runs.db, viewer=stage.max)
    assert [(each.approver_name, each.is_mine) for each in listed] == [("Max", True), ("Eve", False)]
    assert listed[0].age_seconds is not None
    assert 7_100 < listed[0].age_seconds < 7_400
    assert [each.approver_name for each in list_approvals(stage.runs.db, approver_id=eve)] == ["Eve"]
    stage.decide(stage.pending(first, stage.max), YES, stage.max, way=Way.CLI)
    assert [each.status for each in list_approvals(stage.runs.db, is_pending=None)] == ["pending", "approved"]
    shown = show_approval(stage.runs.db, stage.approvals(first)[0]["id"])
    assert (shown.decided_via, shown.requester_name, shown.workflow_name) == ("cli", "Olga", "Follow up")
    with pytest.raises(RejectedInput, match="no such approval"):
        show_approval(stage.runs.db, stage.deal)


def test_who_asked_is_frozen_with_the_first_request(stage: ApprovalStage) -> None:
    eve = stage.person("eve")
    run = stage.begin(asking(MANAGER, user(eve)), triggered_by=eve)
    stage.runs.rows("update workflow_executions set triggered_by = null where id = :id returning id", id=run)
    stage.approve(run, stage.max)
    assert all(row["requester_id"] == eve for row in stage.approvals(run))
    assert stage.asked(run) != ["eve"]


def test_a_decision_is_three_messages_whatever_is_asked_beside_it(stage: ApprovalStage, database_url: str) -> None:
    """The lock with what is behind it, the people who take part, and what is recorded."""
    counts = []
    with CountingProxy(database_url) as proxy:
        db = Database(proxy.url)
        for number in (1, 5):
            people = [stage.person(f"p{number}.{each}", role=f"team{number}") for each in range(number)]
            run = stage.begin(asking(role(f"team{number}"), mode="parallel", quorum=1))
            asked = stage.pending(run, people[0])
            show_approval(db, asked)
            before = len(proxy.queries)
            decide(db, asked, Decision(YES, Way.API, people[0]), stage.runs.now)
            counts.append(len(proxy.queries) - before)
        db.close()
    assert counts == [3, 3]

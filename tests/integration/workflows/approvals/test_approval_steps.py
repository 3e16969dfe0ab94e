"""Steps that wait for people, through the engine: who is asked, in which order, and what their answers come to."""

import pytest

from crm_relay.workflows.approvals.models import ApprovalAction
from tests.support.workflows.approval_stage import MANAGER, OWNER, ApprovalStage, asking, role, user, with_ways
from tests.support.workflows.run_harness import RunHarness, chain, step


@pytest.fixture
def stage(runs: RunHarness) -> ApprovalStage:
    return ApprovalStage(runs)


def test_a_manager_approves_and_the_run_goes_on(stage: ApprovalStage) -> None:
    run = stage.begin(asking(MANAGER))
    assert stage.asked(run) == ["max"]
    assert (stage.runs.status(run), stage.tasks()) == ("running", [])
    assert stage.runs.notified(stage.max) == ["Approval needed: Engine"]

    stage.approve(run, stage.max)

    assert (stage.runs.status(run), stage.tasks()) == ("completed", ["Go"])
    (row,) = stage.approvals(run)
    assert (row["status"], row["decided_by_name"], row["decided_via"], row["decided_with"]) == (
        "approved", "Max", "api", "test",
    )  # fmt: skip
    assert (row["requester_id"], row["approver_type"]) == (stage.olga, "manager")


def test_the_owner_of_a_deleted_contact_is_asked_for_nothing(stage: ApprovalStage) -> None:
    """The decision finds the owner of an enrollment as the engine does: by its contact, where that is there."""
    contact = stage.runs.contact(owner_id=stage.olga)
    campaign = stage.runs.insert("campaigns", name="Spring")
    enrollment = stage.runs.insert(
        "campaign_enrollments", campaign_id=campaign, contact_id=contact, address="ada@example.com"
    )
    asks = step("approval", "ask", title="Go on?", approvers=[dict(MANAGER)])
    kind = "campaign_enrollment"
    run = stage.runs.run(chain(asks, entity_type=kind), enrollment, entity_type=kind)
    stage.tick()
    approval = stage.pending(run, stage.max)

    stage.runs.rows("update contacts set deleted_at = now() where id = :id returning id", id=contact)

    assert stage.refusal(approval, ApprovalAction.APPROVE, stage.max) == (
        403, "the approver is no longer the one who has to decide",
    )  # fmt: skip


def test_a_refusal_without_another_way_ends_the_run(stage: ApprovalStage) -> None:
    run = stage.begin(asking(MANAGER))
    stage.reject(run, stage.max)
    assert (stage.runs.status(run), stage.tasks()) == ("cancelled", [])
    assert stage.runs.execution(run)["error_message"] == "rejected"


def test_a_refusal_goes_its_own_way(stage: ApprovalStage) -> None:
    run = stage.begin(with_ways(MANAGER))
    stage.reject(run, stage.max)
    assert (stage.runs.status(run), stage.tasks()) == ("completed", ["No"])


def test_a_sequence_asks_one_after_the_other(stage: ApprovalStage) -> None:
    eve = stage.person("eve")
    run = stage.begin(asking(MANAGER, user(eve)))
    assert stage.asked(run) == ["max"]
    stage.approve(run, stage.max)
    assert (stage.asked(run), stage.tasks()) == (["eve"], [])
    stage.approve(run, eve)
    assert (stage.runs.status(run), stage.tasks()) == ("completed", ["Go"])


def test_anybody_of_a_role_decides_for_all(stage: ApprovalStage) -> None:
    eve, tom = stage.person("eve", role="finance"), stage.person("tom", role="finance")
    run = stage.begin(asking(role("finance")))
    assert stage.asked(run) == ["eve", "tom"]
    stage.approve(run, tom)
    assert stage.said(run) == [("eve", "expired"), ("tom", "approved")]
    assert stage.runs.status(run) == "completed"
    assert stage.runs.notified(eve) == ["Approval needed: Engine"]


def test_the_requester_is_never_asked(stage: ApprovalStage) -> None:
    run = stage.begin(asking(OWNER))
    assert stage.asked(run) == ["max"]
    assert stage.approvals(run)[0]["came_by"] == "manager"


def test_a_delegate_decides_instead(stage: ApprovalStage) -> None:
    eve = stage.person("eve")
    run = stage.begin(asking(MANAGER))
    stage.delegate(run, stage.max, eve)
    assert stage.said(run) == [("eve", "pending"), ("max", "delegated")]
    assert stage.runs.notified(eve) == ["Approval needed: Engine"]
    stage.approve(run, eve)
    assert stage.runs.status(run) == "completed"


def test_a_second_decision_answers_the_first(stage: ApprovalStage) -> None:
    run = stage.begin(asking(MANAGER))
    asked = stage.pending(run, stage.max)
    stage.approve(run, stage.max)
    again = stage.decide(asked, ApprovalAction.REJECT, stage.max)
    assert (again.status, again.changed) == ("approved", False)

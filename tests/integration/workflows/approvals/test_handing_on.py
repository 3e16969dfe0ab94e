"""Who is offered when an approval is handed on: exactly the colleagues that the decision accepts."""

from itertools import pairwise

import pytest

from crm_relay.platform.errors import RejectedInput
from crm_relay.workflows.approvals.deciding.colleagues import colleagues_to_ask
from crm_relay.workflows.approvals.models import ApprovalAction
from tests.support.workflows.approval_stage import MANAGER, ApprovalStage, asking, user
from tests.support.workflows.run_harness import RunHarness


@pytest.fixture
def stage(runs: RunHarness) -> ApprovalStage:
    return ApprovalStage(runs)


def test_everybody_who_is_offered_is_taken_and_nobody_else(stage: ApprovalStage) -> None:
    eve, _, away = stage.person("eve"), stage.person("gone", is_active=False), stage.person("away")
    stage.away(away)
    (other,) = stage.runs.rows("insert into organizations (name) values ('Other') returning id")
    stage.person("stranger", org_id=other["id"])
    run = stage.begin(asking(MANAGER, user(eve), mode="parallel"))
    pending = stage.pending(run, stage.max)
    offered = {each.id for each in colleagues_to_ask(stage.runs.db, pending, stage.runs.now)}
    assert offered == {away}
    for name, person in stage.people.items():
        if person not in offered:
            with pytest.raises(RejectedInput):
                stage.decide(pending, ApprovalAction.DELEGATE, stage.max, to=person)
            assert stage.asked(run) == ["eve", "max"], name


def test_an_approval_that_was_handed_on_three_times_or_is_over_offers_nobody(stage: ApprovalStage) -> None:
    chain = [stage.max, *(stage.person(name) for name in ("ann", "ben", "cleo", "dan"))]
    run = stage.begin(asking(MANAGER))
    for left, (person, following) in enumerate(pairwise(chain[:4])):
        pending = stage.pending(run, person)
        offered = [each.name for each in colleagues_to_ask(stage.runs.db, pending, stage.runs.now)]
        assert offered == ["Ann", "Ben", "Cleo", "Dan"][left:], "not who had it before"
        stage.delegate(run, person, following)
    assert colleagues_to_ask(stage.runs.db, stage.pending(run, chain[3]), stage.runs.now) == []
    assert colleagues_to_ask(stage.runs.db, pending, stage.runs.now) == [], "it is with somebody else"
    with pytest.raises(RejectedInput, match="no such approval"):
        colleagues_to_ask(stage.runs.db, stage.deal)

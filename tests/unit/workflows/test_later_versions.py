"""Versions that a later release has published are run by this one as far as it understands them."""

import pytest

from crm_relay.platform.errors import RejectedInput
from crm_relay.workflows.engine.steps.programs import RunnableProgram
from crm_relay.workflows.models import EntityType, Program, StepKind, Trigger, TriggerKind, WorkflowStep


def runnable(**config: object) -> RunnableProgram:
    step = WorkflowStep("0", StepKind.CREATE_TASK, {"title": "Call", "priority": "high", **config})
    return RunnableProgram.of(Program(EntityType.DEAL, (Trigger(TriggerKind.MANUAL),), (step,)))


@pytest.mark.parametrize("nothing", [None, False, "", [], {}, 0])
def test_a_field_of_a_later_release_that_says_nothing_is_left_out(nothing: object) -> None:
    config = runnable(checklist=nothing).config(0)
    assert config is not None
    assert (config.model_dump()["title"], config.model_dump()["priority"]) == ("Call", "high")


def test_one_that_says_something_is_never_ignored() -> None:
    with pytest.raises(RejectedInput, match="checklist"):
        runnable(checklist=["call"]).config(0)

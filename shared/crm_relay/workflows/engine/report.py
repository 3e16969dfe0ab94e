"""What the owner of a workflow hears: a run that failed for good, and a budget that is used up."""

from collections.abc import Iterable

from crm_relay.incidents.models import Incident
from crm_relay.notifications.models import NotificationRequest, Priority, Recipients
from crm_relay.workflows.engine.steps.outcomes import Advanced

FAILING = "workflow_failing"
"""Runs of a workflow failed for good; the subject is its id. Closed once a run of it comes to its end."""

OVER_BUDGET = "workflow_over_budget"
"""A workflow paused itself; the subject is its id. Closed when it is resumed."""

REFUSED = "workflow_run_refused"
"""A run can neither be taken nor recorded; the subject is its id. It is left alone until that is closed."""

_FAILED_TITLE = "A workflow has run(s) that failed"
_PAUSED_TITLE = "A workflow paused itself: its budget of a day is used up"
_LONGEST_TITLE = 200


def failures(advanced: Iterable[Advanced]) -> list[Incident]:
    """An incident a workflow, however many of its runs failed."""
    found: dict[tuple[str, str], Incident] = {}
    for each in advanced:
        subject = str(each.run.workflow_id)
        if each.failure is not None:
            details = {"execution_id": str(each.run.id), "step": each.failure}
            found.setdefault((FAILING, subject), Incident(FAILING, subject, _FAILED_TITLE, details=details))
        if each.over_budget is not None:
            details = {"budget": each.over_budget}
            found.setdefault((OVER_BUDGET, subject), Incident(OVER_BUDGET, subject, _PAUSED_TITLE, details=details))
    return list(found.values())


def notices_to_owners(advanced: Iterable[Advanced]) -> list[NotificationRequest]:
    """To the owner of each workflow, gathered a workflow; nobody where it has none."""
    requests: dict[str, NotificationRequest] = {}
    for each in advanced:
        if each.run.workflow_owner is None:
            continue
        if each.failure is not None:
            key = f"workflow-failed:{each.run.id}:{each.state.position}"
            message = f"The run stopped at step {each.failure}. Retry it once that is repaired."
            requests[key] = _request(each, key, "failed", f"Workflow failed: {each.run.workflow_name}", message)
        if each.over_budget is not None:
            key = f"workflow-paused:{each.run.workflow_id}:{each.run.id}:{each.state.position}"
            message = (
                f"It has used up its budget of {each.over_budget} for today. What is due waits until you resume it."
            )
            requests[key] = _request(each, key, "paused", f"Workflow paused: {each.run.workflow_name}", message)
    return list(requests.values())


def _request(each: Advanced, key: str, group: str, title: str, message: str) -> NotificationRequest:
    return NotificationRequest(
        org_id=each.run.org_id,
        event_key=key,
        recipients=Recipients(users=() if each.run.workflow_owner is None else (each.run.workflow_owner,)),
        category="workflow",
        title=title[:_LONGEST_TITLE],
        message=message,
        type="error",
        priority=Priority.HIGH,
        entity_type="workflow",
        entity_id=each.run.workflow_id,
        group_key=f"workflow-{group}:{each.run.workflow_id}",
    )

"""What makes the effects of each kind of step, and what they cost; pure."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from crm_relay.workflows.actions.activities import create_activity, create_task
from crm_relay.workflows.actions.assign import assign
from crm_relay.workflows.actions.effects import Effect, FieldWrite, LetterOut, NewActivity, StepMade, StepMoment
from crm_relay.workflows.actions.email import send_email
from crm_relay.workflows.actions.notification import escalate, send_notification
from crm_relay.workflows.actions.update_field import update_field
from crm_relay.workflows.actions.webhook import webhook
from crm_relay.workflows.models import StepKind

MAKERS: Final[Mapping[StepKind, Callable[[Any, StepMoment], StepMade]]] = {
    StepKind.SEND_EMAIL: send_email,
    StepKind.SEND_NOTIFICATION: send_notification,
    StepKind.CREATE_TASK: create_task,
    StepKind.CREATE_ACTIVITY: create_activity,
    StepKind.UPDATE_FIELD: update_field,
    StepKind.WEBHOOK: webhook,
    StepKind.ASSIGN: assign,
    StepKind.ESCALATE: escalate,
}


def costs_of(effects: tuple[Effect, ...]) -> Counter[str]:
    """What counts against the budget of a day."""
    costs: Counter[str] = Counter()
    for effect in effects:
        if isinstance(effect, LetterOut):
            costs["emails"] += 1
        elif isinstance(effect, FieldWrite | NewActivity):
            costs["records"] += 1
    return costs

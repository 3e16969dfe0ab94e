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
    emails = sum(isinstance(effect, LetterOut) for effect in effects)
    records = sum(isinstance(effect, FieldWrite | NewActivity) for effect in effects)
    return Counter({kind: number for kind, number in (("emails", emails), ("records", records)) if number})

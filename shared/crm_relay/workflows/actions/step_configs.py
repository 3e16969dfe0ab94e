"""Which configuration each kind of step has."""

from collections.abc import Mapping
from typing import Final

from crm_relay.workflows.actions.configs import (
    ApprovalConfig,
    AssignConfig,
    CreateActivityConfig,
    CreateTaskConfig,
    EscalateConfig,
    SendEmailConfig,
    SendNotificationConfig,
    StepConfig,
    TransitionConfig,
    UpdateFieldConfig,
    WaitConfig,
    WebhookConfig,
)
from crm_relay.workflows.models import StepKind

CONFIGS: Final[Mapping[StepKind, type[StepConfig]]] = {
    StepKind.SEND_EMAIL: SendEmailConfig,
    StepKind.SEND_NOTIFICATION: SendNotificationConfig,
    StepKind.CREATE_TASK: CreateTaskConfig,
    StepKind.CREATE_ACTIVITY: CreateActivityConfig,
    StepKind.UPDATE_FIELD: UpdateFieldConfig,
    StepKind.WEBHOOK: WebhookConfig,
    StepKind.WAIT: WaitConfig,
    StepKind.ASSIGN: AssignConfig,
    StepKind.ESCALATE: EscalateConfig,
    StepKind.APPROVAL: ApprovalConfig,
}
"""The types of steps that a definition may have with a configuration; a condition has its branches instead."""

CONFIGS_AS_RUN: Final[Mapping[StepKind, type[StepConfig]]] = {**CONFIGS, StepKind.TRANSITION: TransitionConfig}
"""Besides, a change of state: a program has it, and nobody writes it as a step."""

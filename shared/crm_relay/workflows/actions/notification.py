"""send_notification and escalate: what colleagues are notified of."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from crm_relay.notifications.models import Channel, NotificationRequest, Priority, Recipients
from crm_relay.platform.errors import IgnoredInput, RejectedInput
from crm_relay.workflows.actions.assign import handed_over
from crm_relay.workflows.actions.configs import EscalateConfig, SendNotificationConfig
from crm_relay.workflows.actions.effects import Effect, NoticeOut, StepMade, StepMoment
from crm_relay.workflows.actions.people import known_colleague, manager_of
from crm_relay.workflows.models import EntityType
from crm_relay.workflows.writable_fields import ASSIGNABLE

_OTHER_NAMES = ("contact", "account", "owner")


def send_notification(config: SendNotificationConfig, at: StepMoment) -> StepMade:
    """IgnoredInput where nobody is to be notified, such as the owner of a record without one."""
    request = NotificationRequest(
        org_id=at.run.org_id,
        event_key=f"workflow:{at.action_id}",
        recipients=_recipients(config, at),
        slug=config.template_slug,
        variables=_variables(config.variables, at),
        category=None if config.template_slug and config.category == "workflow" else config.category,
        title=at.optional(config.title, is_line=True),
        message=at.optional(config.message),
        priority=None if config.priority is None else Priority(config.priority),
        channels=tuple(Channel(each) for each in config.channels),
        entity_type=at.run.entity_type,
        entity_id=at.run.entity_id,
        action_url=at.optional(config.action_url, is_line=True),
        action_label=config.action_label,
        group_key=at.optional(config.group_key, is_line=True),
    )
    return StepMade((NoticeOut(request, may_reach_nobody=True),))


def escalate(config: EscalateConfig, at: StepMoment) -> StepMade:
    """Notifies the manager of the record's owner, or the person it names; `reassign` hands the record over as well."""
    target = _escalated_to(config, at)
    request = NotificationRequest(
        org_id=at.run.org_id,
        event_key=f"workflow:{at.action_id}",
        recipients=Recipients(users=(target,)),
        category="workflow",
        title=at.text(config.title, is_line=True),
        message=at.text(config.message),
        priority=Priority.HIGH,
        entity_type=at.run.entity_type,
        entity_id=at.run.entity_id,
    )
    effects: list[Effect] = [NoticeOut(request, may_reach_nobody=True)]
    if config.reassign:
        (column,) = ASSIGNABLE[EntityType(at.run.entity_type)] or {None}
        if column is None:
            raise RejectedInput("reassign: a record of this kind has no owner")
        effects.append(handed_over(at, column, target))
    return StepMade(tuple(effects), {"escalated_to": str(target), "reassigned": config.reassign})


def _escalated_to(config: EscalateConfig, at: StepMoment) -> UUID:
    if isinstance(config.to, UUID):
        return known_colleague(at, config.to).id
    target = at.owner_id if config.to == "owner" else manager_of(at, at.owner_id)
    if target is None:
        raise IgnoredInput(f"no_{config.to}")
    return target


def _recipients(config: SendNotificationConfig, at: StepMoment) -> Recipients:
    named = at.user(config.user_id, "user_id")
    users = {each for each in (named, at.owner_id if config.to == "owner" else None) if each is not None}
    recipients = Recipients(
        users=tuple(sorted(users)),
        role=config.role,
        manager_of=at.owner_id if config.to == "manager" else None,
        everybody=config.to == "everybody",
    )
    if recipients == Recipients():
        raise IgnoredInput("no_recipient")
    return recipients


def _variables(given: Mapping[str, Any], at: StepMoment) -> dict[str, object]:
    """The record under the word of its kind, what hangs on it, and what the step gives itself."""
    records = at.facts.records
    found: dict[str, object] = {at.run.entity_type: dict(at.facts.record), "record": dict(at.facts.record)}
    for name in _OTHER_NAMES:
        if (hanging := getattr(records, name)) is not None and name not in found:
            found[name] = dict(hanging)
    found["workflow"] = {"name": at.run.workflow_name}
    return found | {name: at.text(value) if isinstance(value, str) else value for name, value in given.items()}

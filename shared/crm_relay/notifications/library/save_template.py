"""Keeps a template of an organization, which speaks instead of the system's with the same slug."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm_relay.notifications.content.links import LinkRules
from crm_relay.notifications.content.templates import problems_of_template
from crm_relay.notifications.library import store
from crm_relay.notifications.models import NotificationTemplate, Priority, channels_of
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import RejectedInput

TYPES = ("info", "success", "warning", "error", "action_required")
_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")
_LONGEST_NAME = 100
_LONGEST_WAIT = 10_080
_DEFAULTS: dict[str, Any] = {
    "description": None,
    "default_type": "info",
    "default_priority": "normal",
    "action_url_template": None,
    "action_label": None,
    "email_subject_template": None,
    "email_body_template": None,
    "email_body_text_template": None,
    "sms_template": None,
    "default_channels": ["in_app"],
    "variables": [],
    "conditions": {},
    "is_active": True,
    "unless_read_within": None,
}
_REQUIRED = ("slug", "name", "category", "title_template", "message_template")


@dataclass(frozen=True)
class TemplateSaved:
    """`version` counts every change; `is_changed` False: it was there exactly like this."""

    slug: str
    version: int
    is_changed: bool


def save_template(db: Queryable, org_id: UUID, columns: Mapping[str, Any], links: LinkRules) -> TemplateSaved:
    """`columns` of `notification_templates`; what is left out has its default. Safe to call twice.

    RejectedInput lists everything that is wrong, by column; with 404 for an organization that is not there.
    `is_critical` is set by operators in the database alone.
    """
    if problems := _problems_of_columns(columns):
        raise RejectedInput("the template cannot be saved", status=422, details=problems)
    document = _DEFAULTS | dict(columns)
    if problems := problems_of_template(_template(org_id, document), links):
        raise RejectedInput("the template cannot be saved", status=422, details=problems)
    if not store.organization_exists(db, org_id):
        raise RejectedInput("there is no such organization", status=404)
    saved = store.save_template(db, org_id, document)
    if saved is not None:
        return TemplateSaved(document["slug"], saved["version"], is_changed=True)
    (kept, *_) = store.templates_of_slug(db, document["slug"], org_id)
    return TemplateSaved(document["slug"], kept["version"] or 1, is_changed=False)


def _problems_of_columns(columns: Mapping[str, Any]) -> list[str]:
    unknown = sorted(columns.keys() - _DEFAULTS.keys() - set(_REQUIRED))
    problems = [f"{name[:60]}: there is no such column, or it is set by operators" for name in unknown]
    problems += [f"{name}: is missing" for name in _REQUIRED if not isinstance(columns.get(name), str)]
    problems += [f"{name}: not a text" for name in _texts() if not isinstance(columns.get(name), str | None)]
    texts = {name: value for name, value in columns.items() if isinstance(value, str)}
    problems += [
        f"{name}: holds a character that cannot be stored" for name in texts if _NOT_STORABLE.search(texts[name])
    ]
    if len(str(columns.get("name") or "")) > _LONGEST_NAME:
        problems.append(f"name: longer than {_LONGEST_NAME} characters")
    if columns.get("default_type", "info") not in TYPES:
        problems.append(f"default_type: one of {', '.join(TYPES)}")
    if columns.get("default_priority", "normal") not in {priority.value for priority in Priority}:
        problems.append("default_priority: low, normal, high or urgent")
    channels = columns.get("default_channels", ["in_app"])
    if not isinstance(channels, list) or len(channels_of(channels)) != len(channels) or not channels:
        problems.append("default_channels: a list of channels, each once")
    if not isinstance(columns.get("conditions", {}), Mapping):
        problems.append("conditions: an object")
    if not isinstance(columns.get("is_active", True), bool):
        problems.append("is_active: true or false")
    wait = columns.get("unless_read_within")
    if wait is not None and (type(wait) is not int or not 1 <= wait <= _LONGEST_WAIT):
        problems.append(f"unless_read_within: minutes, 1 to {_LONGEST_WAIT}")
    return problems


def _texts() -> list[str]:
    return [name for name, default in _DEFAULTS.items() if default is None and name != "unless_read_within"]


def _template(org_id: UUID, document: Mapping[str, Any]) -> NotificationTemplate:
    return NotificationTemplate.from_row({**document, "org_id": org_id, "version": 1, "is_critical": False})

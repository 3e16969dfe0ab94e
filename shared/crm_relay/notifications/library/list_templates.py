"""Which templates there are, and what each of them needs and leads to."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm_relay.notifications.content.links import LinkRules
from crm_relay.notifications.content.templates import problems_of_template
from crm_relay.notifications.library import store
from crm_relay.notifications.models import ALL_CHANNELS, Channel, NotificationTemplate
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.errors import RejectedInput, describe_error

MOST_TEMPLATES = 500


@dataclass(frozen=True)
class TemplateLine:
    """One template. `org_id` None: the system's. `is_overridden`: an organization's own speaks instead.

    `channels`: those that it asks for by itself; `without_text`: those for which it has no words. `problems`: why it
    could not be saved today; what names a variable is refused when it is sent.
    """

    slug: str
    name: str
    category: str
    org_id: UUID | None
    version: int
    is_active: bool
    is_overridden: bool
    is_critical: bool
    priority: str
    channels: list[str]
    without_text: list[str]
    variables: list[dict[str, Any]]
    problems: list[str]


def list_templates(db: Queryable, org_id: UUID | None, links: LinkRules) -> list[TemplateLine]:
    """By slug; an organization's own before the system's."""
    return [_line(row, links) for row in store.templates(db, org_id, limit=MOST_TEMPLATES)]


def _line(row: Row, links: LinkRules) -> TemplateLine:
    template, problems = _read(row)
    return TemplateLine(
        slug=row["slug"],
        name=row["name"],
        category=row["category"],
        org_id=row["org_id"],
        version=row["version"] or 1,
        is_active=row["is_active"] is not False,
        is_overridden=row["is_overridden"],
        is_critical=row["is_critical"],
        priority=row["default_priority"] or "normal",
        channels=row["default_channels"] or [Channel.IN_APP.value],
        without_text=[] if template is None else _words(ALL_CHANNELS - template.channels),
        variables=row["variables"] if isinstance(row["variables"], list) else [],
        problems=problems if template is None else problems_of_template(template, links),
    )


def _read(row: Row) -> tuple[NotificationTemplate | None, list[str]]:
    try:
        return NotificationTemplate.from_row(row), []
    except (RejectedInput, ValueError) as error:
        return None, [describe_error(error)]


def _words(channels: frozenset[Channel]) -> list[str]:
    return [channel.value for channel in Channel if channel in channels]

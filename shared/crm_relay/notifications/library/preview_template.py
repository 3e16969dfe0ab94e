"""What a template looks like with values in it, its own or made up, to a reader of some place."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_relay.notifications.content.links import LinkRules
from crm_relay.notifications.content.rendering import render_notification, value_of
from crm_relay.notifications.library import store
from crm_relay.notifications.models import EmailContent, NotificationTemplate, ReaderLocale, Rendered
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import RejectedInput


@dataclass(frozen=True)
class TemplatePreview:
    """`org_id` None: the system's. `samples`: the values that were made up."""

    slug: str
    org_id: UUID | None
    version: int
    title: str
    message: str
    action_url: str | None
    email: EmailContent | None
    sms: str | None
    samples: dict[str, str]


def preview_template(
    db: Queryable,
    slug: str,
    org_id: UUID | None,
    values: Mapping[str, object],
    reader: ReaderLocale,
    now: datetime,
    *,
    links: LinkRules,
) -> TemplatePreview:
    """The organization's own, else the system's; conditions are not asked. RejectedInput as in `template_of`, and as
    `render_notification` says.
    """
    template = template_of(db, slug, org_id)
    samples = sample_values(template, values, now)
    url = None if template.action_url_template else value_of(values, "action_url") or "/sample"
    rendered: Rendered = render_notification(
        template, {**samples, **values}, reader, action_url=None if url is None else str(url), links=links
    )
    return TemplatePreview(
        template.slug,
        template.org_id,
        template.version,
        rendered.title,
        rendered.message,
        rendered.action_url,
        rendered.email,
        rendered.sms,
        {name: str(value) for name, value in samples.items()},
    )


def template_of(db: Queryable, slug: str, org_id: UUID | None) -> NotificationTemplate:
    """The organization's own, else the system's; RejectedInput with 404 where there is neither."""
    rows = store.templates_of_slug(db, slug, org_id)
    if not rows:
        raise RejectedInput("there is no template of this slug", status=404)
    return NotificationTemplate.from_row(rows[0])


def sample_values(template: NotificationTemplate, values: Mapping[str, object], now: datetime) -> dict[str, object]:
    """For what the template declares and `values` lacks."""
    made_up: dict[str, object] = {"number": 3, "money": 12500, "date": now, "time": now, "datetime": now}
    return {
        variable.name: made_up.get(variable.type, f"Sample {variable.name.replace('.', ' ')}")
        for variable in template.variables
        if variable.name != "action_url" and value_of(values, variable.name) is None
    }

"""The SQL of the library of templates."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Json, queries_beside

_SQL = queries_beside(__file__)


def templates(db: Queryable, org_id: UUID | None, *, limit: int) -> list[Row]:
    """Rows of `notification_templates` with `is_overridden`; `org_id` None: of all organizations."""
    return db.run(_SQL["templates"], org_id=org_id, limit=limit)


def templates_of_slug(db: Queryable, slug: str, org_id: UUID | None) -> list[Row]:
    """An organization's own before the system's."""
    return db.run(_SQL["templates_of_slug"], slug=slug, org_id=org_id)


def organization_exists(db: Queryable, org_id: UUID) -> bool:
    """Whether templates can be kept for it."""
    return bool(db.run(_SQL["organization_exists"], org_id=org_id)[0]["is_there"])


def save_template(db: Queryable, org_id: UUID, template: Mapping[str, Any]) -> Row | None:
    """id and version; None: it is there exactly like this."""
    rows = db.run(_SQL["save_template"], org_id=org_id, template=Json(dict(template)))
    return rows[0] if rows else None

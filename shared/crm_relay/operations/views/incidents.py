"""A page of incidents with what mends each."""

from crm_relay.operations.overview.models import OpenIncident
from crm_relay.operations.views import store
from crm_relay.operations.views.mends import mend_of
from crm_relay.platform.database import Queryable


def incidents_page(db: Queryable, *, open_only: bool, before: int | None, limit: int) -> list[OpenIncident]:
    """The newest first. One statement."""
    rows = store.incidents_page(db, open_only=open_only, before=before, limit=limit)
    return [OpenIncident(**row, mend=mend_of(row["kind"])) for row in rows]

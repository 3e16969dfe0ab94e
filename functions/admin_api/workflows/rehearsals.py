"""The routes of recording and rehearsing: what they take and what they do."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from pydantic import AwareDatetime, Field

from admin_api.table import OPERATE, get, post
from admin_api.workflows.inputs import OfWorkflow
from crm_relay.platform.clock import utc_now
from crm_relay.platform.http.http_routes import Call, Given
from crm_relay.platform.logging import logger
from crm_relay.workflows.definition import drafts
from crm_relay.workflows.definition.drafts import WorkflowSaved
from crm_relay.workflows.events import watch
from crm_relay.workflows.events.watch import FieldWatched, Recording
from crm_relay.workflows.rehearsal import rehearse
from crm_relay.workflows.rehearsal.models import Rehearsal

if TYPE_CHECKING:
    from admin_api.settings import Settings
    from crm_relay.installation.installation import Installation

    Admin = Installation[Settings]

MOST_EVENTS = 20_000
"""What is rehearsed within the time of one request; the command line takes more."""


class RecordingsAsked(Given):
    """Whose; none named: those of all organizations."""

    organization: UUID | None = None


class FieldGiven(Given):
    """`deals.stage`, `contacts.+` for new records, or `contacts.event:replied`."""

    organization: UUID | None = None
    field: Annotated[str, Field(min_length=3, max_length=150, pattern=r"^[^\x00-\x20]+$")]


class RehearsalAsked(OfWorkflow):
    """`since`: from when on; none named: from where all that the draft listens to is recorded."""

    since: AwareDatetime | None = None
    effects: Annotated[int, Field(ge=0, le=2_000, description="List so many effects.")] = 200


@dataclass(frozen=True)
class RecordingStopped:
    """`changed` False: the draft was not recorded."""

    id: UUID
    changed: bool


def list_recordings(dependencies: "Admin", call: Call) -> object:
    return watch.list_recordings(dependencies.database, call.given.organization)


def watch_field(dependencies: "Admin", call: Call) -> object:
    given, now = call.given, utc_now()
    watched = watch.watch_field(dependencies.database, given.organization, given.field, now, who=call.who)
    _note("field watched", call, field=given.field)
    return watched


def stop_watching_field(dependencies: "Admin", call: Call) -> object:
    stopped = watch.stop_watching_field(dependencies.database, call.given.organization, call.given.field, utc_now())
    _note("field watched no more", call, field=call.given.field)
    return stopped


def record_draft(dependencies: "Admin", call: Call) -> object:
    recorded = drafts.record(dependencies.database, call.given.id)
    _note("draft recorded", call, workflow=recorded.id)
    return recorded


def stop_recording(dependencies: "Admin", call: Call) -> object:
    changed = watch.stop_watching_draft(dependencies.database, call.given.id, utc_now())
    _note("draft recorded no more", call, workflow=call.given.id)
    return RecordingStopped(call.given.id, changed)


def rehearse_draft(dependencies: "Admin", call: Call) -> object:
    asked = call.given
    since: datetime | None = asked.since
    return rehearse.rehearse(
        dependencies.database,
        asked.id,
        utc_now(),
        since=since,
        most_effects=asked.effects,
        most_events=MOST_EVENTS,
    )


def _note(what: str, call: Call, **about: Any) -> None:
    logger().info(what, extra={"ordered_by": call.who, **{name: str(value) for name, value in about.items()}})


REHEARSALS = (
    # Who watches is a name.
    get(
        OPERATE,
        "/api/workflows/recordings",
        "What is recorded for rehearsals and listened to, and since when",
        list_recordings,
        list[Recording],
        RecordingsAsked,
    ),
    post(
        OPERATE,
        "/api/workflows/recordings",
        "Record the changes of a field, which start nothing by themselves",
        watch_field,
        FieldWatched,
        FieldGiven,
    ),
    post(
        OPERATE,
        "/api/workflows/recordings/stop",
        "Record a field no more, unless a workflow listens to it",
        stop_watching_field,
        FieldWatched,
        FieldGiven,
    ),
    post(
        OPERATE,
        "/api/workflows/{id}/record",
        "Record what a draft would listen to, as saving it does",
        record_draft,
        WorkflowSaved,
        OfWorkflow,
        errors=(404,),
    ),
    post(
        OPERATE,
        "/api/workflows/{id}/record/stop",
        "Record a draft no more",
        stop_recording,
        RecordingStopped,
        OfWorkflow,
    ),
    # Its examples have values of records.
    get(
        OPERATE,
        "/api/workflows/{id}/rehearsal",
        "Run a draft over the newest 20,000 events and say who would have got what; nothing takes effect",
        rehearse_draft,
        Rehearsal,
        RehearsalAsked,
        errors=(404, 422),
    ),
)

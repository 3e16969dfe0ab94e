"""What the routes under /api/connections do: one use case each. No secret of a connection is read or opened here."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crm_relay.connections.change_settings import change_settings
from crm_relay.connections.oauth.ticket import make_ticket
from crm_relay.connections.overview import show
from crm_relay.connections.steer import ConnectionChange, steer
from crm_relay.connections.store import find_connection
from crm_relay.platform.clock import utc_now
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.http.http_routes import Call
from crm_relay.platform.logging import logger

if TYPE_CHECKING:
    from admin_api.settings import Settings
    from crm_relay.installation.installation import Installation

    Admin = Installation[Settings]


@dataclass(frozen=True)
class ConnectionStart:
    """The path that a browser opens, good once and for ten minutes; it begins at the address of this API."""

    path: str


def list_all(dependencies: "Admin", call: Call) -> object:
    asked = call.given
    return show.list_connections(dependencies.database, utc_now(), workspace=asked.workspace, limit=asked.limit)


def one(dependencies: "Admin", call: Call) -> object:
    return show.show_connection(dependencies.database, call.given.id, utc_now())


def connect(dependencies: "Admin", call: Call) -> object:
    wanted, db = call.given, dependencies.database
    if wanted.connection is not None:
        row = find_connection(db, wanted.connection)
        if row is None or (row.workspace_id, row.integration_type) != (wanted.workspace, wanted.integration):
            raise RejectedInput("no such connection of this kind in the workspace", status=404)
    ticket = make_ticket(
        db,
        provider=wanted.integration,
        workspace=show.workspace_called(db, str(wanted.workspace)),
        started_by=call.who,
        now=utc_now(),
        connection=wanted.connection,
        label=wanted.label,
        settings=wanted.settings,
    )
    logger().info("connection begun", extra={"by": call.who, "integration": wanted.integration})
    return ConnectionStart(f"/oauth/{wanted.integration}/start?ticket={ticket}")


def settings(dependencies: "Admin", call: Call) -> object:
    given = call.given
    db, frequency = dependencies.database, given.sync_frequency_minutes
    return change_settings(db, given.id, given.settings, frequency, call.who, utc_now())


def change(dependencies: "Admin", call: Call, *, what: ConnectionChange) -> object:
    done = steer(dependencies.database, call.given.id, what, call.who, utc_now())
    logger().info("connection changed", extra={"by": call.who, "connection": str(done.id), "change": what.value})
    return done

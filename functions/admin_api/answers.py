"""What each route does: one use case of a room."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from crm_relay.edge_cache.keys import Entity
from crm_relay.edge_cache.record_email import record_email as record
from crm_relay.edge_cache.replication.conflicts import conflict as one_conflict
from crm_relay.edge_cache.replication.conflicts import revert
from crm_relay.edge_cache.replication.replicate import allow_shrink as allow
from crm_relay.integrity.revert import revert as undo_fix
from crm_relay.operations import orders
from crm_relay.operations.access import tokens as token_book
from crm_relay.operations.dashboard import page
from crm_relay.operations.overview import integrity_view, read_overview
from crm_relay.operations.rooms import installed_rooms
from crm_relay.platform.clock import utc_now
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.http.callers import Role
from crm_relay.platform.http.http_edge import PageContent
from crm_relay.platform.http.http_routes import Call
from crm_relay.platform.logging import logger
from crm_relay.webhooks.replay import replay_failed
from crm_relay.webhooks.replay import replay_task as replay_one

if TYPE_CHECKING:
    from admin_api.settings import Settings
    from crm_relay.installation.installation import Installation

    Admin = Installation[Settings]

_SHRINK_ALLOWED = timedelta(hours=1)


@dataclass(frozen=True)
class Health:
    """Nothing else is told without a token. `sending`: whether an operator stopped it anywhere."""

    status: Literal["ok"]
    sending: Literal["on", "stopped"]


@dataclass(frozen=True)
class EmailRecorded:
    """`is_new` False: the edge has this e-mail, or a later version of it, already."""

    id: UUID
    is_new: bool


@dataclass(frozen=True)
class Allowed:
    """Until when deletions of these entities are passed on, however many they are."""

    entities: list[str]
    until: datetime


@dataclass(frozen=True)
class BothVersions:
    """Personal data. None: the row did not exist on that side."""

    id: int
    entity: str
    row_id: UUID
    winner: str
    postgres: dict[str, Any] | None
    edge: dict[str, Any] | None
    reverted_at: datetime | None


@dataclass(frozen=True)
class Done:
    """`done_by` is the name of the token."""

    id: int
    done_by: str


@dataclass(frozen=True)
class AllReplayed:
    """`unreadable` stay where they are: what they hold is no message."""

    sent: int
    unreadable: int


def health(dependencies: "Admin", _call: Call) -> object:
    return Health("ok", "stopped" if dependencies.pulse.is_stopped(utc_now()) else "on")


def lead_to_page(_dependencies: "Admin", _call: Call) -> object:
    """By a link as well, for who does not follow."""
    link = '<!doctype html><title>CRM Relay</title><p><a href="/dashboard">CRM Relay</a></p>'
    return PageContent(link, "text/html; charset=utf-8", {"location": "/dashboard"})


def page_itself(_dependencies: "Admin", _call: Call) -> object:
    return _asset("index.html")


def file(_dependencies: "Admin", call: Call) -> object:
    return _asset(call.given.file)


def status(dependencies: "Admin", _call: Call) -> object:
    return read_overview.status(
        dependencies.database, dependencies.edge_table, utc_now(), installed_rooms(dependencies.settings.left_out_rooms)
    )


def order_sync(dependencies: "Admin", call: Call, *, entity: Entity) -> object:
    return orders.order_sync(dependencies.settings.cache_orders_queue_url, entity, who=call.who)


def order_resync(dependencies: "Admin", call: Call) -> object:
    return orders.order_resync(dependencies.settings.cache_orders_queue_url, call.given.entities, who=call.who)


def order_check(dependencies: "Admin", call: Call) -> object:
    wanted = call.given
    return orders.order_check(
        dependencies.settings.integrity_orders_queue_url, fix=wanted.fix, full=wanted.full, who=call.who
    )


def allow_shrink(dependencies: "Admin", call: Call) -> object:
    until = utc_now() + _SHRINK_ALLOWED
    allow(dependencies.database, call.given.entities, until=until)
    _note("shrink allowed", call, entities=call.given.entities)
    return Allowed(list(call.given.entities), until)


def record_email(dependencies: "Admin", call: Call) -> object:
    recorded = record(dependencies.edge_table, call.given.model_dump(), utc_now())
    return EmailRecorded(recorded.row_id, recorded.is_new)


def dashboard(dependencies: "Admin", call: Call) -> object:
    if call.caller is None:
        raise AssertionError("the route asks for a token")
    installed = installed_rooms(dependencies.settings.left_out_rooms)
    return read_overview.overview(
        dependencies.database,
        dependencies.edge_table,
        call.caller,
        utc_now(),
        installed,
        parts=call.given.wanted,
        send_mode=dependencies.settings.send_mode,
    )


def runs(dependencies: "Admin", call: Call) -> object:
    return read_overview.runs(dependencies.database, limit=call.given.limit)


def mautic_runs(dependencies: "Admin", call: Call) -> object:
    return read_overview.mautic_runs(dependencies.database, limit=call.given.limit)


def workspaces(dependencies: "Admin", _call: Call) -> object:
    return read_overview.workspaces(dependencies.database, utc_now())


def provider_days(dependencies: "Admin", call: Call) -> object:
    return read_overview.provider_days(dependencies.database, utc_now(), call.given.days)


def conflicts(dependencies: "Admin", call: Call) -> object:
    return read_overview.conflicts(dependencies.database, open_only=call.given.open, limit=call.given.limit)


def conflict(dependencies: "Admin", call: Call) -> object:
    found = one_conflict(dependencies.database, call.given.id)
    postgres, edge = (_document(found[name]) for name in ("postgres_doc", "edge_doc"))
    kept = {name: found[name] for name in ("id", "entity", "row_id", "winner", "reverted_at")}
    return BothVersions(**kept, postgres=postgres, edge=edge)


def dead_letters(dependencies: "Admin", call: Call) -> object:
    return read_overview.dead_letters(dependencies.database, limit=call.given.limit)


def why(dependencies: "Admin", call: Call) -> object:
    # It reaches into every room: a cold start for anything else does not pay for that.
    from crm_relay.operations.explain import explain_person

    known = explain_person(dependencies.database, call.given.who, utc_now())
    return {"is_anything": known.is_anything, **asdict(known)}


def integrity(dependencies: "Admin", call: Call) -> object:
    return integrity_view.integrity(dependencies.database, limit=call.given.limit)


def fix(dependencies: "Admin", call: Call) -> object:
    return integrity_view.before_and_after(dependencies.database, call.given.id)


def revert_fix(dependencies: "Admin", call: Call) -> object:
    reverted = undo_fix(dependencies.database, dependencies.edge_table, str(call.given.id), who=call.who, now=utc_now())
    if not reverted.fixes:
        raise RejectedInput("what this fix changed has changed again since", status=409)
    _note("fix reverted", call, fix=call.given.id)
    return Done(call.given.id, call.who)


def revert_conflict(dependencies: "Admin", call: Call) -> object:
    revert(dependencies.database, call.given.id, who=call.who, now=utc_now())
    _note("conflict reverted", call, conflict=call.given.id)
    return Done(call.given.id, call.who)


def replay_task(dependencies: "Admin", call: Call) -> object:
    replay_one(dependencies.database, dependencies.deferred, call.given.id)
    _note("failed task replayed", call, task=call.given.id)
    return Done(call.given.id, call.who)


def replay_all(dependencies: "Admin", call: Call) -> object:
    done = replay_failed(dependencies.database, dependencies.deferred)
    _note("everything replayed", call, sent=done.sent)
    return AllReplayed(done.sent, done.unreadable)


def sign_in(dependencies: "Admin", call: Call) -> object:
    made = dependencies.sign_in.exchange(call.given.code, utc_now())
    logger().info("signed in by a link", extra={"token_name": made.name, "role": made.role})
    return made


def tokens(dependencies: "Admin", _call: Call) -> object:
    return token_book.list_tokens(dependencies.database)


def create_token(dependencies: "Admin", call: Call) -> object:
    given, now = call.given, utc_now()
    expires_at = None if given.days is None else now + timedelta(days=given.days)
    made = token_book.create_token(
        dependencies.database,
        given.name,
        Role[given.role.upper()],
        expires_at=expires_at,
        created_by=call.who,
        now=now,
        user=given.user,
    )
    _note("token made", call, token_name=made.name)
    return made


def revoke_token(dependencies: "Admin", call: Call) -> object:
    found = token_book.revoke_token(dependencies.database, call.given.name, utc_now())
    _note("token revoked", call, token_name=found.name)
    return found


def _asset(name: str) -> PageContent:
    text, kind = page.read_asset(name)
    return PageContent(text, kind, page.PAGE_HEADERS)


def _document(text: str | None) -> dict[str, Any] | None:
    found = None if text is None else json.loads(text)
    return found if isinstance(found, dict) else None


def _note(what: str, call: Call, **about: Any) -> None:
    logger().info(what, extra={"ordered_by": call.who, **about})

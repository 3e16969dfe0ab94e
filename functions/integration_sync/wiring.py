"""What integration_sync is connected to, and its use cases."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from crm_relay.connections.disconnect import disconnect_requested
from crm_relay.connections.engine.run_due import ConnectionsReport, keep_grants_alive, run_due
from crm_relay.connections.installed.context import ConnectionContext
from crm_relay.connections.installed.environment import context_of
from crm_relay.connections.oauth.connect import UNKNOWN, begin, finish
from crm_relay.connections.pitches.park import free_stranded
from crm_relay.connections.retention.remove_old import remove_old
from crm_relay.installation.installation import Installation, install
from crm_relay.platform.clock import Clock, Deadline, LambdaContext, utc_now
from crm_relay.platform.errors import FatalError, RejectedInput, TransientError, describe_error
from crm_relay.platform.execution_environment import PerEnvironment
from crm_relay.platform.fence.clone_fence import ensure_armed
from crm_relay.platform.http.http_edge import Accepts, HttpRequest, PageContent, respond
from crm_relay.platform.http.http_routes import Routes
from crm_relay.platform.http.refusals import RefusalBudget
from crm_relay.platform.logging import logger
from crm_relay.platform.parts import Parts
from integration_sync.account_routes import ACCOUNTS, AccountDependencies
from integration_sync.page import cookie_of, page, redirect
from integration_sync.settings import Settings

_RESERVE_SECONDS = 30.0
_OLD_A_ROUND = 1_000
ACCEPTS = Accepts(methods=("GET",), content_types=None, max_body_bytes=1024)

installation = PerEnvironment(lambda: install(Settings, database_seconds=30.0))
connections = PerEnvironment(lambda: context_of(installation().settings))


ROUTES = Routes(
    ACCOUNTS,
    lambda: AccountDependencies(installation().database, connections(), installation().shared_clock()),
    lambda authorization: installation().identify(authorization),
    origins=lambda: installation().settings.api_origins,
)


def answer_browser(event: dict[str, Any]) -> Mapping[str, Any]:
    """A call of the API by its token, or a step of OAuth by its ticket or state."""
    if str(event.get("rawPath", "")).startswith("/api/"):
        return respond(event, ROUTES.accepts(event), ROUTES.answer)
    return respond(event, ACCEPTS, answer)


def run(context: LambdaContext) -> Mapping[str, Any]:
    """What is due, until the time is up."""
    deadline = Deadline.of_invocation(context, reserve=_RESERVE_SECONDS)
    done = run_connections(installation(), connections(), installation().shared_clock(), deadline)
    logger().info("connections", extra=done)
    return done


def run_connections(
    installation: Installation[Settings], context: ConnectionContext, clock: Clock, deadline: Deadline
) -> dict[str, Any]:
    """One round. No part stops another one; the first error is raised behind the last part."""
    db, parts = installation.database, Parts()
    ensure_armed(db)
    removed = parts.run("removals", lambda: disconnect_requested(db, context, clock))
    report = parts.run("connections", lambda: run_due(db, context, clock, deadline)) or ConnectionsReport()
    report.refreshed = parts.run("grants", lambda: keep_grants_alive(db, context, clock, deadline)) or 0
    parts.run("pitches", lambda: free_stranded(db, clock()))
    kept, now = installation.settings, clock()
    lines_before = now - timedelta(days=kept.connection_log_retention_days)
    texts_before = now - timedelta(days=kept.pitch_text_retention_days)
    parts.run("retention", lambda: remove_old(db, lines_before, texts_before, now, limit=_OLD_A_ROUND))
    alerts = installation.send_alerts(deadline)
    parts.raise_first()
    return {"success": True, "disconnected": removed or 0} | dict(report.as_json()) | alerts.as_json()


budget = PerEnvironment(lambda: RefusalBudget())
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
"""Of a ticket and a state: whatever else somebody makes up is looked for nowhere."""


def _ensure_believable(token: str) -> None:
    if _TOKEN.fullmatch(token) is None:
        raise RejectedInput(UNKNOWN)
    now = utc_now()
    if budget().is_spent(now):
        raise RejectedInput("too many attempts: begin again in a minute", status=429)
    budget().spend(now)


def answer(request: HttpRequest) -> tuple[int, PageContent]:
    """`/oauth/{provider}/start` and `/oauth/{provider}/callback`."""
    parts = request.path.strip("/").split("/")
    if len(parts) != 3 or parts[2] not in {"start", "callback"}:
        raise RejectedInput("no such page", status=404)
    provider, step = parts[1], parts[2]
    try:
        return _start(request, provider) if step == "start" else _callback(request, provider)
    except RejectedInput as error:
        return error.status, page("The account is not connected", describe_error(error))
    except TransientError as error:
        logger().warning("an account could not be connected", reason=describe_error(error))
        return 503, page("The account is not connected", "The provider cannot be asked now: begin again in a minute.")
    except FatalError as error:
        logger().error("an account could not be connected", reason=describe_error(error))
        return 502, page("The account is not connected", describe_error(error))


def _start(request: HttpRequest, provider: str) -> tuple[int, PageContent]:
    _ensure_believable(request.query.get("ticket", ""))
    db, now = installation().database, installation().shared_clock()()
    redirect_uri = _redirect_uri(request, provider)
    began = begin(db, connections(), provider, request.query.get("ticket", ""), redirect_uri, now)
    budget().give_back(utc_now())
    return 302, redirect(began.address, began.state, secure=redirect_uri.startswith("https://"))


def _callback(request: HttpRequest, provider: str) -> tuple[int, PageContent]:
    state = request.query.get("state", "")
    if cookie_of(_cookies(request)) != state:
        raise RejectedInput("this browser did not begin the connection: begin again")
    _ensure_believable(state)
    db, now = installation().database, installation().shared_clock()()
    finish(
        db,
        connections(),
        provider,
        state=state,
        cookie=cookie_of(_cookies(request)),
        code=request.query.get("code"),
        redirect_uri=_redirect_uri(request, provider),
        now=now,
    )
    budget().give_back(utc_now())
    text = "The first sync only shows what it would do, until somebody has looked at it. This window can be closed."
    return 200, page("The account is connected", text)


def _cookies(request: HttpRequest) -> str:
    """API Gateway hands cookies over in a list of their own."""
    return request.headers.get("cookie", "")


def _redirect_uri(request: HttpRequest, provider: str) -> str:
    """Where the provider sends the browser back to; its application has to list exactly this address."""
    base = installation().settings.public_url or f"https://{request.domain}"
    return f"{base.rstrip('/')}/oauth/{provider}/callback"

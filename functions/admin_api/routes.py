"""The table of all routes of the admin API: address, role, what is taken, what is given."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from pydantic import BaseModel

from admin_api import answers
from admin_api.inputs import (
    ConflictsAsked,
    Newest,
    OfFile,
    OfName,
    OfNumber,
    Resync,
    Shrink,
    TokenWanted,
    Who,
)
from crm_relay.edge_cache.documents import EmailDocument
from crm_relay.edge_cache.keys import ENTITIES
from crm_relay.operations import dashboard_models as shown
from crm_relay.operations.orders import Ordered
from crm_relay.operations.overview import Overview
from crm_relay.operations.token_store import StoredToken
from crm_relay.operations.tokens import NewToken
from crm_relay.platform.callers import Role
from crm_relay.platform.http_edge import Content
from crm_relay.platform.http_routes import Call, Nothing, Route

READ, OPERATE, ADMIN = Role.READ, Role.OPERATE, Role.ADMIN
Answer = Callable[[Any, Call], object]


def _get(
    role: Role | None, path: str, summary: str, answer: Answer, gives: Any, takes: type[BaseModel] = Nothing
) -> Route:
    errors = (404,) if "{" in path else ()
    return Route("GET", path, summary, answer, role, takes, gives, errors=errors)


def _post(
    role: Role,
    path: str,
    summary: str,
    answer: Answer,
    gives: Any,
    takes: type[BaseModel] = Nothing,
    *,
    status: int = 200,
    errors: tuple[int, ...] = (),
) -> Route:
    return Route("POST", path, summary, answer, role, takes, gives, status, errors)


def describe_routes(_world: object, _call: Call) -> Content:
    """The table as OpenAPI."""
    # Asked for once in a while: a cold start for anything else does not pay for it.
    from crm_relay.platform.openapi import describe

    told = "Errors are {error, details}. Every route but the open ones needs a token: Authorization: Bearer <token>."
    return Content(json.dumps(describe(TABLE, title="CRM Relay", version="1", description=told)))


# No token: there is nothing in them that is anybody's.
_OPEN = [
    _get(None, "/health", "Whether the database answers", answers.health, answers.Health),
    _get(None, "/dashboard", "The operator's page", answers.page_itself, None),
    _get(None, "/dashboard/{file}", "A file of the page", answers.file, None, OfFile),
    _get(None, "/api/openapi.json", "This description", describe_routes, None),
]

# What takes long is ordered here and done elsewhere.
_SYNC = [
    _get(READ, "/api/sync/status", "How every sync is", answers.status, shown.Status),
    *(
        _post(
            OPERATE,
            f"/api/sync/{entity}",
            f"Have what changed of {entity} synchronised",
            partial(answers.order_sync, entity=entity),
            Ordered,
            status=202,
        )
        for entity in ENTITIES
    ),
    _post(
        OPERATE,
        "/api/sync/full",
        "Have everything written to the edge anew; its progress is in /api/sync/status",
        answers.order_resync,
        Ordered,
        Resync,
        status=202,
    ),
    _post(
        ADMIN,
        "/api/sync/allow-shrink",
        "Say that rows were really meant to go, for one hour",
        answers.allow_shrink,
        answers.Allowed,
        Shrink,
    ),
    _post(
        OPERATE,
        "/api/emails",
        "Record an e-mail at the edge; once, however often it is sent",
        answers.record_email,
        answers.EmailRecorded,
        EmailDocument,
    ),
]

# Nothing in these is personal data.
_SHOWN = [
    _get(READ, "/api/dashboard", "Everything that the page shows", answers.dashboard, Overview),
    _get(READ, "/api/runs", "The edge sync's audit trail", answers.runs, list[shown.Run], Newest),
    _get(READ, "/api/mautic/runs", "Runs to Mautic", answers.mautic_runs, list[shown.MauticRun], Newest),
    _get(
        READ,
        "/api/workspaces",
        "Webhook health, counters of the month and sender accounts of every workspace",
        answers.workspaces,
        list[shown.Workspace],
    ),
    _get(
        READ,
        "/api/providers",
        "What mail providers sent and got back, by day",
        answers.provider_days,
        list[shown.ProviderDay],
    ),
    _get(READ, "/api/integrity", "What the checks found and changed", answers.integrity, shown.Integrity, Newest),
    _get(READ, "/api/incidents", "What is wrong", answers.incidents, list[shown.OpenIncident], Newest),
    _get(READ, "/api/failed-tasks", "What was given up", answers.dead_letters, shown.DeadLetters, Newest),
    _get(
        READ,
        "/api/conflicts",
        "Rows that both sides had changed",
        answers.conflicts,
        list[shown.Conflict],
        ConflictsAsked,
    ),
]

# Personal data: a role that merely reads does not see them.
_PERSONAL = [
    _get(
        OPERATE,
        "/api/conflicts/{id}",
        "A conflict with both versions",
        answers.conflict,
        answers.BothVersions,
        OfNumber,
    ),
    _get(
        OPERATE,
        "/api/integrity/fixes/{id}",
        "A fix with what was there before and after",
        answers.fix,
        shown.FixVersions,
        OfNumber,
    ),
    _get(OPERATE, "/api/why", "All that is known of somebody", answers.why, dict[str, Any], Who),
]

# Who did it is recorded by the token's name.
_ACTING = [
    _post(
        OPERATE,
        "/api/conflicts/{id}/revert",
        "Bring back the version that lost",
        answers.revert_conflict,
        answers.Done,
        OfNumber,
        errors=(404, 409),
    ),
    _post(
        OPERATE,
        "/api/integrity/fixes/{id}/revert",
        "Take back what a fix changed",
        answers.revert_fix,
        answers.Done,
        OfNumber,
        errors=(404, 409),
    ),
    _post(
        OPERATE,
        "/api/failed-tasks/{id}/replay",
        "Send a message that was given up once more",
        answers.replay_task,
        answers.Done,
        OfNumber,
        status=202,
        errors=(404, 409),
    ),
    _post(
        OPERATE,
        "/api/failed-tasks/replay",
        "Send everything that waits once more",
        answers.replay_all,
        answers.AllReplayed,
        status=202,
    ),
]

_TOKENS = [
    _get(ADMIN, "/api/tokens", "All tokens", answers.tokens, list[StoredToken]),
    _post(
        ADMIN,
        "/api/tokens",
        "Make a token; it is shown this once",
        answers.create_token,
        NewToken,
        TokenWanted,
        status=201,
        errors=(409,),
    ),
    _post(
        ADMIN,
        "/api/tokens/{name}/revoke",
        "Make a token worthless",
        answers.revoke_token,
        StoredToken,
        OfName,
        errors=(404,),
    ),
]

TABLE = (*_OPEN, *_SYNC, *_SHOWN, *_PERSONAL, *_ACTING, *_TOKENS)

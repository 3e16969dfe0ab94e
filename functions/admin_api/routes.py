"""The table of all routes of the admin API: address, role, what is taken, what is given."""

import json
from functools import cache, partial
from typing import Any

from admin_api import answers
from admin_api.campaign_routes import CAMPAIGNS
from admin_api.connections.pitches import PITCHES
from admin_api.connections.routes import CONNECTIONS
from admin_api.inputs import (
    CheckWanted,
    CodeGiven,
    ConflictsAsked,
    DaysAsked,
    Newest,
    OfFile,
    OfName,
    OfNumber,
    PartsAsked,
    ResyncInput,
    Shrink,
    TokenWanted,
    Who,
)
from admin_api.notification_routes import NOTIFICATIONS
from admin_api.sending import SENDING
from admin_api.table import ADMIN, OPERATE, READ, get, post
from admin_api.views.routes import VIEWS
from admin_api.workflows.approvals import APPROVALS
from admin_api.workflows.routes import WORKFLOWS
from crm_relay.edge_cache.documents import EmailDocument
from crm_relay.edge_cache.keys import ENTITIES
from crm_relay.operations.access.sign_in import Session
from crm_relay.operations.access.store import StoredToken
from crm_relay.operations.access.tokens import NewToken
from crm_relay.operations.dashboard.page import PAGE_HEADERS
from crm_relay.operations.orders import CheckOrdered, Ordered
from crm_relay.operations.overview import models as shown
from crm_relay.operations.overview.read_overview import Overview
from crm_relay.platform.http.http_edge import PageContent
from crm_relay.platform.http.http_routes import Call


def describe_routes(_dependencies: object, _call: Call) -> PageContent:
    """The table as OpenAPI, with the routes that integration_sync answers."""
    return _description()


def show_routes(_dependencies: object, _call: Call) -> PageContent:
    """The same to read."""
    return _page()


@cache
def _page() -> PageContent:
    """Once in a process, as the description."""
    from crm_relay.operations.dashboard.api_page import page_of

    return PageContent(page_of(json.loads(_description().text)), "text/html; charset=utf-8", PAGE_HEADERS)


@cache
def _description() -> PageContent:
    """Once in a process: anybody may ask, and it takes a while."""
    # Asked for once in a while: a cold start for anything else does not pay for it.
    from crm_relay.platform.http.openapi import describe
    from integration_sync.account_routes import ACCOUNTS

    description = (
        "Errors are {error, details}. Every route but the open ones needs a token: Authorization: Bearer <token>."
    )
    return PageContent(
        json.dumps(describe((*TABLE, *ACCOUNTS), title="CRM Relay", version="1", description=description))
    )


# No token: there is nothing in them that is anybody's.
_OPEN = [
    get(None, "/health", "Whether the database answers", answers.health, answers.Health),
    get(None, "/", "Leads to the operator's page", answers.lead_to_page, None, status=302),
    get(None, "/dashboard", "The operator's page", answers.page_itself, None),
    get(None, "/dashboard/api.html", "This description, to read", show_routes, None),
    get(None, "/dashboard/{file}", "A file of the page", answers.file, None, OfFile),
    get(None, "/api/openapi.json", "This description", describe_routes, None),
]

# The code of a link is the credential; it comes in the body, since addresses are logged.
_SIGN_IN = [
    post(
        None,
        "/api/session",
        "Exchange the code of a link for a token of 12 hours; each code once",
        answers.sign_in,
        Session,
        CodeGiven,
        status=201,
        errors=(401, 429),
    ),
]

# What takes long is ordered here and done elsewhere.
_SYNC = [
    get(READ, "/api/sync/status", "How every sync is", answers.status, shown.Status),
    *(
        post(
            OPERATE,
            f"/api/sync/{entity}",
            f"Have what changed of {entity} synchronised",
            partial(answers.order_sync, entity=entity),
            Ordered,
            status=202,
            errors=(404,),
        )
        for entity in ENTITIES
    ),
    post(
        OPERATE,
        "/api/sync/full",
        "Have everything written to the edge again; its progress is in /api/sync/status",
        answers.order_resync,
        Ordered,
        ResyncInput,
        status=202,
        errors=(404,),
    ),
    post(
        ADMIN,
        "/api/sync/allow-shrink",
        "Say that rows were really meant to go, for one hour",
        answers.allow_shrink,
        answers.Allowed,
        Shrink,
    ),
    post(
        OPERATE,
        "/api/emails",
        "Record an e-mail at the edge; once, however often it is sent",
        answers.record_email,
        answers.EmailRecorded,
        EmailDocument,
        errors=(404,),
    ),
]

# Nothing in these is personal data.
_SHOWN = [
    get(READ, "/api/dashboard", "What a view of the page shows, by its parts", answers.dashboard, Overview, PartsAsked),
    get(READ, "/api/runs", "The edge sync's audit trail", answers.runs, list[shown.CacheRun], Newest),
    get(READ, "/api/mautic/runs", "Runs to Mautic", answers.mautic_runs, list[shown.MauticRun], Newest),
    get(
        READ,
        "/api/workspaces",
        "Webhook health, counters of the month and sender accounts of every workspace",
        answers.workspaces,
        list[shown.WorkspaceShown],
    ),
    get(
        READ,
        "/api/providers",
        "What mail providers sent and got back, by day",
        answers.provider_days,
        list[shown.ProviderDay],
        DaysAsked,
    ),
    get(READ, "/api/integrity", "What the checks found and changed", answers.integrity, shown.Integrity, Newest),
    get(READ, "/api/failed-tasks", "What was given up", answers.dead_letters, shown.DeadLetters, Newest),
    get(
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
    get(
        OPERATE,
        "/api/conflicts/{id}",
        "A conflict with both versions",
        answers.conflict,
        answers.BothVersions,
        OfNumber,
    ),
    get(
        OPERATE,
        "/api/integrity/fixes/{id}",
        "A fix with what was there before and after",
        answers.fix,
        shown.FixVersions,
        OfNumber,
    ),
    get(OPERATE, "/api/why", "All that is known of somebody", answers.why, dict[str, Any], Who),
]

# Who did it is recorded by the token's name.
_ACTING = [
    post(
        OPERATE,
        "/api/integrity/check",
        "Have everything checked; the run is in /api/integrity as soon as it begins",
        answers.order_check,
        CheckOrdered,
        CheckWanted,
        status=202,
    ),
    post(
        OPERATE,
        "/api/conflicts/{id}/revert",
        "Bring back the version that lost",
        answers.revert_conflict,
        answers.Done,
        OfNumber,
        errors=(404, 409),
    ),
    post(
        OPERATE,
        "/api/integrity/fixes/{id}/revert",
        "Take back what a fix changed",
        answers.revert_fix,
        answers.Done,
        OfNumber,
        errors=(404, 409),
    ),
    post(
        OPERATE,
        "/api/failed-tasks/{id}/replay",
        "Send a message that was given up once more",
        answers.replay_task,
        answers.Done,
        OfNumber,
        status=202,
        errors=(404, 409),
    ),
    post(
        OPERATE,
        "/api/failed-tasks/replay",
        "Send everything that waits once more",
        answers.replay_all,
        answers.AllReplayed,
        status=202,
    ),
]

_TOKENS = [
    get(ADMIN, "/api/tokens", "All tokens", answers.tokens, list[StoredToken]),
    post(
        ADMIN,
        "/api/tokens",
        "Make a token; it is shown this once",
        answers.create_token,
        NewToken,
        TokenWanted,
        status=201,
        errors=(409,),
    ),
    post(
        ADMIN,
        "/api/tokens/{name}/revoke",
        "Make a token worthless",
        answers.revoke_token,
        StoredToken,
        OfName,
        errors=(404,),
    ),
]

TABLE = (
    *_OPEN,
    *_SIGN_IN,
    *_SYNC,
    *_SHOWN,
    *_PERSONAL,
    *_ACTING,
    *SENDING,
    *CAMPAIGNS,
    *NOTIFICATIONS,
    *WORKFLOWS,
    *APPROVALS,
    *CONNECTIONS,
    *PITCHES,
    *_TOKENS,
    *VIEWS,
)

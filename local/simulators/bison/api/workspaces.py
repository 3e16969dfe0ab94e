"""`/api/workspaces/v1.1`: the list, the switch that every token of one user shares, and new tokens."""

from __future__ import annotations

from local.simulators.bison.api import shapes
from local.simulators.bison.context import BisonContext
from local.simulators.bison.wire import BisonApiError, BisonRequest, BisonResponse, invalid, missing, page, stamp


def list_all(context: BisonContext, request: BisonRequest) -> BisonResponse:
    """In pages, as all lists [V]; that an api-user sees its own workspace only is assumed."""
    with context.bison.lock:
        found = list(context.bison.workspaces.values())
    if not request.super_admin:
        found = [item for item in found if item.id == request.workspace_id]
    return page(request, found, shapes.workspace)


def user(context: BisonContext, request: BisonRequest) -> BisonResponse:
    """Whose token it is, with the workspace that it sees now; the keys are those that the client reads (assumed)."""
    seen = context.bison.workspaces[request.workspace_id]
    return BisonResponse(200, {"data": {"id": 1, "name": "Owner", "workspace": shapes.workspace(seen)}})


def switch(context: BisonContext, request: BisonRequest) -> BisonResponse:
    """Changes the workspace of the token's USER on the server [V]: everybody else who uses it now reads another one."""
    _super_admins_only(request)
    number = request.payload.get("team_id")
    if number is None:
        # `workspace_id` in its place is a common mistake; the field is `team_id` [V].
        raise invalid({"team_id": "The team id field is required."})
    if number not in context.bison.workspaces:
        raise invalid({"team_id": "The selected team id is invalid."})
    context.bison.current_workspace_id = int(number)
    return BisonResponse(200, {"data": shapes.workspace(context.bison.workspaces[int(number)])})


def new_token(context: BisonContext, request: BisonRequest, number: int) -> BisonResponse:
    """The keys are those of the OpenAPI text [V]."""
    _super_admins_only(request)
    if number not in context.bison.workspaces:
        raise missing("Team", number)
    name = str(request.payload.get("name") or "")
    if not name:
        raise invalid({"name": "The name field is required."})
    text = context.bison.new_token(number)
    made = stamp(context.bison.now())
    shown = {"id": int(text.partition("|")[0]), "name": name, "plain_text_token": text, "abilities": ["*"]}
    return BisonResponse(200, {"data": {**shown, "created_at": made, "updated_at": made}})


def _super_admins_only(request: BisonRequest) -> None:
    """Required for new tokens [V], and an api-user cannot switch [1]; the answer is Laravel's (assumed)."""
    if not request.super_admin:
        raise BisonApiError(403, "This action is unauthorized.")

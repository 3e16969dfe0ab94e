"""What approvals is connected to, and what its page does."""

from urllib.parse import parse_qs
from uuid import UUID

from approvals import page
from approvals.settings import Settings
from crm_relay.installation.installation import install
from crm_relay.platform.clock import utc_now
from crm_relay.platform.errors import RejectedInput, TransientError
from crm_relay.platform.execution_environment import PerEnvironment
from crm_relay.platform.http.http_edge import Accepts, HttpRequest, PageContent
from crm_relay.platform.http.public_page import headless, later_page, unknown_page
from crm_relay.platform.logging import logger
from crm_relay.workflows.approvals.deciding.colleagues import colleagues_to_ask
from crm_relay.workflows.approvals.deciding.decide import decide
from crm_relay.workflows.approvals.deciding.decisions import Decision
from crm_relay.workflows.approvals.deciding.door import ApprovalDoor
from crm_relay.workflows.approvals.models import ApprovalAction, Way
from crm_relay.workflows.approvals.overview import ApprovalShown, approval_by_link

ACCEPTS = Accepts(
    methods=("GET", "HEAD", "POST"),
    content_types=("application/x-www-form-urlencoded",),
    max_body_bytes=32 * 1024,
)
_DATABASE_SECONDS = 10.0
_ACTIONS = {each.value: each for each in ApprovalAction}

installation = PerEnvironment(lambda: install(Settings, database_seconds=_DATABASE_SECONDS))
door = PerEnvironment(
    lambda: ApprovalDoor(
        installation().settings.unsubscribe_link_key,
        lambda token: approval_by_link(installation().database, token),
    )
)


def answer(request: HttpRequest) -> tuple[int, PageContent]:
    """GET and HEAD change nothing, POST decides."""
    try:
        status, content = _act(request) if request.method == "POST" else _show(request)
    except TransientError as error:
        logger().warning("page not shown", reason=str(error))
        status, content = 503, later_page()
    return status, headless(request, content)


def _show(request: HttpRequest) -> tuple[int, PageContent]:
    found = door().approval(_token(request), utc_now())
    return (404, unknown_page()) if found is None else (200, page.asks(found))


def _choice(found: ApprovalShown) -> PageContent:
    """Names are for who has pressed a button."""
    return page.asks(found, colleagues_to_ask(installation().database, found.id))


def _act(request: HttpRequest) -> tuple[int, PageContent]:
    """What was decided, by this request or before; 422 for a form that says none of what it may."""
    found = door().approval(_token(request), utc_now())
    if found is None:
        return 404, unknown_page()
    given = parse_qs(request.body.decode(errors="replace"))
    action = _ACTIONS.get((given.get("decision") or [""])[-1])
    to = _id((given.get("to") or [""])[-1])
    if action is ApprovalAction.DELEGATE and not given.get("to"):
        return 200, _choice(found)
    if action is None or (action is ApprovalAction.DELEGATE and to is None):
        return 422, page.asks(found)
    notes = (given.get("notes") or [""])[-1].replace("\0", "").strip() or None
    try:
        decided = decide(installation().database, found.id, Decision(action, Way.LINK, notes=notes, to=to))
    except RejectedInput as error:
        return error.status, page.refused(error.message)
    if decided.changed:
        installation().wake_workflows()
    shown = door().approval(_token(request), utc_now())
    return (404, unknown_page()) if shown is None else (200, page.asks(shown))


def _id(written: str) -> UUID | None:
    try:
        return UUID(written)
    except ValueError:
        return None


def _token(request: HttpRequest) -> str:
    return request.path_parameters.get("token", "")

"""What unsubscribe is connected to, and what its page does."""

from dataclasses import dataclass

from crm_relay.installation.installation import install
from crm_relay.mail.feedback.unsubscribe import Reader, reader_of
from crm_relay.platform.clock import utc_now
from crm_relay.platform.errors import RejectedInput, TransientError
from crm_relay.platform.execution_environment import PerEnvironment
from crm_relay.platform.http.http_edge import Accepts, HttpRequest, PageContent
from crm_relay.platform.http.public_page import headless, later_page, unknown_page
from crm_relay.platform.logging import logger
from crm_relay.sources.unsubscribe import UNSUBSCRIBE, LinkKeys
from crm_relay.webhooks.inbox_settings import DATABASE_SECONDS
from crm_relay.webhooks.receive import Inbox
from unsubscribe import page
from unsubscribe.settings import Settings

ACCEPTS = Accepts(
    methods=("GET", "HEAD", "POST"),
    # Mail programs send the one-click body under any type, or under none; RFC 8058 asks for no more than the POST.
    content_types=None,
    max_body_bytes=16 * 1024,
)


@dataclass(frozen=True)
class UnsubscribePage:
    """What a reader meets."""

    inbox: Inbox
    keys: LinkKeys


def _build() -> UnsubscribePage:
    installation = install(Settings, database_seconds=DATABASE_SECONDS)
    inbox = installation.inbox

    def find_reader(token: str) -> Reader | None:
        return inbox.circuit.call(lambda: reader_of(inbox.database, token))

    return UnsubscribePage(inbox, LinkKeys(installation.settings.unsubscribe_link_key, find_reader))


dependencies = PerEnvironment(_build)


def answer(request: HttpRequest) -> tuple[int, PageContent]:
    """GET and HEAD change nothing, POST acts."""
    token = request.path_parameters.get("token", "")
    return _act(request) if request.method == "POST" else _show(request, token)


def _show(request: HttpRequest, token: str) -> tuple[int, PageContent]:
    try:
        reader = dependencies().keys.reader(token, utc_now())
    except TransientError as error:
        logger().warning("page not shown", reason=str(error))
        return 503, headless(request, later_page())
    return (404, headless(request, unknown_page())) if reader is None else (200, headless(request, page.asks(reader)))


def _act(request: HttpRequest) -> tuple[int, PageContent]:
    """200 once it is carried out, 202 once it is in the queue; each request is one of its own."""
    try:
        received = UNSUBSCRIBE.receive(request, dependencies().keys, utc_now())
    except RejectedInput as error:
        return error.status, unknown_page()
    except TransientError as error:
        logger().warning("request not taken", reason=str(error))
        return 503, later_page()
    if received.parsed.reader is None:
        dependencies().inbox.defer(UNSUBSCRIBE, received, "whose link it is cannot be known now")
        return 202, page.kept()
    status, _ = dependencies().inbox.receive(UNSUBSCRIBE, received)
    if status == 202:
        return 202, page.kept()
    return 200, page.done(received.parsed.reader, of_topic=received.parsed.only_topic)

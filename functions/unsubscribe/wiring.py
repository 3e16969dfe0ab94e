"""The outside world of unsubscribe, built once per execution environment."""

from dataclasses import dataclass
from urllib.parse import parse_qs

from crm_relay.campaigns.engine.stop import stop_for_address
from crm_relay.mail.feedback.unsubscribe import SOURCE, Reader, UnsubscribeRequest, may_be_token, reader_of, unsubscribe
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import TransientError
from crm_relay.platform.execution_environment import PerEnvironment
from crm_relay.platform.http.http_edge import Accepts, HttpRequest, PageContent
from crm_relay.platform.logging import logger
from crm_relay.platform.settings import read_settings
from crm_relay.webhooks.models import Delivered, DeliveryOutcome
from crm_relay.webhooks.open import open_inbox
from crm_relay.webhooks.receive import Inbox, nothing_new
from unsubscribe import page
from unsubscribe.settings import Settings

ACCEPTS = Accepts(
    methods=("GET", "HEAD", "POST"),
    # RFC 8058 allows the first two; the third is what some programs say of the same body.
    content_types=("application/x-www-form-urlencoded", "multipart/form-data", "text/plain"),
    max_body_bytes=16 * 1024,
)


@dataclass(frozen=True)
class UnsubscribePage:
    """What a request meets."""

    inbox: Inbox

    def reader(self, token: str) -> Reader | None:
        """Whose link it is."""
        return self.inbox.circuit.call(lambda: reader_of(self.inbox.database, token))

    def keep(self, wanted: UnsubscribeRequest) -> int:
        """200 once it is carried out, 202 once it is in the queue; each request is one of its own."""

        def apply(transaction: Queryable) -> DeliveryOutcome:
            return unsubscribe(transaction, wanted, stop=stop_for_address)

        status, _ = self.inbox.receive(Delivered(SOURCE, wanted.to_body(), wanted.at), apply, again=nothing_new)
        return status


def _build() -> UnsubscribePage:
    settings = read_settings(Settings)
    return UnsubscribePage(open_inbox(settings))


world = PerEnvironment(_build)


def answer(request: HttpRequest) -> tuple[int, PageContent]:
    """GET and HEAD change nothing, POST acts."""
    token = request.path_parameters.get("token", "")
    return _act(request, token) if request.method == "POST" else _show(request, token)


def _show(request: HttpRequest, token: str) -> tuple[int, PageContent]:
    try:
        reader = world().reader(token)
    except TransientError as error:
        logger().warning("page not shown", reason=str(error))
        return 503, _headless(request, page.later())
    return (404, _headless(request, page.unknown())) if reader is None else (200, _headless(request, page.asks(reader)))


def _act(request: HttpRequest, token: str) -> tuple[int, PageContent]:
    """Whatever a body says that is not the topic's button means everything: no wish to leave is lost on its form."""
    of_topic = parse_qs(request.body.decode(errors="replace")).get("scope") == ["topic"]
    try:
        reader = world().reader(token)
        if reader is None:
            return 404, page.unknown()
    except TransientError:
        if not may_be_token(token):
            return 404, page.unknown()
        # Whether anybody has it is found out when the database is back.
        reader = None
    status = world().keep(UnsubscribeRequest(token, of_topic, utc_now()))
    if status == 202:
        return 202, page.kept()
    return 200, page.done(reader, of_topic=of_topic)


def _headless(request: HttpRequest, content: PageContent) -> PageContent:
    """https://www.rfc-editor.org/rfc/rfc9110#section-9.3.2"""
    return PageContent("", content.content_type, content.headers) if request.method == "HEAD" else content

"""Everything a function or command reaches outside itself, in one place."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from crm_relay.installation.needs import (
    MayHaveEdgeCache,
    MayWakeNotifications,
    MayWakeWorkflows,
    NeedsAdminToken,
    NeedsAlerts,
    NeedsBison,
    NeedsCoordination,
    NeedsDatabase,
    NeedsDeferred,
    NeedsEdgeCache,
    NeedsInbox,
    NeedsMautic,
    NeedsResend,
    NeedsTwilio,
)
from crm_relay.platform.clock import Clock, Deadline, clock_in_step, utc_now
from crm_relay.platform.errors import FatalError, RejectedInput, TransientError
from crm_relay.platform.first_use import on_first_use
from crm_relay.platform.logging import logger
from crm_relay.platform.settings import SettingsModel, read_settings

if TYPE_CHECKING:
    from crm_relay.edge_cache.dynamo.dynamo_digests import DynamoDigests
    from crm_relay.edge_cache.table import EdgeTable
    from crm_relay.incidents.send_alerts import AlertChannel, AlertReport
    from crm_relay.operations.access.identify import Doorkeeper
    from crm_relay.operations.access.sign_in import SignIn
    from crm_relay.operations.overview.pulse import Pulse
    from crm_relay.platform.aws.lease import Lease
    from crm_relay.platform.database import Database
    from crm_relay.platform.http.callers import Caller
    from crm_relay.platform.http.http_client import HttpClient
    from crm_relay.providers.bison.client import Bison
    from crm_relay.providers.email import EmailProvider, InboundProvider
    from crm_relay.providers.mautic.client import Mautic
    from crm_relay.providers.resend.client import Resend
    from crm_relay.providers.text import TextProvider
    from crm_relay.providers.twilio.client import Twilio
    from crm_relay.webhooks.defer import Deferred
    from crm_relay.webhooks.receive import Inbox

S = TypeVar("S", covariant=True)
M = TypeVar("M", bound=SettingsModel)

_CONNECT_SECONDS = 5.0


@dataclass(frozen=True)
class Installation(Generic[S]):
    """Connections and clients by the settings of one function; each is made, and its module imported, on first use.

    What `self` is annotated with says which settings a part needs: mypy refuses a function that reads a part without
    having its settings. `database_seconds` bounds one wait for the database, `request_seconds` one for a provider's
    answer (None: what is usual for that provider).
    """

    read: Callable[[], S]
    database_seconds: float = 65.0
    request_seconds: float | None = None

    @on_first_use
    def settings(self) -> S:
        """Read now, so that what needs none works without. Errors as in read_settings."""
        return self.read()

    @on_first_use
    def database(self: "Installation[NeedsDatabase]") -> "Database":
        """One connection, opened by the first statement."""
        from crm_relay.platform.database import Database

        settings = self.settings
        return Database(settings.database_url, ca_file=settings.database_ca_file, timeout=self.database_seconds)

    def shared_clock(self: "Installation[NeedsDatabase]") -> Clock:
        """For workers that claim rows side by side: it shows the database's time. One statement each call."""
        from crm_relay.platform.shared_clock.server_time import server_time

        return clock_in_step(lambda: server_time(self.database))

    @on_first_use
    def edge_table(self: "Installation[MayHaveEdgeCache]") -> "EdgeTable":
        """The cache at the edge; where there is none, whatever is asked of it is answered 404."""
        name = self.settings.edge_cache_table
        if name is None:
            from crm_relay.edge_cache.absent import absent_edge

            return absent_edge()
        from crm_relay.edge_cache.dynamo.dynamo_table import DynamoTable

        return DynamoTable(name)

    @on_first_use
    def edge_digests(self: "Installation[NeedsEdgeCache]") -> "DynamoDigests":
        """Sums over the cache by which a resync finds what differs."""
        from crm_relay.edge_cache.dynamo.dynamo_digests import DynamoDigests
        from crm_relay.platform.aws.dynamo import Table

        return DynamoDigests(Table(self.settings.edge_cache_table))

    @on_first_use
    def deferred(self: "Installation[NeedsDeferred]") -> "Deferred":
        """The queue of deliveries that are applied later."""
        from crm_relay.webhooks.defer import Deferred

        return Deferred(self.settings.deferred_queue_url, self.settings.oversize_bucket)

    @on_first_use
    def inbox(self: "Installation[NeedsInbox]") -> "Inbox":
        """Of webhooks; it remembers that the database is away, so it lives as long as the environment."""
        from crm_relay.platform.aws.circuit import DatabaseCircuit
        from crm_relay.webhooks.receive import Inbox

        return Inbox(self.database, DatabaseCircuit(self.settings.coordination_table), self.deferred)

    @on_first_use
    def alert_channels(self: "Installation[NeedsAlerts]") -> "list[AlertChannel]":
        """Those that are configured."""
        from crm_relay.incidents.channels import channels

        return channels(self.settings.alert_slack_webhook_url, self.settings.alert_topic_arn)

    @on_first_use
    def mautic(self: "Installation[NeedsMautic]") -> "Mautic":
        """One session, one access token."""
        from crm_relay.providers.mautic.client import Mautic

        settings = self.settings
        http = self.http(settings.mautic_url, read_seconds=settings.mautic_request_timeout_seconds)
        return Mautic(http, settings.mautic_client_id, settings.mautic_client_secret)

    @on_first_use
    def resend(self: "Installation[NeedsResend]") -> "Resend | None":
        """None without a key. Nothing is repeated by the HTTP client: sending decides that."""
        settings = self.settings
        if settings.resend_api_key is None:
            return None
        from crm_relay.providers.resend.client import Resend

        return Resend(self.http(settings.resend_api_url, read_seconds=20.0, repeats=0), settings.resend_api_key)

    @property
    def email_provider(self: "Installation[NeedsResend]") -> "EmailProvider":
        """Resend, or one that sends nothing and stands where none is configured."""
        from crm_relay.providers.email import NoEmailProvider

        return self.resend or NoEmailProvider()

    @property
    def inbound_provider(self: "Installation[NeedsResend]") -> "InboundProvider | None":
        """Resend, where it is configured."""
        return self.resend

    @property
    def text_provider(self: "Installation[NeedsTwilio]") -> "TextProvider | None":
        """Twilio, where it is configured."""
        return self.twilio

    @on_first_use
    def twilio(self: "Installation[NeedsTwilio]") -> "Twilio | None":
        """None where nothing of it is configured. Raises FatalError where only a part is."""
        settings = self.settings
        parts = (settings.twilio_account_sid, settings.twilio_auth_token, settings.twilio_from)
        if not any(parts):
            return None
        from crm_relay.providers.twilio.client import open_twilio

        return open_twilio(*parts, http=self.http(settings.twilio_api_url, read_seconds=15.0, repeats=0))

    def wake_notifications(self: "Installation[MayWakeNotifications]") -> None:
        """Spare what is due the wait for the next minute: call it after the commit. Never raises."""
        _wake(self.settings.notification_queue_url, "notifications")

    def wake_workflows(self: "Installation[MayWakeWorkflows]") -> None:
        """The same of what has happened for workflows."""
        _wake(self.settings.workflow_queue_url, "workflows")

    @on_first_use
    def _bison_http(self: "Installation[NeedsBison]") -> "HttpClient":
        return self.http(self.settings.bison_instance_url, read_seconds=30.0)

    def bisons(self: "Installation[NeedsBison]", wanted: str | None = None) -> "dict[str, Bison]":
        """One client a workspace, each with its own token and number; `wanted`: only that one.

        Raises RejectedInput for a name without a token.
        """
        from crm_relay.outreach.store import workspace_ids
        from crm_relay.providers.bison.client import Bison

        tokens = self.settings.bison_api_tokens
        if wanted is not None and wanted not in tokens:
            raise RejectedInput("a workspace without a token in BISON_API_TOKENS")
        names = list(tokens) if wanted is None else [wanted]
        ids = workspace_ids(self.database, names)
        return {name: Bison(self._bison_http, tokens[name], ids.get(name)) for name in names}

    def lease(self: "Installation[NeedsCoordination]", name: str, seconds: float) -> "Lease":
        """A lease that nobody holds yet; `seconds` is longer than its holder may work."""
        from crm_relay.platform.aws.lease import Lease

        return Lease(self.settings.coordination_table, name, seconds)

    @on_first_use
    def pulse(self: "Installation[NeedsDatabase]") -> "Pulse":
        """Of the database, for anybody who asks."""
        from crm_relay.operations.overview.pulse import Pulse

        return Pulse(self.database)

    @on_first_use
    def doorkeeper(self: "Installation[NeedsAdminToken]") -> "Doorkeeper":
        """Of the API; it remembers refused callers, so it lives as long as the environment."""
        from crm_relay.operations.access.identify import Doorkeeper

        return Doorkeeper(self.database, self.settings.admin_token)

    @on_first_use
    def sign_in(self: "Installation[NeedsDatabase]") -> "SignIn":
        """To the page by a link; it remembers refused callers, so it lives as long as the environment."""
        from crm_relay.operations.access.sign_in import SignIn

        return SignIn(self.database)

    def identify(self: "Installation[NeedsAdminToken]", authorization: str) -> "Caller | None":
        """Whose token it is."""
        return self.doorkeeper.identify(authorization, utc_now())

    def ensure_armed(self: "Installation[NeedsAlerts]") -> None:
        """Asked before a run writes anything outside the database. Raises NotArmed, which is reported once a day."""
        from crm_relay.incidents.report_fence import report_fence
        from crm_relay.platform.fence.clone_fence import NotArmed, ensure_armed

        try:
            ensure_armed(self.database)
        except NotArmed:
            report_fence(self.database, self.alert_channels, utc_now())
            raise

    def send_alerts(self: "Installation[NeedsAlerts]", deadline: Deadline) -> "AlertReport":
        """Report what is wrong and what is over; of a copy of a database, that it is one. Errors as in send_alerts."""
        from crm_relay.incidents.report_fence import report_fence
        from crm_relay.incidents.send_alerts import send_alerts
        from crm_relay.platform.fence.clone_fence import is_armed

        if not is_armed(self.database):
            return report_fence(self.database, self.alert_channels, utc_now())
        return send_alerts(self.database, self.alert_channels, utc_now(), deadline=deadline)

    def http(self, base_url: str, *, read_seconds: float, repeats: int = 2) -> "HttpClient":
        """A session of its own; `read_seconds` where the installation was not given others."""
        from crm_relay.platform.http.http_client import HttpClient

        seconds = read_seconds if self.request_seconds is None else self.request_seconds
        return HttpClient(base_url, timeout=(_CONNECT_SECONDS, seconds), repeats=repeats)

    def close(self) -> None:
        """Close the database where it was opened; the next use opens it again."""
        if (database := vars(self).get("database")) is not None:
            database.close()


def install(kind: type[M], *, database_seconds: float = 65.0, request_seconds: float | None = None) -> Installation[M]:
    """By the settings of this class, which are read when something is used that depends on them."""
    return Installation(lambda: read_settings(kind), database_seconds, request_seconds)


def _wake(queue_url: str | None, room: str) -> None:
    """The message says nothing, and may be lost: the schedule does the same."""
    from crm_relay.platform.aws.queue import send_message

    if queue_url is None:
        return
    try:
        send_message(queue_url, {})
    except (TransientError, FatalError) as error:
        logger().warning("a room was not woken", room=room, reason=str(error))

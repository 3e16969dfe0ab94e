"""What each part of the installation reads of a function's settings; any class of settings with these names fits."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from crm_relay.providers.bison.tokens import WebhookToken


class NeedsDatabase(Protocol):
    """PostgreSQL."""

    @property
    def database_url(self) -> str: ...
    @property
    def database_ca_file(self) -> str | None: ...


class NeedsAlerts(NeedsDatabase, Protocol):
    """Where incidents are reported."""

    @property
    def alert_slack_webhook_url(self) -> str | None: ...
    @property
    def alert_topic_arn(self) -> str | None: ...


class NeedsCoordination(Protocol):
    """The table of leases."""

    @property
    def coordination_table(self) -> str: ...


class NeedsEdgeCache(Protocol):
    """The table of the cache at the edge."""

    @property
    def edge_cache_table(self) -> str: ...


class MayHaveEdgeCache(Protocol):
    """The same, where an installation may be without it."""

    @property
    def edge_cache_table(self) -> str | None: ...


class NeedsDeferred(Protocol):
    """Where deliveries wait that could not be applied."""

    @property
    def deferred_queue_url(self) -> str: ...
    @property
    def oversize_bucket(self) -> str: ...


class NeedsInbox(NeedsDatabase, NeedsDeferred, NeedsCoordination, Protocol):
    """Where webhook deliveries are kept, and where they wait while that is away."""


class NeedsAdminToken(NeedsDatabase, Protocol):
    """Who may give orders."""

    @property
    def admin_token(self) -> str | None: ...


class MayWakeNotifications(Protocol):
    """The queue of `notification_cron`; None: it is waited for."""

    @property
    def notification_queue_url(self) -> str | None: ...


class MayWakeWorkflows(Protocol):
    """The queue of `workflow_cron`; None: it is waited for."""

    @property
    def workflow_queue_url(self) -> str | None: ...


class NeedsMautic(Protocol):
    """Mautic's API and an OAuth 2 credential."""

    @property
    def mautic_url(self) -> str: ...
    @property
    def mautic_client_id(self) -> str: ...
    @property
    def mautic_client_secret(self) -> str: ...
    @property
    def mautic_request_timeout_seconds(self) -> float: ...


class NeedsBison(NeedsDatabase, Protocol):
    """EmailBison; the numbers of its workspaces are in the database."""

    @property
    def bison_instance_url(self) -> str: ...
    @property
    def bison_api_tokens(self) -> Mapping[str, str]: ...
    @property
    def bison_webhook_tokens(self) -> Mapping[str, Sequence[WebhookToken]]: ...


class NeedsResend(Protocol):
    """Resend; without a key there is none."""

    @property
    def resend_api_key(self) -> str | None: ...
    @property
    def resend_api_url(self) -> str: ...


class NeedsTwilio(Protocol):
    """Twilio; without its account, token and sender there is none."""

    @property
    def twilio_account_sid(self) -> str | None: ...
    @property
    def twilio_auth_token(self) -> str | None: ...
    @property
    def twilio_from(self) -> str | None: ...
    @property
    def twilio_api_url(self) -> str: ...

"""The outside world of admin_api, built once per execution environment."""

from functools import cached_property

from admin_api.routes import TABLE
from admin_api.settings import Settings
from crm_relay.edge_cache.dynamo.dynamo_table import DynamoTable
from crm_relay.edge_cache.table import EdgeTable
from crm_relay.operations.access.tokens import identify
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.execution_environment import PerEnvironment
from crm_relay.platform.http.callers import Caller
from crm_relay.platform.http.http_routes import Routes
from crm_relay.platform.settings import read_settings
from crm_relay.webhooks.defer import Deferred

_DATABASE_SECONDS = 15.0
"""Less than the 30 seconds after which API Gateway gives up."""


class AdminApi:
    """What outlives one request; nothing is read before it is asked for, so that the page's files need no settings."""

    @cached_property
    def settings(self) -> Settings:
        """Raises FatalError that names what is missing."""
        return read_settings(Settings)

    @cached_property
    def database(self) -> Database:
        """Opened on first use."""
        settings = self.settings
        return Database(settings.database_url, ca_file=settings.database_ca_file, timeout=_DATABASE_SECONDS)

    @cached_property
    def table(self) -> EdgeTable:
        """The cache."""
        return DynamoTable(self.settings.edge_cache_table)

    @property
    def deferred(self) -> Deferred:
        """Where a message goes that is to be applied once more."""
        return Deferred(self.settings.deferred_queue_url, self.settings.oversize_bucket)

    @property
    def orders_queue_url(self) -> str:
        """Where cache_sync takes its orders from."""
        return self.settings.cache_orders_queue_url

    @property
    def checks_queue_url(self) -> str:
        """Where integrity_check takes its orders from."""
        return self.settings.integrity_orders_queue_url

    def identify(self, authorization: str) -> Caller | None:
        """Whose token it is."""
        return identify(self.database, self.settings.admin_token, authorization, utc_now())


world = PerEnvironment(AdminApi)
ROUTES = Routes(TABLE, world, lambda authorization: world().identify(authorization))

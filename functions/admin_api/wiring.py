"""What admin_api is connected to."""

from admin_api.routes import TABLE
from admin_api.settings import Settings
from admin_api.visibility import VISIBLE_FROM
from crm_relay.installation.installation import install
from crm_relay.platform.execution_environment import PerEnvironment
from crm_relay.platform.http.http_routes import Routes

_DATABASE_SECONDS = 15.0
"""Less than the 30 seconds after which API Gateway gives up."""

# Nothing is read before a route asks for it, so that the page's files need no settings.
installation = PerEnvironment(lambda: install(Settings, database_seconds=_DATABASE_SECONDS))
ROUTES = Routes(
    TABLE,
    installation,
    lambda authorization: installation().identify(authorization),
    VISIBLE_FROM,
    origins=lambda: installation().settings.api_origins,
)

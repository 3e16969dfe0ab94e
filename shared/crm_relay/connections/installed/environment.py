"""The context of an environment by its settings, for code that is given none."""

from functools import cache

from crm_relay.connections.installed.connection_settings import ConnectionSettings
from crm_relay.connections.installed.connectors import connector_setups
from crm_relay.connections.installed.context import ConnectionContext
from crm_relay.connections.tokens.vault import Vault
from crm_relay.platform.encryption.master_key import open_master_key
from crm_relay.platform.settings import read_settings


@cache
def default_context() -> ConnectionContext:
    """Read once. Raises FatalError that names every setting that is missing or malformed."""
    return context_of(read_settings(ConnectionSettings))


def context_of(settings: ConnectionSettings) -> ConnectionContext:
    """By these settings."""
    vault = Vault(open_master_key(settings.connection_key))
    return ConnectionContext(vault, connector_setups(settings), mail_policy=settings.policy)

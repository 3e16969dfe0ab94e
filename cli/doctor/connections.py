"""The doctor's look at connected accounts: whether tokens can be kept, and what an OAuth app of ours has to heed."""

from collections.abc import Iterator

from cli.doctor.checks import Check
from crm_relay.connections.installed.connection_settings import ConnectionSettings
from crm_relay.connections.installed.connectors import connector_setups
from crm_relay.platform.errors import FatalError
from crm_relay.platform.settings import read_settings
from crm_relay.providers.connectors.setup import ConnectorSetup


def examine_connections() -> Iterator[Check]:
    """A line a connector; what is said of its OAuth app is the connector's own."""
    try:
        setups = connector_setups(read_settings(ConnectionSettings))
    except FatalError as error:
        yield Check("connections", "worth a look", f"no account can be connected: {error}")
        return
    for name in sorted(setups):
        yield check_of(setups[name])


def check_of(setup: ConnectorSetup) -> Check:
    """Whether accounts are connected by OAuth, and what its provider does that is easily overlooked."""
    what, endpoints = f"connections {setup.connector.name}", setup.connector.oauth
    if setup.oauth is None or endpoints is None:
        return Check(what, "good", "by keys alone: no OAuth app is set")
    if endpoints.advice:
        return Check(what, "worth a look", endpoints.advice)
    return Check(what, "good", "an OAuth app is set")

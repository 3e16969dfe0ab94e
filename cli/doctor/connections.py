"""The doctor's look at connected accounts: whether tokens can be kept, and what an OAuth app of ours has to heed."""

from collections.abc import Iterator

from cli.doctor.checks import Check
from crm_relay.connections.installed.connection_settings import ConnectionSettings
from crm_relay.connections.installed.connectors import connector_setups
from crm_relay.connections.overview.show import ConnectionLine, list_connections
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Queryable
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


def examine_accounts(db: Queryable) -> Iterator[Check]:
    """The accounts that do not sync, each with what it waits for; a line for all others."""
    listed = [line for line in list_connections(db, utc_now()) if line.enabled and line.status != "disconnected"]
    waiting = {line.id: why for line in listed if (why := _trouble(line)) is not None}
    for line in listed:
        if line.id in waiting:
            what = f"{line.integration} of {line.workspace}"
            yield Check(what, "worth a look", f"{waiting[line.id]}: crm-relay connection show {line.id}")
    yield Check("connected accounts", "good", f"{len(listed) - len(waiting)} of {len(listed)} sync")


def _trouble(line: ConnectionLine) -> str | None:
    if line.needs_reconnect or line.held_for is not None:
        return f"waits for {'reconnect' if line.needs_reconnect else line.held_for}"
    if line.status != "active":
        return f"is {line.status}"
    return f"{line.stopped_streams} stream(s) stopped" if line.stopped_streams else None


def check_of(setup: ConnectorSetup) -> Check:
    """Whether accounts are connected by OAuth, and what its provider does that is easily overlooked."""
    what, endpoints = f"connections {setup.connector.name}", setup.connector.oauth
    if setup.oauth is None or endpoints is None:
        by = "by keys alone" if setup.connector.takes_keys else "none can be connected"
        return Check(what, "good", f"{by}: no OAuth app is set")
    if endpoints.advice:
        return Check(what, "worth a look", endpoints.advice)
    return Check(what, "good", "an OAuth app is set")

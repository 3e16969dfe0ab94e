"""A worker that needs a valid token, in a process of its own, which may die at any line."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from crm_relay.connections.own_tokens import refresh_by
from crm_relay.connections.tokens.token_keeper import TokenKeeper
from crm_relay.connections.tokens.vault import Vault
from crm_relay.platform.clock import utc_now
from crm_relay.platform.errors import TransientError
from crm_relay.providers.connectors.failures import ReconnectNeeded
from crm_relay.providers.connectors.oauth_client import ProviderOAuth
from tests.support.connections.connection_stage import APP, StaticKey
from tests.support.connections.ledger_connector import OAUTH
from tests.support.processes.fork_server import Death, SteppedDatabase, serve

MODULE = "tests.support.connections.forked_refresher"


@dataclass(frozen=True)
class TokenOrder:
    """`dies`: {"line": n} or {"step": n, "before": bool}; nothing: it lives to its end."""

    database_url: str
    vendor_url: str
    connection: str
    dies: Mapping[str, Any]
    ahead_seconds: float = 0.0
    polls: bool = True


def work(order: TokenOrder) -> dict[str, Any]:
    """One request for a token."""
    import time
    from dataclasses import replace

    death = Death(order.dies.get("line", 0), order.dies.get("step", 0), order.dies.get("before", False))
    database = SteppedDatabase(order.database_url, death)
    endpoints = replace(OAUTH, token_url=f"{order.vendor_url}/token")
    refused: list[str] = []

    def now() -> datetime:
        return utc_now() + timedelta(seconds=order.ahead_seconds)

    keeper = TokenKeeper(
        database,
        Vault(StaticKey()),
        UUID(order.connection),
        refresh_by(ProviderOAuth(endpoints, APP)),
        now,
        (lambda _seconds: time.sleep(0.05)) if order.polls else (lambda _seconds: None),
        on_refused=lambda: refused.append("refused"),
    )
    if "line" in order.dies:
        sys.settrace(death.watch)
    try:
        outcome = keeper.token().value
    except ReconnectNeeded:
        outcome = "reconnect"
    except TransientError:
        outcome = "later"
    finally:
        sys.settrace(None)
        database.close()
    return {"lines": death.lines, "steps": death.steps, "outcome": outcome, "refused": len(refused)}


if __name__ == "__main__":
    serve(lambda order: work(TokenOrder(**order)))

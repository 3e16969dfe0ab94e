"""The routes under /api/connections that open an account: this function alone has the key of the tokens."""

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, SecretStr

from crm_relay.connections.accounts.add_by_key import AccountKeyed, KeyedAccount, add_by_key
from crm_relay.connections.accounts.pick import list_choices
from crm_relay.connections.installed.context import ConnectionContext
from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.http.callers import Role
from crm_relay.platform.http.http_routes import ApiRoute, Call, Given
from crm_relay.platform.logging import logger
from crm_relay.providers.connectors.contract import Choice

_REQUEST_SECONDS = 25.0
"""Less than the 30 seconds after which API Gateway gives up."""

Word = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]


@dataclass(frozen=True)
class AccountDependencies:
    """What the answers work with."""

    db: Database
    context: ConnectionContext
    clock: Clock


class KeyGiven(Given):
    """An account to connect by a key. `connection`: the one that gets another key."""

    integration: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
    workspace: UUID
    key: Annotated[SecretStr, Field(min_length=1, max_length=4_000)]
    label: Word | None = None
    connection: UUID | None = None
    settings: dict[str, Any] = Field(default_factory=dict, description="As docs/connections.md has them.")


class ChoicesAsked(Given):
    """`within`: the choice before it, such as the base whose tables are asked for."""

    id: UUID
    kind: Word
    within: Word | None = None


def connect_by_key(dependencies: AccountDependencies, call: Call) -> object:
    given, own = call.given, dependencies
    wanted = KeyedAccount(given.integration, given.workspace, given.label, given.settings, given.connection)
    done = add_by_key(own.db, own.context, wanted, given.key.get_secret_value(), own.clock, call.who)
    logger().info("account connected by a key", extra={"by": call.who, "connection": str(done.id)})
    return done


def choices(dependencies: AccountDependencies, call: Call) -> object:
    given, own = call.given, dependencies
    deadline = Deadline.after(_REQUEST_SECONDS)
    return list_choices(own.db, own.context, given.id, given.kind, given.within, own.clock, deadline)


ACCOUNTS = (
    ApiRoute(
        "POST",
        "/api/connections/keys",
        "Connect an account by a key, or give it another one",
        connect_by_key,
        Role.OPERATE,
        KeyGiven,
        AccountKeyed,
        201,
        errors=(404, 409),
    ),
    ApiRoute(
        "GET",
        "/api/connections/{id}/choices/{kind}",
        "What can be picked of an account, such as its bases, tables, audiences or labels",
        choices,
        Role.OPERATE,
        ChoicesAsked,
        list[Choice],
        errors=(404, 409),
    ),
)

"""What the routes under /api/connections take."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from crm_relay.platform.http.http_routes import Given

Word = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]


class OfConnection(Given):
    """One connection, by its id."""

    id: UUID


class ConnectionsAsked(Given):
    """Of which workspace; none named: of all."""

    workspace: UUID | None = None
    limit: Annotated[int, Field(ge=1, le=200, description="So many at most.")] = 200


class SettingsGiven(Given):
    """Members of the settings to change, null takes one out; the others stay."""

    id: UUID
    settings: dict[str, Any] = Field(default_factory=dict, description="As docs/connections.md has them.")
    sync_frequency_minutes: Annotated[int | None, Field(ge=5, le=10_080)] = None


class ConnectionWanted(Given):
    """An account to connect by OAuth. `connection`: the one that is connected again."""

    integration: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
    workspace: UUID
    label: Word | None = None
    connection: UUID | None = None
    settings: dict[str, Any] = Field(default_factory=dict, description="As docs/connections.md has them.")

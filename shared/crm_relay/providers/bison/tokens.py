"""The two settings that hold a token for each workspace: those in the webhooks' paths, and those of the API.

EmailBison signs nothing, so the address that it posts to is the secret: an unguessable token in the path.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field, PlainValidator

from crm_relay.platform.aws.secret_groups import IN_PUBLIC_SECRET, IN_WORKERS_SECRET
from crm_relay.platform.settings import SHORTEST_TOKEN

SHORTEST_RETIRED_TOKEN = 16
"""A shorter token than SHORTEST_TOKEN is valid with an end only, so that it can be replaced without a gap."""

# What stands in a path as it is: any other character would arrive in another spelling, or end the path.
_USABLE_IN_A_PATH = re.compile(r"[A-Za-z0-9._~-]+")


@dataclass(frozen=True)
class WebhookToken:
    """A token of one workspace. After `until` it counts as unknown; None: until it is taken away."""

    token: str = field(repr=False)
    until: datetime | None = None

    def is_alive(self, now: datetime) -> bool:
        """Whether it still opens the door."""
        return self.until is None or now <= self.until


def read_webhook_tokens(text: str) -> Mapping[str, tuple[WebhookToken, ...]]:
    """Workspace name -> its tokens, from JSON: a token, a list of tokens, or `{"token": …, "until": …}` in such a list.

    Raises ValueError that names the workspace, never a token.
    """
    tokens = {name: tuple(_webhook_tokens(name, value)) for name, value in _by_workspace(text).items()}
    _refuse_shared((name, each.token) for name, some in tokens.items() for each in some)
    return tokens


def read_api_tokens(text: str) -> Mapping[str, str]:
    """Workspace name -> its token of the kind "api-user", from a JSON object.

    Raises ValueError that names the workspace, never a token; also where two share one, which belongs to one of them.
    """
    tokens = {name: _api_token(name, value) for name, value in _by_workspace(text).items()}
    _refuse_shared(tokens.items())
    return tokens


def _setting(read: Any) -> PlainValidator:
    return PlainValidator(lambda value: read(value) if isinstance(value, str) else value)


WebhookTokens = Annotated[
    Mapping[str, tuple[WebhookToken, ...]],
    _setting(read_webhook_tokens),
    IN_PUBLIC_SECRET,
    Field(
        description="JSON object: workspace name to the token in its webhook's path, at least 32 characters. While a "
        "token is replaced it is a list, the newest first, the old one with its end: "
        '`{"Northwind": ["new…", {"token": "old…", "until": "2027-01-31"}]}`. Unset: every delivery is refused.'
    ),
]
"""BISON_WEBHOOK_TOKENS as a setting; empty refuses every delivery."""

ApiTokens = Annotated[
    Mapping[str, str],
    _setting(read_api_tokens),
    IN_WORKERS_SECRET,
    Field(
        description="JSON object: workspace name to its API token of the kind *api-user*, "
        '`{"Northwind": "12|…"}`. Unset: no account is read.'
    ),
]
"""BISON_API_TOKENS as a setting."""


def _by_workspace(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text, object_pairs_hook=_once)
    except (json.JSONDecodeError, RecursionError):
        raise ValueError("not JSON") from None
    if not isinstance(content, dict):
        raise ValueError("must be a JSON object, workspace name to token")  # noqa: TRY004 - pydantic tells it
    if any(not name.strip() for name in content):
        raise ValueError("a workspace has no name")
    return content


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"{', '.join(sorted(twice))}: stands twice")
    return dict(pairs)


def _webhook_tokens(workspace: str, value: Any) -> Iterable[WebhookToken]:
    for each in value if isinstance(value, list) else [value]:
        given = each if isinstance(each, dict) else {"token": each}
        token = given.get("token")
        if not isinstance(token, str) or given.keys() - {"token", "until"}:
            raise ValueError(f"workspace {workspace}: must be a token, a list of tokens, or objects of token and until")
        until = _until(workspace, given.get("until"))
        shortest = SHORTEST_TOKEN if until is None else SHORTEST_RETIRED_TOKEN
        if len(token) < shortest:
            raise ValueError(f"workspace {workspace}: a token is shorter than {shortest} characters")
        if not _USABLE_IN_A_PATH.fullmatch(token):
            raise ValueError(f"workspace {workspace}: a token may hold letters, digits and . _ ~ - only")
        yield WebhookToken(token, until)


def _until(workspace: str, value: Any) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"workspace {workspace}: until is not a date") from None


def _api_token(workspace: str, value: Any) -> str:
    token = value.strip() if isinstance(value, str) else ""
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError(f"workspace {workspace}: must be a token")
    return token


def _refuse_shared(pairs: Iterable[tuple[str, str]]) -> None:
    owners: dict[str, str] = {}
    for workspace, token in pairs:
        owner = owners.setdefault(token, workspace)
        if owner != workspace:
            raise ValueError(f"workspaces {owner} and {workspace} share a token")

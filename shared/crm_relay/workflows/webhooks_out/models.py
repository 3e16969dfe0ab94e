"""A webhook on its way out, and what became of it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from crm_relay.platform.http.guarded.exchange import OutgoingAnswer, OutgoingRequest


class WebhookClient(Protocol):
    """What sends; `GuardedClient` of the platform. Called by several threads at once."""

    def send(self, request: OutgoingRequest) -> OutgoingAnswer:
        """Errors as in GuardedClient.send."""


@dataclass(frozen=True)
class ClaimedWebhook:
    """A row that is ours until its lease runs out. `attempts` counts this one; `fence` proves that it is still ours."""

    id: UUID
    org_id: UUID
    host: str
    url: str = field(repr=False)
    method: str
    headers: Mapping[str, str] = field(repr=False, hash=False)
    secret_ref: str | None
    body: str = field(repr=False)
    attempts: int
    fence: int


@dataclass(frozen=True)
class WebhookOutcome:
    """What an attempt came to. `state`: delivered, failed, or waiting for another attempt after `retry_in`.

    `host_failed`: whether the host seems to be down; None: the attempt says nothing of it. `rest`: how long the host
    asks to be left alone. `missing_secret`: the name of one that no setting has.
    """

    state: str
    reason: str | None = None
    status_code: int | None = None
    retry_in: timedelta | None = None
    host_failed: bool | None = None
    rest: timedelta | None = None
    missing_secret: str | None = None


@dataclass(frozen=True)
class HostState:
    """How a host has answered: failures in a row, and until when nothing is sent to it."""

    failures: int = 0
    rests_until: datetime | None = None


@dataclass(frozen=True)
class WebhookLine:
    """A webhook as an operator sees it: without address, headers and body, which may hold secrets and personal data."""

    id: UUID
    org_id: UUID
    workflow_id: UUID | None
    execution_id: UUID
    host: str
    method: str
    state: str
    is_awaited: bool
    attempts: int
    status_code: int | None
    reason: str | None
    next_attempt_at: datetime | None
    host_rests_until: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass
class WebhookReport:
    """What one run did. `outcomes` counts states; `lost`: outcomes of a lease that somebody else had taken over."""

    outcomes: Counter[str] = field(default_factory=Counter)
    cancelled: int = 0
    lost: int = 0
    is_idle: bool = False
    is_finished: bool = True

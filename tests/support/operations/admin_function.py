"""The function admin_api as Lambda would call it, with a cache in memory."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from admin_api import wiring
from admin_api.handler import handler
from crm_relay.operations.access.tokens import create_token
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.http.callers import Role
from tests.support.edge_cache.edge_twin import EdgeTwin
from tests.support.function_settings import NOWHERE, WITHOUT_AWS, give_settings

ADMIN = "the-bootstrap-token-of-a-test-32-long"


@dataclass(frozen=True)
class ApiAnswer:
    """`body` is JSON where the answer is."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True)
class AdminFunction:
    """Its settings are in this environment; AWS is away."""

    database: Database
    table: EdgeTwin

    def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = ADMIN,
        body: Any = None,
        text: str | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> ApiAnswer:
        """`text` is a body as it stands, `body` one that becomes JSON."""
        sent = {"content-type": "application/json"} if body is not None or text is not None else {}
        sent |= {} if token is None else {"authorization": f"Bearer {token}"}
        event = {
            "version": "2.0",
            "rawPath": path,
            "headers": sent | dict(headers or {}),
            "requestContext": {"http": {"method": method, "path": path}},
            "queryStringParameters": dict(query or {}),
            "body": text if body is None else json.dumps(body),
        }
        answer = handler(event, None)
        return ApiAnswer(answer["statusCode"], answer["headers"], answer["body"])

    def token(self, name: str, role: Role, **more: Any) -> str:
        """A new named one."""
        given = {"expires_at": None, "created_by": "a test", "now": utc_now()} | more
        return create_token(self.database, name, role, **given).token


def admin_function(monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str) -> AdminFunction:
    """With the table in memory."""
    settings = WITHOUT_AWS | {
        "DATABASE_URL": database_url,
        "ADMIN_TOKEN": ADMIN,
        "EDGE_CACHE_TABLE": "edge",
        "CACHE_ORDERS_QUEUE_URL": f"{NOWHERE}/123456789012/orders",
        "INTEGRITY_ORDERS_QUEUE_URL": f"{NOWHERE}/123456789012/checks",
    }
    give_settings(monkeypatch, wiring.installation, settings)
    twin = EdgeTwin()
    wiring.installation().__dict__["edge_table"] = twin
    return AdminFunction(database, twin)

"""The admin API as it is deployed: the local edge over HTTP, queues that bring orders to cache_sync, moto."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import requests

from admin_api import wiring as admin_wiring
from admin_api.routes import TABLE
from admin_api.settings import Settings as AdminSettings
from admin_api.visibility import VISIBLE_FROM
from cache_sync import wiring as cache_wiring
from crm_relay.edge_cache.dynamo.dynamo_table import DynamoTable
from crm_relay.edge_cache.table import EdgeTable
from crm_relay.installation.installation import Installation
from crm_relay.operations.access.tokens import create_token
from crm_relay.platform.aws.queue import aws_client
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.http.callers import Role
from crm_relay.platform.http.http_edge import respond
from crm_relay.platform.http.http_routes import Routes
from integrity_check import wiring as integrity_wiring
from local.aws.edge import Edge
from local.aws.local_aws import LocalAws
from local.aws.queues import QueuePoller
from local.runtime.execution import Handler
from local.template.template import SamTemplate
from tests.support.source_tree import ROOT

ADMIN = "the-bootstrap-token-of-a-test-32-long"
TEMPLATE = SamTemplate.read(ROOT / "template.yaml")


@dataclass
class AdminStage:
    """`call` is what a client of the API does."""

    base_url: str
    database: Database
    table: EdgeTable
    queues: QueuePoller
    aws: LocalAws

    def call(
        self, method: str, path: str, *, token: str | None = ADMIN, body: Any = None, **options: Any
    ) -> requests.Response:
        """`body` goes as JSON."""
        headers = options.pop("headers", {}) | ({} if token is None else {"authorization": f"Bearer {token}"})
        return requests.request(
            method, self.base_url + path, headers=headers, json=body, timeout=30, allow_redirects=False, **options
        )

    def get(self, path: str, *, token: str | None = ADMIN) -> Any:
        """The JSON of a good answer."""
        answer = self.call("GET", path, token=token)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def token(self, name: str, role: Role, *, expires_at: datetime | None = None) -> str:
        """A new named one."""
        made = create_token(self.database, name, role, expires_at=expires_at, created_by="a test", now=utc_now())
        return made.token


@contextmanager
def admin_stage(
    database_url: str, *, table: EdgeTable | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[AdminStage]:
    """Nothing runs by itself: `queues` is started or drained by whoever needs it.

    `table` stands in for DynamoDB: a full resync asks for 4,096 buckets of each entity, which takes moto two minutes.
    """
    aws = LocalAws.start(TEMPLATE)
    environment = aws.environment | {"DATABASE_URL": database_url, "ADMIN_TOKEN": ADMIN, "LOG_LEVEL": "WARNING"}
    environment |= {"POWERTOOLS_METRICS_DISABLED": "true"} | dict(settings or {})
    before = {name: os.environ.get(name) for name in (*environment, "CRM_RELAY_SECRET_ID")}
    os.environ.update(environment)
    os.environ.pop("CRM_RELAY_SECRET_ID", None)
    aws_client.cache_clear()
    edge = Edge(TEMPLATE, handlers={} if table is None else _with(table))
    edge.start()
    queues = QueuePoller(TEMPLATE, aws, edge.invoke, visibility_seconds=2)
    database = Database(database_url)
    try:
        seen = table or DynamoTable(aws.environment["EDGE_CACHE_TABLE"])
        yield AdminStage(edge.base_url, database, seen, queues, aws)
    finally:
        queues.stop()
        edge.stop()
        database.close()
        aws.stop()
        aws_client.cache_clear()
        _restore(before)
        for wiring in (admin_wiring, cache_wiring, integrity_wiring):
            wiring.installation.forget()


def _with(table: EdgeTable) -> dict[str, Handler]:
    """The functions as they are, but for the table."""

    def admin() -> Installation[AdminSettings]:
        installation = admin_wiring.installation()
        installation.__dict__["edge_table"] = table
        return installation

    def cache_sync(event: dict[str, Any], context: Any) -> Any:
        cache_wiring.installation().__dict__["edge_table"] = table
        return cache_wiring.sync(event, context)

    def integrity_check(event: dict[str, Any], context: Any) -> Any:
        integrity_wiring.installation().__dict__["edge_table"] = table
        return integrity_wiring.check(event, context)

    routes = Routes(TABLE, admin, lambda authorization: admin().identify(authorization), VISIBLE_FROM)
    return {
        "admin_api": lambda event, _context: respond(event, routes.accepts(event), routes.answer),
        "cache_sync": cache_sync,
        "integrity_check": integrity_check,
    }


def _restore(before: Mapping[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value

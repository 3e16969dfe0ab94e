"""Somebody without a right calls two hundred times at every door: it costs next to nothing, and nobody is accused."""

import importlib
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from crm_relay.platform.database import Database
from crm_relay.platform.execution_environment import PerEnvironment
from local.runtime.execution import Handler, load_handler
from local.runtime.lambda_context import LocalLambdaContext
from local.template.template import FunctionDefinition, SamTemplate
from tests.support.customers.mautic_hooks import SECRET as MAUTIC_SECRET
from tests.support.function_settings import NOWHERE, WITHOUT_AWS
from tests.support.mail.resend_webhook_function import SECRET as RESEND_SECRET
from tests.support.outreach.bison_webhook_function import ENVIRONMENT as BISON
from tests.support.outreach.bison_webhook_function import plant_workspaces
from tests.support.platform.counting_proxy import CountingProxy
from tests.support.platform.hostile_calls import DOORS, HostileBody, hostile_bodies, hostile_event
from tests.support.platform.rows import rows_of
from tests.support.source_tree import ROOT

FUNCTIONS = SamTemplate.read(ROOT / "template.yaml").functions
ROUTES = {route.path: function for function in FUNCTIONS.values() for route in function.routes}
CALLS = 200
MOST_STATEMENTS = 40
"""A call would cost one or more if the door had no budget."""
SETTINGS = {
    **WITHOUT_AWS,
    **BISON,
    "MAUTIC_URL": NOWHERE,
    "MAUTIC_CLIENT_ID": "id",
    "MAUTIC_CLIENT_SECRET": "secret",
    "MAUTIC_WEBHOOK_SECRET": MAUTIC_SECRET,
    "RESEND_WEBHOOK_SECRET": RESEND_SECRET,
    "CONNECTION_KEY": "alias/connections",
    "PUBLIC_URL": "https://crm.example.com",
    "ADMIN_TOKEN": "the-bootstrap-token-of-a-test-32-long",
    "EDGE_CACHE_TABLE": "edge",
    "CACHE_ORDERS_QUEUE_URL": f"{NOWHERE}/123456789012/orders",
    "INTEGRITY_ORDERS_QUEUE_URL": f"{NOWHERE}/123456789012/checks",
}
BODIES = hostile_bodies()
TABLES = ("webhook_inbox", "webhook_delivery_log", "client_metrics", "client_leads", "consent_events", "integrity_runs")


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str) -> Iterator[CountingProxy]:
    """Every function is as in a new environment, and reaches the database by way of this."""
    plant_workspaces(database)
    with CountingProxy(database_url) as proxy:
        for name, value in (SETTINGS | {"DATABASE_URL": proxy.url}).items():
            monkeypatch.setenv(name, value)
        forget()
        yield proxy
    forget()


def forget() -> None:
    for function in ROUTES.values():
        wiring = importlib.import_module(f"{function.name}.wiring")
        for each in vars(wiring).values():
            if isinstance(each, PerEnvironment):
                each.forget()


def call(route: str, number: int, body: HostileBody | None, handler: Handler) -> dict[str, Any]:
    function: FunctionDefinition = ROUTES[route]
    event = hostile_event(DOORS[route], route, number, body)
    answer: dict[str, Any] = handler(event, LocalLambdaContext.of(function))
    return answer


def test_every_route_of_the_template_says_what_a_stranger_can_do_at_it() -> None:
    assert DOORS.keys() == ROUTES.keys()


@pytest.mark.parametrize("route", DOORS)
def test_two_hundred_strangers_cost_a_bounded_number_of_statements(
    proxy: CountingProxy, database: Database, route: str
) -> None:
    handler = load_handler(ROUTES[route].handler)
    for number in range(CALLS):
        answer = call(route, number, BODIES[number % len(BODIES)], handler)
        assert answer["statusCode"] in DOORS[route].statuses
    assert len(proxy.queries) <= MOST_STATEMENTS
    assert [table for table in TABLES if rows_of(database, f"select 1 as n from {table} limit 1")] == []
    assert {row["subject"] for row in rows_of(database, "select subject from incidents")} <= {"unknown"}


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.name)
@pytest.mark.parametrize("route", [route for route, door in DOORS.items() if door.method == "POST"])
def test_a_stranger_has_no_body_decoded_and_a_forged_signature_has_it_decoded_once(
    proxy: CountingProxy, route: str, body: HostileBody
) -> None:
    handler = load_handler(ROUTES[route].handler)
    for number in range(2):
        call(route, number, None, handler)  # what is imported and opened on first use is nobody's body
    event_size = len(body.raw)
    tracemalloc.start()
    call(route, 2, body, handler)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # base64 is first made bytes, and then those that it stands for.
    assert peak < (event_size + body.size if DOORS[route].reads_body else 0) + 300_000
    assert not proxy.other_messages or len(proxy.queries) <= MOST_STATEMENTS

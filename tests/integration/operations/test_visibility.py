"""What each role sees of the personal data that lies in every table."""

import re
from collections.abc import Iterator
from typing import get_args, get_type_hints

import pytest

from admin_api import wiring
from admin_api.routes import TABLE
from admin_api.visibility import VISIBLE_FROM
from crm_relay.platform.database import Database
from crm_relay.platform.http.callers import Role
from crm_relay.platform.http.http_routes import ApiRoute
from tests.support.operations.admin_function import ADMIN, AdminFunction, admin_function
from tests.support.operations.visible_columns import NOT_PERSONAL, columns_in, planted
from tests.support.platform.filled_schema import EVERYWHERE, fill_every_table


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str) -> Iterator[AdminFunction]:
    """Every column of every table holds an address that names the column."""
    fill_every_table(database, planted)
    # Filled in, every time is set: what is over is shown nowhere.
    database.run_script(
        """update failed_tasks set replayed_at = null;
           update incidents set closed_at = null, told_closed_at = null;
           update workflows set deleted_at = null;
           update sending_stops set resumed_at = null"""
    )
    yield admin_function(monkeypatch, database, database_url)
    wiring.installation.forget()


def called(api: AdminFunction, route: ApiRoute, token: str | None) -> tuple[int, set[str]]:
    """Status, and the columns whose content is in the answer."""
    path = re.sub(r"\{(\w+)\}", lambda found: filled_in(route, found[1]), route.path)
    query = {"who": planted("customer_emails", "email")} if "who" in route.takes.model_fields else None
    answer = api.call(route.method, path, token=token, query=query)
    text = answer.text + str(dict(answer.headers))
    return answer.status, columns_in(text)


def filled_in(route: ApiRoute, name: str) -> str:
    if name == "id":
        return str(EVERYWHERE) if "campaign" in route.path or "enrollment" in route.path else "1"
    return {"name": "sample", "file": "app.js"}[name]


def test_a_role_that_merely_reads_finds_no_personal_data_in_any_answer(api: AdminFunction) -> None:
    reader = api.token("reader", Role.READ)
    seen: set[str] = set()
    for route in TABLE:
        status, columns = called(api, route, reader)
        assert status < 500 or route.method == "POST", route.path
        if route.method == "GET" and (route.role or Role.READ) == Role.READ:
            assert status == route.status, route.path
        seen |= columns
    assert sorted(seen) == sorted(NOT_PERSONAL)


@pytest.mark.parametrize("token", [None, "", "wrong"])
def test_without_a_token_nothing_of_any_table_is_in_any_answer(api: AdminFunction, token: str | None) -> None:
    assert {route.path: columns for route in TABLE if (columns := called(api, route, token)[1])} == {}


@pytest.mark.parametrize("role", [Role.OPERATE, Role.ADMIN])
def test_those_who_operate_see_what_they_work_with(api: AdminFunction, role: Role) -> None:
    token = api.token("worker", role) if role < Role.ADMIN else ADMIN
    seen = set().union(*(called(api, route, token)[1] for route in TABLE if route.method == "GET"))
    assert seen >= {"incidents.subject", "failed_tasks.error", "sync_log.error", "integrity_findings.what"}


def test_what_a_role_does_not_see_may_be_left_out_of_the_answer() -> None:
    for kind, needed in VISIBLE_FROM.items():
        hints = get_type_hints(kind)
        for field in needed:
            assert type(None) in get_args(hints[field]), (kind, field)

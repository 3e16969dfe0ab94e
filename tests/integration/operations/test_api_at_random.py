"""Every route, asked by every role for whatever its description allows and forbids: schemathesis draws the requests.

The same tool runs over HTTP in end_to_end/operations/test_api_fuzz.py; here roles and data are watched.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import unquote

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from pydantic import ValidationError
from schemathesis import Case, GenerationMode

from admin_api import wiring
from admin_api.routes import TABLE
from crm_relay.platform.database import Database
from crm_relay.platform.http.callers import Role
from crm_relay.platform.http.http_routes import ApiRoute
from crm_relay.platform.http.openapi import describe
from tests.support.operations.admin_function import ADMIN, AdminFunction, ApiAnswer, admin_function
from tests.support.operations.visible_columns import NOT_PERSONAL, columns_in, planted
from tests.support.platform.filled_schema import EVERYWHERE, fill_every_table

DOCUMENT = describe(TABLE, title="CRM Relay", version="1", description="")
OPERATIONS = schemathesis.openapi.from_dict(DOCUMENT)
ROLES = {"none": None, "read": Role.READ, "operate": Role.OPERATE, "admin": Role.ADMIN}
EXAMPLES = 3
# Where a queue takes an order, and AWS is away in these tests.
ORDERED = 503
# Keys of a person's links, and deliveries as they came.
NOBODYS = {
    "email_batches.payload",
    "email_sends.payload",
    "email_sends.reply_token",
    "email_sends.unsubscribe_token",
    "failed_tasks.payload",
    "webhook_inbox.body",
    "webhook_inbox.headers",
}
SAID = "said-by-a-caller-5f2c"
WRONG_KINDS: tuple[Any, ...] = ([[SAID]], {"x": {"y": SAID}}, f"\x00{SAID}", -1, 10**30, SAID * 1000)


@dataclass
class RoleAnswers:
    """What the API answered to one role."""

    api: AdminFunction
    token: str | None
    role: Role | None
    wrong: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def ask(self, route: ApiRoute, case: Case[Any]) -> None:
        """One drawn request, with an id that exists every other time."""
        parameters = dict(case.path_parameters or {})
        if "id" in parameters and self.statuses.total() % 2:
            parameters["id"] = str(EVERYWHERE) if route.takes.model_fields["id"].annotation is not int else "1"
        path = route.path
        for name, value in parameters.items():
            path = path.replace(f"{{{name}}}", unquote(str(value)) or "x")
        query = {
            name: value if isinstance(value, str) else json.dumps(value) for name, value in (case.query or {}).items()
        }
        body = case.body if isinstance(case.body, dict | list | str | int | float | bool) else None
        self.check(route, self.api.call(route.method, path, token=self.token, query=query, body=body))

    def check(self, route: ApiRoute, answer: ApiAnswer) -> None:
        """No error of ours, nothing undescribed, and nothing that the role may not see."""
        self.statuses[answer.status] += 1
        what = f"{route.method} {route.path} as {self.role}: {answer.status}"
        described = DOCUMENT["paths"][route.path][route.method.lower()]["responses"]
        if answer.status >= 500 and not (answer.status == ORDERED and route.method == "POST"):
            self.wrong.append(what)
        elif str(answer.status) not in {*described, "404", "405"}:
            self.wrong.append(f"{what}, which is not described")
        # A body that is too large is refused before anybody is asked who they are.
        if not self.may(route) and answer.status not in {401, 403, 404, 405, 413}:
            self.wrong.append(f"{what}, although the role may not")
        if foreign := {column for column in columns_in(answer.text) if not self.sees(column)}:
            self.wrong.append(f"{what} shows {sorted(foreign)}")

    def may(self, route: ApiRoute) -> bool:
        return route.role is None or (self.role is not None and self.role >= route.role)

    def sees(self, column: str) -> bool:
        if self.role is None or column in NOBODYS:
            return False
        return self.role > Role.READ or column in NOT_PERSONAL


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str) -> Iterator[AdminFunction]:
    """Every column of every table holds an address that names the column."""
    fill_every_table(database, planted)
    database.run_script(
        """update failed_tasks set replayed_at = null;
           update incidents set closed_at = null, told_closed_at = null;
           update sending_stops set resumed_at = null"""
    )
    yield admin_function(monkeypatch, database, database_url)
    wiring.installation.forget()


@pytest.mark.parametrize("role", ROLES)
def test_whatever_a_role_asks_for_it_is_answered_as_described_and_sees_what_it_may(
    api: AdminFunction, role: str
) -> None:
    wanted = ROLES[role]
    token = None if wanted is None else ADMIN if wanted is Role.ADMIN else api.token(f"r-{role}", wanted)
    asked = RoleAnswers(api, token, wanted)
    for route in TABLE:
        operation = OPERATIONS[route.path][route.method]
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            if mode is GenerationMode.NEGATIVE and not route.takes.model_fields:
                continue
            each_of(operation, mode, partial(asked.ask, route))
    assert asked.wrong == []
    assert asked.statuses[200 if wanted else 401] > len(TABLE) // 4, asked.statuses


def each_of(operation: Any, mode: GenerationMode, ask: Callable[[Case[Any]], None]) -> None:
    """A few requests of one kind; the same in every run of CI."""

    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def drawn(case: Case[Any]) -> None:
        ask(case)

    drawn()


def test_bad_input_is_refused_by_the_name_of_its_field_and_never_by_what_it_said(api: AdminFunction) -> None:
    wrong, refused = [], Counter[str]()
    for route in TABLE:
        if route.role is None:
            continue
        for name in sorted(route.takes.model_fields):
            for value in WRONG_KINDS:
                if not is_wrong(route, name, value):
                    continue
                answer = asked_with(api, route, name, value)
                refused[name] += 1
                fields = [detail.partition(":")[0].partition(".")[0] for detail in answer.body["details"]]
                if (answer.status, name in fields) not in {(422, True), (404, False)}:
                    wrong.append(f"{route.method} {route.path} {name}: {fields}")
                if SAID in answer.text or answer.status >= 500:
                    wrong.append(f"{route.method} {route.path} {name}: {answer.status} {answer.text[:200]}")
    assert wrong == [], "\n".join(wrong)
    assert len(refused) > 20


def is_wrong(route: ApiRoute, name: str, value: Any) -> bool:
    """Whether the model refuses the value in this field."""
    try:
        if route.method == "GET" or name in route.path_parameters:
            route.takes.model_validate({name: str(value)})
        else:
            route.takes.model_validate_json(json.dumps({name: value}), strict=True)
    except ValidationError as error:
        return any(each["loc"][:1] == (name,) for each in error.errors())
    return False


def asked_with(api: AdminFunction, route: ApiRoute, name: str, value: Any) -> ApiAnswer:
    """The answer to a request with this value."""
    given = {"id": str(EVERYWHERE) if "campaign" in route.path or "enrollment" in route.path else 1, "name": "sample"}
    path, in_path = route.path, name in route.path_parameters
    for parameter in route.path_parameters:
        said = str(value) if parameter == name else str(given.get(parameter, "app.js"))
        path = path.replace(f"{{{parameter}}}", said.replace("/", "-").replace("\x00", "-"))
    text = str(value)
    query = {name: text} if route.method == "GET" and not in_path else None
    body = {name: value} if route.method != "GET" and not in_path else None
    return api.call(route.method, path, token=ADMIN, query=query, body=body)

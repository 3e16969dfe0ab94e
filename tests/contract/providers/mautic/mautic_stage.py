"""A simulator set up like the recorded Mautic, with contacts and segments under the recorded ids."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from local.simulators.mautic import MauticSimulator
from tests.contract.providers.mautic.mautic_recordings import recording

FIELDS = (
    "supabase_id",
    "customer_segment",
    "lead_score",
    "total_orders",
    "total_spent",
    "last_order_date",
    "last_event_name",
    "preferred_venue",
    "marketing_opt_in",
    "customer_since",
)


@dataclass
class MauticStage:
    """`sim` knows the recorded fields; contacts get the ids of the recordings."""

    sim: MauticSimulator
    http: requests.Session

    def call(self, method: str, path: str, body: Any = None) -> requests.Response:
        return self.http.request(method, self.sim.url + path, json=body, timeout=30)

    def done(self, method: str, path: str, body: Any = None) -> Any:
        response = self.call(method, path, body)
        assert response.ok, response.text
        return response.json()

    def next_contact_is(self, number: int) -> None:
        self.sim.mautic._ids["contact"] = number - 1

    def contact(self, number: int, **fields: Any) -> None:
        self.next_contact_is(number)
        self.done("POST", "/api/contacts/batch/new", [fields])
        assert number in self.sim.contacts

    def fillers(self, numbers: Any) -> None:
        for number in numbers:
            self.contact(number, email=f"filler{number}@example.com")

    def segments(self) -> None:
        """The five segments of the recordings, in their order."""
        for name in ("vip", "at", "newsletter", "duplicate_name", "with_filter"):
            self.done("POST", "/api/segments/new", recording(f"60_segment_new_{name}")["request"]["body_json"])

    def fields_of(self, number: int) -> Any:
        return self.done("GET", f"/api/contacts/{number}")["contact"]["fields"]["all"]

    def token(self) -> str:
        login = {"client_id": self.sim.oauth.client_id, "client_secret": self.sim.oauth.client_secret}
        form = {"grant_type": "client_credentials", **login}
        answer = requests.post(self.sim.url + "/oauth/v2/token", data=form, timeout=30).json()
        return str(answer["access_token"])


@contextmanager
def stage(fields: tuple[str, ...] = FIELDS) -> Iterator[MauticStage]:
    with MauticSimulator(prepared=False) as simulator, requests.Session() as session:
        made = MauticStage(simulator, session)
        session.headers["Authorization"] = f"Bearer {made.token()}"
        for alias in fields:
            body = recording(f"20_field_create_{alias}")["request"]["body_json"]
            made.done("POST", "/api/fields/contact/new", body)
        yield made


def stage_for(name: str) -> AbstractContextManager[MauticStage]:
    """Fields were recorded one after the other, each over those before it."""
    if name == "303_511_email_null":
        return stage(FIELDS[:1])
    alias = name.removeprefix("20_field_create_")
    return stage(FIELDS[: FIELDS.index(alias)] if alias in FIELDS else FIELDS)


def replay(made: MauticStage, name: str) -> requests.Response:
    """Sends the recorded request, with our own credentials where the recording has placeholders."""
    request = recording(name)["request"]
    headers = _credentials(made, name, dict(request.get("headers", {})))
    body = request.get("body")
    if "body_json" in request:
        body = json.dumps(request["body_json"])
    path = _filled(made, request["path"])
    if body is not None:
        body = _filled(made, body).encode()
    url = made.sim.url + path
    return requests.request(request["method"], url, headers=headers, data=body, timeout=30, allow_redirects=False)


def _filled(made: MauticStage, text: str) -> str:
    placeholders = {"<client_id>": made.sim.oauth.client_id, "<client_secret>": made.sim.oauth.client_secret}
    for placeholder, value in placeholders.items():
        text = text.replace(placeholder, value)
    return text.replace("<token>", made.token()) if "<token>" in text else text


def _credentials(made: MauticStage, name: str, headers: dict[str, str]) -> dict[str, str]:
    kind = headers.get("Authorization", "").partition(" ")[0]
    if kind == "Bearer":
        headers["Authorization"] = "Bearer nobody" if "invalid" in name else str(made.http.headers["Authorization"])
    if kind == "Basic":
        login = {"03_basic_ok": "YWRtaW46c2ltdWxhdG9yLXBhc3N3b3Jk", "03_basic_wrong_password": "YWRtaW46d3Jvbmc="}
        headers["Authorization"] = f"Basic {login.get(name) or _client_login(made)}"
    return headers


def _client_login(made: MauticStage) -> str:
    return base64.b64encode(f"{made.sim.oauth.client_id}:{made.sim.oauth.client_secret}".encode()).decode()

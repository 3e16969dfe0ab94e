"""A simulated EmailBison with two workspaces, and how the tests call it and read what it tells."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from local.simulators.bison import BisonSimulator, SimulatedAccount, SimulatedWorkspace
from tests.contract.providers.mautic.mautic_receiver import HookReceiver


@dataclass
class BisonStage:
    """`one` has 40 accounts, all connected; `two` has 3, none of them."""

    sim: BisonSimulator
    one: SimulatedWorkspace
    two: SimulatedWorkspace

    def call(
        self, method: str, path: str, token: str | None = None, *, timeout: float = 10, **details: Any
    ) -> requests.Response:
        """As an API client with the token of `one`, unless told otherwise; redirects are not followed."""
        headers = {"Accept": "application/json", "Authorization": f"Bearer {token or self.one.token}"}
        rest = {"headers": headers, "allow_redirects": False, **details}
        return requests.request(method, self.sim.url + path, timeout=timeout, **rest)

    def get(self, path: str, token: str | None = None) -> Any:
        answered = self.call("GET", path, token)
        assert answered.status_code == 200, answered.text
        return answered.json()

    def all_pages(self, path: str, token: str | None = None) -> list[Any]:
        found, number, last = [], 1, 1
        while number <= last:
            page = self.get(f"{path}?page={number}", token)
            found += page["data"]
            number, last = number + 1, page["meta"]["last_page"]
        return found

    @property
    def account(self) -> SimulatedAccount:
        return self.sim.accounts_of(self.one)[0]

    @property
    def shown(self) -> Any:
        """`account` as the API shows it."""
        return self.get(f"/api/sender-emails/{self.account.id}")["data"]


@contextmanager
def stage() -> Iterator[BisonStage]:
    with BisonSimulator() as simulator:
        one, two = simulator.workspace("Acme outbound"), simulator.workspace("Beta outbound")
        simulator.add_accounts(one, 40)
        simulator.add_accounts(two, 3, provider_tag="Outlook", reseller_tag=None, status="Disconnected")
        yield BisonStage(simulator, one, two)


def bodies(seen: HookReceiver) -> list[Any]:
    return [json.loads(delivery.raw) for delivery in seen.deliveries]


def kinds(seen: HookReceiver) -> list[str]:
    return [body["event"]["type"] for body in bodies(seen)]


def only(seen: HookReceiver, kind: str) -> Any:
    """The one body of this type."""
    found = [body for body in bodies(seen) if body["event"]["type"] == kind]
    assert len(found) == 1, kinds(seen)
    return found[0]

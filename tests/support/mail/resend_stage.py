"""A simulated Resend account, and how tests call it and send through it."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.resend.client import Resend
from local.simulators.resend import ResendSimulator

BATCH = "/emails/batch"


def mail(number: int | str = 1, **changed: Any) -> dict[str, Any]:
    """To `r<number>@customer.example`; None takes a field away."""
    made = {
        "from": "Acme <hello@acme.example>",
        "to": [f"r{number}@customer.example"],
        "subject": f"Hello {number}",
        "html": "<p>Hello</p>",
        "headers": {"List-Unsubscribe": "<https://acme.example/u/1>"},
        "tags": [{"name": "send", "value": f"s-{number}"}],
        **changed,
    }
    return {name: value for name, value in made.items() if value is not None}


def batch(mails: Sequence[Any] | int) -> bytes:
    """The bytes of one request: these mails, or so many."""
    made = [mail(number) for number in range(mails)] if isinstance(mails, int) else list(mails)
    return json.dumps(made).encode()


@dataclass
class ResendStage:
    """No limit of requests unless a test sets one."""

    sim: ResendSimulator

    def call(self, method: str, path: str, *, key: str | None = None, **details: Any) -> requests.Response:
        """As a client with full access; `headers` come on top, one that is None is left out."""
        headers = {"Authorization": f"Bearer {key or self.sim.api_key}", **details.pop("headers", {})}
        return requests.request(
            method, self.sim.url + path, headers=headers, timeout=details.pop("timeout", 10), **details
        )

    def send(self, mails: Sequence[Any] | int, **headers: str) -> requests.Response:
        """A batch; underscores in names of headers become dashes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.call("POST", BATCH, data=batch(mails), headers=named)

    def client(self, *, timeout: float = 10, key: str | None = None) -> Resend:
        """Ours, that may only send unless `key` says otherwise."""
        return Resend(HttpClient(self.sim.url, timeout=(2, timeout), repeats=0), key or self.sim.sending_key)


@contextmanager
def stage() -> Iterator[ResendStage]:
    """A fresh account."""
    with ResendSimulator(requests_per_second=None) as simulator:
        yield ResendStage(simulator)

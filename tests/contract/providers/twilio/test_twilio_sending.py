"""Our client and the simulated Twilio: what is unclear is looked up, and nobody gets a message twice."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import requests

from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.answers import (
    ConfigurationWrong,
    Later,
    OptedOut,
    Refused,
    Taken,
    TextAnswer,
    Unclear,
)
from crm_relay.providers.twilio.client import Twilio
from local.simulators.twilio import TwilioFault, TwilioSimulator

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
TO = "+4915100000000"


@pytest.fixture
def sim() -> Iterator[TwilioSimulator]:
    with TwilioSimulator(now=lambda: START) as running:
        yield running


def client(sim: TwilioSimulator, *, timeout: float = 5, token: str | None = None) -> Twilio:
    http = HttpClient(sim.url, timeout=(2, timeout), repeats=0)
    return Twilio(http, sim.account_sid, token or sim.auth_token, sim.number)


def test_a_message_is_taken_and_can_be_looked_up_before_it_has_left(sim: TwilioSimulator) -> None:
    answered = client(sim).send(TO, "Hello")
    assert answered == Taken(sim.texts[0].sid, "queued")
    found = client(sim).find(TO, "Hello", START)
    assert found is not None
    assert (found.sid, found.created_at) == (sim.texts[0].sid, START)
    sim.sent(sim.texts[0])
    later = client(sim).find(TO, "Hello", START)
    assert later is not None
    assert later.status == "sent"
    assert client(sim).find(TO, "Hello", START + timedelta(seconds=6)) is None
    assert client(sim).find("+4915100000001", "Hello", START) is None


FAULTS: list[tuple[str, type[TextAnswer], int]] = [
    ("500_before", Unclear, 0),
    ("500_after", Unclear, 1),
    ("cut_before", Unclear, 0),
    ("cut_after", Unclear, 1),
    ("garbled_after", Unclear, 1),
    ("502_page", Unclear, 0),
    ("429", Later, 0),
    ("slow", Unclear, 1),
]


def test_every_fault_is_tried() -> None:
    assert {kind for kind, _, _ in FAULTS} == TwilioFault.kinds


@pytest.mark.parametrize(("kind", "meaning", "sent"), FAULTS)
def test_after_every_fault_a_look_says_whether_to_send_again(
    sim: TwilioSimulator, kind: str, meaning: type[TextAnswer], sent: int
) -> None:
    sim.fault(kind, seconds=0.5)
    assert isinstance(client(sim, timeout=0.2 if kind == "slow" else 5).send(TO, "Hello"), meaning)
    found = client(sim).find(TO, "Hello", START)
    while kind == "slow" and found is None:
        found = client(sim).find(TO, "Hello", START)
    assert (found is not None, len(sim.texts)) == (sent == 1, sent)
    if found is None:
        assert isinstance(client(sim).send(TO, "Hello"), Taken)
    assert len(sim.texts) == 1


def test_without_an_idempotency_key_the_same_request_sends_twice(sim: TwilioSimulator) -> None:
    for _ in range(2):
        client(sim).send(TO, "Hello")
    assert len({text.sid for text in sim.texts}) == 2


def test_refusals(sim: TwilioSimulator) -> None:
    sim.opted_out.add(TO)
    assert client(sim).send(TO, "Hello") == OptedOut()
    assert isinstance(client(sim, token="wrong").send(TO, "Hello"), ConfigurationWrong)
    sim.number = "+15550100001"
    other = Twilio(HttpClient(sim.url, repeats=0), sim.account_sid, sim.auth_token, "+15550100009")
    assert isinstance(other.send("+4915100000001", "Hello"), ConfigurationWrong)
    path = f"{sim.url}/2010-04-01/Accounts/{sim.account_sid}/Messages.json"
    refused = requests.post(path, data={"To": "0151"}, auth=(sim.account_sid, sim.auth_token), timeout=5)
    assert (refused.status_code, refused.json()["code"]) == (400, 21211)
    assert isinstance(client(sim).send("0151", "Hello"), Refused)
    assert sim.texts == []


def test_the_simulator_runs_on_its_own() -> None:
    command = [sys.executable, "-m", "local.simulators.twilio", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        try:
            state = requests.get(f"{url}/_simulator/state", timeout=5).json()
            twilio = Twilio(HttpClient(url, repeats=0), state["account_sid"], state["auth_token"], state["number"])
            requests.post(f"{url}/_simulator/faults", json={"match": "POST", "kind": "429"}, timeout=5)
            assert isinstance(twilio.send(TO, "Hello"), Later)
            assert isinstance(twilio.send(TO, "Hello"), Taken)
            assert [text["to"] for text in requests.get(f"{url}/_simulator/state", timeout=5).json()["texts"]] == [TO]
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0

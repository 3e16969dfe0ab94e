"""Twilio's own library for Python drives the simulator: what it sends is taken, and what it gets it can read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from local.simulators.twilio import TwilioSimulator

ADA = "+61400111222"


class _ToSimulator(TwilioHttpClient):  # type: ignore[misc]
    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def request(self, method: str, url: str, *rest: Any, **more: Any) -> Response:
        return super().request(method, url.replace("https://api.twilio.com", self._url), *rest, **more)


@pytest.fixture
def sim() -> Iterator[TwilioSimulator]:
    with TwilioSimulator() as ready:
        yield ready


@pytest.fixture
def client(sim: TwilioSimulator) -> Client:
    return Client(sim.account_sid, sim.auth_token, http_client=_ToSimulator(sim.url))


def test_it_sends_and_fetches_a_message(sim: TwilioSimulator, client: Client) -> None:
    made = client.messages.create(to=ADA, from_=sim.number, body="Hello")
    found = client.messages(str(made.sid)).fetch()
    assert (found.body, found.to, found.from_, found.status) == ("Hello", ADA, sim.number, "queued")
    assert (found.num_media, found.api_version, found.messaging_service_sid) == ("0", "2010-04-01", None)
    assert found.date_created == sim.texts[0].created.replace(microsecond=0)
    by_service = client.messages.create(to=ADA, messaging_service_sid=f"MG{'0' * 32}", body="Hello")
    assert (by_service.messaging_service_sid, by_service.from_) == (f"MG{'0' * 32}", None)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 50])
def test_it_reads_every_page_once(sim: TwilioSimulator, client: Client, size: int) -> None:
    for number in range(4):
        client.messages.create(to=ADA, from_=sim.number, body=f"Number {number}")
    client.messages.create(to="+61400999888", from_=sim.number, body="Somebody else's")
    found = []
    for message in client.messages.stream(to=ADA, page_size=size):
        found.append(message.body)
        client.messages.create(to=ADA, from_=sim.number, body="Meanwhile")
    assert found == ["Number 3", "Number 2", "Number 1", "Number 0"]


def test_it_raises_its_own_errors(sim: TwilioSimulator, client: Client) -> None:
    sim.opted_out.add(ADA)
    for to, code in ((ADA, 21610), ("nobody", 21211)):
        with pytest.raises(TwilioRestException) as refused:
            client.messages.create(to=to, from_=sim.number, body="Hello")
        assert refused.value.code == code
    with pytest.raises(TwilioRestException) as missing:
        client.messages(f"SM{'0' * 32}").fetch()
    assert missing.value.status == 404

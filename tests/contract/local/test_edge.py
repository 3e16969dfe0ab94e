"""The local edge over real HTTP: what API Gateway and Lambda answer by themselves, and how environments are used."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from local.aws.edge import Edge
from local.runtime.execution import Handler
from local.template.template import SamTemplate

TEMPLATE = SamTemplate.read(Path(__file__).parents[3] / "template.yaml")
StartEdge = Callable[[Handler], Edge]


@pytest.fixture
def start_edge() -> Iterator[StartEdge]:
    edges: list[Edge] = []

    def start(handler: Handler) -> Edge:
        edges.append(Edge(TEMPLATE, environments_per_function=3, handlers={"mautic_webhook": handler}))
        edges[-1].start()
        return edges[-1]

    yield start
    for edge in edges:
        edge.stop()


def echo(event: dict[str, Any], context: Any) -> Any:
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(event)}


def test_a_request_reaches_the_function_with_its_exact_body(start_edge: StartEdge) -> None:
    body = '{"a":  "ö"}\n'.encode()
    address = start_edge(echo).base_url + "/webhooks/mautic?x=1"
    event = requests.post(address, body, headers={"Content-Type": "application/json", "X-One": "1"}, timeout=5).json()
    assert event["body"].encode() == body
    assert event["headers"]["x-one"] == "1"
    assert event["requestContext"]["http"]["sourceIp"] == "127.0.0.1"


def test_the_event_has_the_same_keys_as_the_samples(start_edge: StartEdge) -> None:
    sample = json.loads((Path(__file__).parents[3] / "events/mautic_webhook/email_open.json").read_text())
    address = start_edge(echo).base_url + "/webhooks/mautic"
    event = requests.post(address, sample["body"], headers={"Content-Type": "application/json"}, timeout=5).json()
    assert event.keys() == sample.keys()
    assert event["requestContext"].keys() == sample["requestContext"].keys()
    assert event["requestContext"]["http"].keys() == sample["requestContext"]["http"].keys()


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_any_method_is_the_functions_to_answer(start_edge: StartEdge, method: str) -> None:
    answer = requests.request(method, start_edge(echo).base_url + "/webhooks/mautic", timeout=5)
    assert answer.json()["requestContext"]["http"]["method"] == method


def test_an_unknown_route_is_a_404(start_edge: StartEdge) -> None:
    answer = requests.get(start_edge(echo).base_url + "/nowhere", timeout=5)
    assert (answer.status_code, answer.text) == (404, '{"message":"Not Found"}')


def test_an_exception_is_a_500_that_tells_nothing(start_edge: StartEdge) -> None:
    def fail(event: dict[str, Any], context: Any) -> Any:
        raise RuntimeError("a secret")

    answer = requests.post(start_edge(fail).base_url + "/webhooks/mautic", "{}", timeout=5)
    assert (answer.status_code, answer.text) == (500, '{"message":"Internal Server Error"}')


@pytest.mark.parametrize("megabytes", [7, 11])
def test_a_body_over_the_limits_is_a_413(start_edge: StartEdge, megabytes: int) -> None:
    body = b"x" * megabytes * 1024 * 1024
    address = start_edge(echo).base_url + "/webhooks/mautic"
    answer = requests.post(address, body, headers={"Content-Type": "text/plain"}, timeout=20)
    assert answer.status_code == 413


def test_a_function_over_its_time_out_is_a_500() -> None:
    released = threading.Event()
    slow: dict[str, Handler] = {"mautic_webhook": lambda *_: released.wait(10)}
    template = SamTemplate.read(Path(__file__).parents[3] / "template.yaml")
    template.functions["mautic_webhook"] = replace(template.functions["mautic_webhook"], timeout=1)
    edge = Edge(template, handlers=slow)
    edge.start()
    try:
        assert requests.post(edge.base_url + "/webhooks/mautic", "{}", timeout=5).status_code == 500
    finally:
        released.set()
        edge.stop()


def test_an_environment_serves_one_request_at_a_time_and_there_are_as_many_as_said(start_edge: StartEdge) -> None:
    running: dict[int, int] = {}
    overlaps: list[int] = []

    def handler(event: dict[str, Any], context: Any) -> Any:
        thread = threading.get_ident()
        running[thread] = running.get(thread, 0) + 1
        overlaps.append(running[thread])
        time.sleep(0.01)
        running[thread] -= 1
        return {}

    edge = start_edge(handler)
    callers = [threading.Thread(target=edge.invoke, args=["mautic_webhook", {}]) for _ in range(30)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(running) == 3
    assert set(overlaps) == {1}


def test_invoke_gives_back_the_answer_or_the_exception(start_edge: StartEdge) -> None:
    def handler(event: dict[str, Any], context: Any) -> Any:
        if event.get("fail"):
            raise LookupError("not there")
        return {"left": context.get_remaining_time_in_millis(), "name": context.function_name}

    edge = start_edge(handler)
    answer = edge.invoke("mautic_webhook", {})
    assert answer["name"] == "mautic_webhook"
    assert 24_000 < answer["left"] <= 25_000
    with pytest.raises(LookupError):
        edge.invoke("mautic_webhook", {"fail": True})
    with pytest.raises(KeyError):
        edge.invoke("unknown", {})

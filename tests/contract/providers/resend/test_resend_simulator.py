"""Holds the simulated Resend to what its documentation says, fact by fact, over real HTTP."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from local.simulators.resend import MovableClock, ResendSimulator
from tests.contract.providers.mautic.mautic_receiver import receiver
from tests.support.mail.resend_stage import BATCH, ResendStage, batch, mail, stage

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
KEY = "Idempotency-Key"


@pytest.fixture
def made() -> Iterator[ResendStage]:
    with stage() as ready:
        yield ready


def refusal(answered: requests.Response) -> tuple[int, str]:
    """An error in Resend's form."""
    body = answered.json()
    assert set(body) == {"statusCode", "name", "message"}, body
    assert body["statusCode"] == answered.status_code
    assert body["message"]
    return answered.status_code, body["name"]


# --- who may ask ------------------------------------------------------------------------------------------------------


def test_a_request_has_to_say_what_it_comes_from(made: ResendStage) -> None:
    connection = http.client.HTTPConnection(urlsplit(made.sim.url).netloc, timeout=5)
    connection.request("POST", BATCH, batch(1), {"Authorization": f"Bearer {made.sim.api_key}"})
    answered = connection.getresponse()
    assert (answered.status, answered.read()) == (403, b"error code: 1010")
    connection.close()
    assert made.sim.mails == []


@pytest.mark.parametrize(
    ("header", "status", "name"),
    [
        ("", 401, "missing_api_key"),
        ("Basic eA==", 401, "missing_api_key"),
        ("Bearer re_unknown", 403, "invalid_api_key"),
    ],
)
def test_a_request_needs_a_key(made: ResendStage, header: str, status: int, name: str) -> None:
    assert refusal(made.send(1, Authorization=header)) == (status, name)
    assert made.sim.mails == []


def test_a_key_may_be_good_for_sending_only(made: ResendStage) -> None:
    assert made.call("POST", "/emails", key=made.sim.sending_key, json=mail()).status_code == 200
    for path in ("/webhooks", "/emails/receiving/x"):
        assert refusal(made.call("GET", path, key=made.sim.sending_key)) == (401, "restricted_api_key")


@pytest.mark.parametrize(
    ("method", "path", "status", "name"),
    [
        ("GET", "/email", 404, "not_found"),
        ("GET", "/emails/receiving/x", 404, "not_found"),
        ("GET", "/webhooks/x", 404, "not_found"),
        ("POST", "/webhooks/x/signing-secret/rotate", 404, "not_found"),
        ("PUT", "/emails/batch", 405, "method_not_allowed"),
        ("PUT", "/webhooks", 405, "method_not_allowed"),
    ],
)
def test_what_is_not_there_is_answered_as_documented(
    made: ResendStage, method: str, path: str, status: int, name: str
) -> None:
    assert refusal(made.call(method, path)) == (status, name)


# --- what may be sent -------------------------------------------------------------------------------------------------


def test_an_accepted_batch_has_an_id_a_mail_in_order(made: ResendStage) -> None:
    answered = made.send(3)
    assert (answered.status_code, set(answered.json())) == (200, {"data"})
    ids = [each["id"] for each in answered.json()["data"]]
    assert all(re.fullmatch(UUID, each) for each in ids)
    assert [each.id for each in made.sim.mails] == ids
    assert [each.to for each in made.sim.mails] == [(f"r{number}@customer.example",) for number in range(3)]


def test_a_single_mail_has_an_id(made: ResendStage) -> None:
    answered = made.call("POST", "/emails", json=mail(to="r1@customer.example"))
    assert set(answered.json()) == {"id"}
    assert made.sim.sends == {"r1@customer.example": 1}


WRONG: list[tuple[Any, str, str]] = [
    (mail(to=None), "missing_required_field", "The `to` field is missing."),
    (mail(to=[]), "missing_required_field", "The `to` field is missing."),
    ({"to": "a@b.example", "subject": "x", "text": "x"}, "missing_required_field", "The `from` field is missing."),
    (mail(subject=None), "missing_required_field", "The `subject` field is missing."),
    (mail(html=None), "missing_required_field", "`html` or `text`"),
    (mail(to=["nobody"]), "validation_error", "Invalid `to` field."),
    (mail(to=["a@b.example", "a b@c.example"]), "validation_error", "Invalid `to` field."),
    (mail(to=[f"r{number}@x.example" for number in range(51)]), "validation_error", "at most 50"),
    (mail(reply_to="x"), "validation_error", "Invalid `reply_to` field."),
    (mail(template={"id": "t"}), "validation_error", "`template`"),
    (mail(headers=["x"]), "validation_error", "`headers`"),
    (mail(tags={"send": "1"}), "validation_error", "`tags`"),
    (mail(tags=[{"name": "send", "value": "ü"}]), "validation_error", "ASCII letters"),
    (mail(tags=[{"name": "s" * 257, "value": "1"}]), "validation_error", "ASCII letters"),
    (mail(attachments=[{"content": "eA=="}]), "validation_error", "`attachments`"),
    ("x", "validation_error", "`object`"),
]


@pytest.mark.parametrize(("wrong", "name", "reported"), WRONG, ids=range(len(WRONG)))
def test_one_bad_mail_fails_a_strict_batch_and_only_itself_in_a_permissive_one(
    made: ResendStage, wrong: Any, name: str, reported: str
) -> None:
    mails = [mail(0), mail(1), wrong]
    strict = made.send(mails)
    assert refusal(strict) == (422, name)
    assert reported in strict.json()["message"]
    assert made.sim.mails == []

    answered = made.send(mails, x_batch_validation="permissive")
    assert answered.status_code == 200
    assert [each["id"] for each in answered.json()["data"]] == [each.id for each in made.sim.mails]
    assert len(made.sim.mails) == 2
    (problem,) = answered.json()["errors"]
    assert set(problem) == {"index", "message"}
    assert problem["index"] == 2
    assert reported in problem["message"]


def test_a_permissive_answer_has_errors_even_where_there_are_none(made: ResendStage) -> None:
    assert made.send(1, x_batch_validation="permissive").json()["errors"] == []
    assert "errors" not in made.send(1, x_batch_validation="strict").json()


def test_the_permissive_mode_may_have_gone(made: ResendStage) -> None:
    made.sim.switch(permissive_is_known=False)
    assert refusal(made.send([mail(), {}], x_batch_validation="permissive")) == (422, "missing_required_field")
    assert made.sim.mails == []


@pytest.mark.parametrize("body", [b"{}", b"", b"[", b"[]", batch(101)])
def test_a_batch_is_an_array_of_up_to_a_hundred(made: ResendStage, body: bytes) -> None:
    assert refusal(made.call("POST", BATCH, data=body)) == (422, "validation_error")
    assert made.send(100).status_code == 200


def test_a_sender_that_is_not_verified_fails_the_request(made: ResendStage) -> None:
    made.sim.switch(verified_domains=["acme.example"])
    other = mail(**{"from": "x@other.example"})
    assert refusal(made.send([mail(), other], x_batch_validation="permissive")) == (403, "validation_error")
    assert made.sim.mails == []
    assert made.send(1).status_code == 200


# --- idempotency keys -------------------------------------------------------------------------------------------------


def test_the_same_request_again_has_the_same_answer_and_sends_nothing(made: ResendStage) -> None:
    first, second = (made.send(3, **{KEY: "batch-1"}) for _ in range(2))
    assert first.content == second.content
    assert len(made.sim.mails) == 3
    assert {each.key for each in made.sim.mails} == {"batch-1"}


def test_another_payload_under_the_same_key_is_refused(made: ResendStage) -> None:
    made.send([mail(1)], **{KEY: "batch-1"})
    assert refusal(made.send([mail(2)], **{KEY: "batch-1"})) == (409, "invalid_idempotent_request")
    # Other bytes of the same meaning count as another payload.
    reserialised = json.dumps([mail(1)], indent=1).encode()
    assert made.call("POST", BATCH, data=reserialised, headers={KEY: "batch-1"}).status_code == 409
    assert len(made.sim.mails) == 1


def test_a_key_belongs_to_one_endpoint_and_no_key_is_always_new(made: ResendStage) -> None:
    made.send([mail(1)], **{KEY: "k"})
    assert made.call("POST", "/emails", json=mail(1), headers={KEY: "k"}).status_code == 200
    for _ in range(2):
        made.send([mail(1)])
    assert made.sim.sends == {"r1@customer.example": 4}


def test_a_key_is_forgotten_after_a_day(made: ResendStage) -> None:
    made.send([mail(1)], **{KEY: "k"})
    made.sim.advance(24 * 3600 - 60)
    made.send([mail(1)], **{KEY: "k"})
    assert made.sim.sends == {"r1@customer.example": 1}
    made.sim.advance(61)
    assert made.send([mail(2)], **{KEY: "k"}).status_code == 200


@pytest.mark.parametrize("key", ["", "x" * 257])
def test_a_key_has_1_to_256_characters(made: ResendStage, key: str) -> None:
    assert refusal(made.send(1, **{KEY: key})) == (400, "invalid_idempotency_key")
    assert made.send(1, **{KEY: "x" * 256}).status_code == 200


def test_a_refused_request_leaves_its_key_free(made: ResendStage) -> None:
    assert made.send([{}], **{KEY: "k"}).status_code == 422
    assert made.send([mail(1)], **{KEY: "k"}).status_code == 200


def test_the_same_key_at_the_same_moment_is_refused_until_the_first_is_done(made: ResendStage) -> None:
    made.sim.fault("held")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(made.send, 2, **{KEY: "k"})
        made.sim.wait_until_held()
        assert refusal(made.send(2, **{KEY: "k"})) == (409, "concurrent_idempotent_requests")
        made.sim.release()
        assert first.result(10).status_code == 200
    assert made.send(2, **{KEY: "k"}).content == first.result().content
    assert len(made.sim.mails) == 2


def test_eight_workers_at_once_lose_and_double_nothing(made: ResendStage) -> None:
    """Each of twenty batches is sent by two workers, four batches at once."""
    together = threading.Barrier(8)

    def work(worker: int) -> set[int]:
        together.wait(10)
        return {made.send(20, **{KEY: f"batch-{worker % 4}-{turn}"}).status_code for turn in range(5)}

    with ThreadPoolExecutor(8) as pool:
        assert set().union(*pool.map(work, range(8))) <= {200, 409}
    assert len(made.sim.mails) == 20 * 20
    assert made.sim.requests[f"POST {BATCH}"] == 40


# --- limits -----------------------------------------------------------------------------------------------------------


def test_five_requests_a_second_are_allowed_and_every_answer_says_how_many_are_left() -> None:
    standing = MovableClock(lambda: datetime(2026, 11, 20, 12, tzinfo=UTC))
    with ResendSimulator(clock=standing) as simulator:
        made = ResendStage(simulator)
        answers = [made.send(1) for _ in range(7)]
        assert [each.status_code for each in answers] == [200] * 5 + [429] * 2
        assert refusal(answers[-1]) == (429, "rate_limit_exceeded")
        assert [each.headers["ratelimit-remaining"] for each in answers] == ["4", "3", "2", "1", "0", "0", "0"]
        assert {each.headers["ratelimit-limit"] for each in answers} == {"5"}
        assert [each.headers.get("retry-after") for each in answers] == [None] * 5 + ["1"] * 2
        simulator.advance(1)
        assert made.send(1).status_code == 200
        simulator.switch(requests_per_second=None)
        assert [made.send(1).status_code for _ in range(7)] == [200] * 7


@pytest.mark.parametrize(("name", "seconds"), [("daily", 86_400), ("monthly", 31 * 86_400)])
def test_a_plan_has_quotas(made: ResendStage, name: str, seconds: int) -> None:
    made.sim.switch(**{f"{name}_quota": 3})
    assert made.send(2).status_code == 200
    assert refusal(made.send(2)) == (429, f"{name}_quota_exceeded")
    assert len(made.sim.mails) == 2
    made.sim.advance(seconds)
    assert made.send(2).status_code == 200


# --- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "status", "sent"),
    [("500_before", 500, 0), ("500_after", 500, 2), ("502_page", 502, 0), ("429", 429, 0), ("401", 403, 0)],
)
def test_a_fault_fails_with_or_without_effect(made: ResendStage, kind: str, status: int, sent: int) -> None:
    made.sim.fault(kind)
    assert made.send(2, **{KEY: "k"}).status_code == status
    assert len(made.sim.mails) == sent
    assert made.send(2, **{KEY: "k"}).status_code == 200
    assert len(made.sim.mails) == 2


@pytest.mark.parametrize(("kind", "sent"), [("cut_before", 0), ("cut_after", 2)])
def test_a_lost_answer_leaves_open_what_happened(made: ResendStage, kind: str, sent: int) -> None:
    made.sim.fault(kind)
    with pytest.raises(requests.ConnectionError):
        made.send(2)
    assert len(made.sim.mails) == sent


def test_half_an_answer_is_no_json(made: ResendStage) -> None:
    made.sim.fault("garbled_after")
    with pytest.raises(ValueError):  # noqa: PT011 - json's words differ with where it was cut
        made.send(1).json()
    assert len(made.sim.mails) == 1


def test_a_fault_is_aimed_and_counted(made: ResendStage) -> None:
    made.sim.fault("500_before", match="r7@", times=1)
    made.sim.fault("500_before", match="POST /emails/batch", times=2)
    assert [made.send(1).status_code for _ in range(3)] == [500, 500, 200]
    with pytest.raises(ValueError, match="unknown kind"):
        made.sim.fault("511")


# --- inbound and webhooks by the API ----------------------------------------------------------------------------------


def test_a_mail_that_came_in_has_its_headers_in_lower_case(made: ResendStage) -> None:
    sent = made.send([mail(1, reply_to="reply+x@in.acme.example")]).json()["data"][0]["id"]
    reply = made.sim.reply(made.sim.account.mails[sent], headers={"Auto-Submitted": "auto-replied"})
    shown = made.call("GET", f"/emails/receiving/{reply.id}?html_format=cid").json()
    assert shown["object"] == "email"
    assert shown["html_format"] == "cid"
    assert shown["to"] == ["reply+x@in.acme.example"]
    assert shown["headers"]["in-reply-to"] == made.sim.mails[0].message_id
    assert shown["headers"]["auto-submitted"] == "auto-replied"
    assert {"html", "text", "cc", "bcc", "reply_to", "message_id", "attachments", "created_at"} <= set(shown)


def test_webhooks_are_made_listed_changed_and_deleted(made: ResendStage) -> None:
    wanted = {"endpoint": "https://crm.example.com/hook", "events": ["email.sent"]}
    first = made.call("POST", "/webhooks", json=wanted)
    assert (first.status_code, set(first.json())) == (201, {"object", "id", "signing_secret"})
    assert first.json()["signing_secret"].startswith("whsec_")
    second = made.call("POST", "/webhooks", json=wanted).json()["id"]

    page = made.call("GET", "/webhooks?limit=1").json()
    assert (page["object"], page["has_more"], len(page["data"])) == ("list", True, 1)
    assert set(page["data"][0]) == {"id", "created_at", "status", "endpoint", "events"}
    rest = made.call("GET", f"/webhooks?limit=1&after={page['data'][0]['id']}").json()
    assert (rest["has_more"], rest["data"][0]["id"]) == (False, second)

    path = f"/webhooks/{second}"
    assert set(made.call("PATCH", path, json={"status": "disabled"}).json()) == {"object", "id"}
    assert made.call("GET", path).json()["status"] == "disabled"
    assert made.call("DELETE", path).json()["deleted"] is True
    assert made.call("GET", path).status_code == 404


@pytest.mark.parametrize(
    "body",
    [{}, {"endpoint": "https://x.example"}, {"endpoint": "x", "events": ["email.sent"]}]
    + [{"endpoint": "https://x.example", "events": events} for events in (["email.teleported"], "email.sent")],
)
def test_a_webhook_needs_an_address_and_known_events(made: ResendStage, body: Any) -> None:
    assert refusal(made.call("POST", "/webhooks", json=body))[0] == 422


# --- as a process of its own ------------------------------------------------------------------------------------------


def test_the_simulator_runs_on_its_own_and_tells_its_webhooks_by_itself() -> None:
    command = [sys.executable, "-m", "local.simulators.resend", "--port", "0"]
    with receiver() as seen, subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]

        def post(name: str, body: Any, status: int = 200) -> Any:
            answered = requests.post(f"{url}/_simulator/{name}", json=body, timeout=5)
            assert answered.status_code == status, answered.text
            return answered.json()

        def state() -> Any:
            return requests.get(f"{url}/_simulator/state", timeout=5).json()

        try:
            post("switch", {"requests_per_second": None})
            assert post("hook", {"url": seen.url})["signing_secret"].startswith("whsec_")
            header = {"Authorization": f"Bearer {state()['api_key']}"}
            assert requests.post(f"{url}{BATCH}", data=batch(2), headers=header, timeout=5).ok
            post("act", {"action": "clicked", "to": "r1@customer.example", "link": "https://acme.example/a"})
            post("act", {"action": "bounced", "to": "r0@customer.example", "kind": "Transient"})
            post("act", {"action": "stop", "to": "r1@customer.example"}, 400)
            post("act", {"action": "opened", "to": "nobody@customer.example"}, 400)
            post("reply", {"to": "r1@customer.example"})
            post("contact", {"email": "r1@customer.example", "unsubscribed": True})
            post("topics", {"email": "r1@customer.example", "changed": [["t-1", False]]})
            post("suppress", {"email": "r9@customer.example"})
            post("receive", {"sender": "x@y.example", "to": "reply+z@in.acme.example", "text": "Hi"})
            post("faults", {"kind": "500_before"})
            wanted = state()
            while wanted["pending"]:
                wanted = state()
            reported = [
                each["svix_id"] for each in requests.get(f"{url}/_simulator/messages", timeout=5).json()["messages"]
            ]
            post("deliver", {"svix_ids": [reported[0], reported[0]]})
            post("advance", {"seconds": 86_400})
            ledger = requests.get(f"{url}/_simulator/mails", timeout=5).json()["mails"]
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
    assert [each["last_event"] for each in ledger] == ["bounced", "clicked"]
    assert (wanted["mails"], wanted["inbound"], wanted["messages"], wanted["faults_pending"]) == (2, 2, 9, 1)
    assert wanted["suppressed"] == {"r9@customer.example": "manual"}
    kinds = [json.loads(each.raw)["type"] for each in seen.deliveries]
    assert kinds[:2] == ["email.sent", "email.sent"]
    assert kinds[-2:] == ["email.sent", "email.sent"]
    assert {"email.clicked", "email.bounced", "email.received", "contact.updated", "suppression.added"} <= set(kinds)
    assert len(kinds) == 11

"""Holds the Mautic simulator to the recorded exchanges with a real Mautic 5.1.1 and the line after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from tests.contract.providers.mautic.mautic_later import LATER, NOT_OF_THIS_LINE
from tests.contract.providers.mautic.mautic_recordings import differences, names, recording
from tests.contract.providers.mautic.mautic_stage import MauticStage, replay, stage, stage_for
from tests.contract.providers.mautic.mautic_table import (
    NOT_REPLAYED,
    OWN_TEST,
    hook_names,
    page_names,
    replayed_names,
    setup_for,
)

PROBES = [name for name in names() if name.startswith("34_value_") and name != "34_value_summary"]


def first_new_id(answer: Any) -> int | None:
    """The id that the recorded Mautic gave next, so that ours gives the same."""
    codes, contacts = answer.get("statusCodes"), answer.get("contacts")
    if codes is None:
        contact = answer.get("contact") or {}
        return contact.get("id")
    coded = codes.items() if isinstance(codes, dict) else enumerate(codes)
    shown = contacts if isinstance(contacts, dict) else {str(i): c for i, c in enumerate(contacts)}
    return min((shown[str(key)]["id"] for key, code in coded if code == 201), default=None)


def prepare_ids(made: MauticStage, name: str) -> None:
    response = recording(name)["response"]
    answer = response.get("body_json")
    if not isinstance(answer, dict):
        return
    if name == "49_batch_edit_same_id_twice":
        made.next_contact_is(82)
    elif response["status"] == 201 or "put" in name:
        number = first_new_id(answer)
        if number is not None and number not in made.sim.contacts:
            made.next_contact_is(number)


@pytest.mark.parametrize("name", replayed_names())
def test_the_simulator_answers_like_the_recorded_mautic(name: str) -> None:
    setup, recorded = setup_for(name), recording(name)["response"]
    assert setup is not None
    with stage_for(name) as made:
        setup(made)
        prepare_ids(made, name)
        answered = replay(made, name)
    assert answered.status_code == recorded["status"], answered.text[:500]
    if "body_json" in recorded:
        found = differences(recorded["body_json"], answered.json())
        if name in LATER:
            found = [each for each in found if not NOT_OF_THIS_LINE.search(f"{name}{each.partition(': ')[0]}")]
        assert found == []
    expected = {key for key in recorded["headers"] if key.startswith(("X-", "Location", "Mautic", "Pragma"))}
    assert expected <= set(answered.headers)
    assert "Retry-After" not in answered.headers
    assert "WWW-Authenticate" not in answered.headers
    if "Location" in recorded["headers"]:
        assert answered.headers["Location"].rpartition("/")[0] == recorded["headers"]["Location"].rpartition("/")[0]


@pytest.mark.parametrize("name", page_names())
def test_tracking_addresses_answer_with_the_recorded_status_and_kind(name: str) -> None:
    recorded = recording(name)["response"]
    with stage() as made:
        answered = replay(made, name)
    assert answered.status_code == recorded["status"]
    assert answered.headers["Content-Type"] == recorded["headers"]["Content-Type"]


@pytest.mark.parametrize("name", PROBES)
def test_every_value_probe_leaves_the_recorded_effect(name: str) -> None:
    """34_value_summary holds what a GET showed before and after each probe."""
    expected = recording("34_value_summary")[name.removeprefix("34_value_")]["changed"]
    number = int(recording(name)["request"]["path"].split("/")[3])
    setup = setup_for(name)
    assert setup is not None
    with stage() as made:
        setup(made)
        before = made.fields_of(number)
        replay(made, name)
        after = made.fields_of(number)
    changed = {alias: [before[alias], after[alias]] for alias in after if before[alias] != after[alias]}
    assert differences(expected, changed) == []


def _as_stored(made: MauticStage, sent: str) -> list[Any]:
    value = sent.removeprefix("UTC ")
    body = {"last_order_date": value, "customer_since": value}
    made.done("PATCH", "/api/contacts/1/edit", body)
    shown = made.fields_of(1)
    return [shown["last_order_date"], shown["customer_since"]]


@pytest.mark.parametrize("name", ["36_datetime_timezone", "36_datetime_timezone_newyork"])
def test_dates_are_stored_as_recorded_whatever_the_offset(name: str) -> None:
    results = recording(name)["results"]
    with stage() as made:
        made.contact(1, email="dates@example.com")
        for sent, found in results.items():
            expected = found["api_returns"] if isinstance(found, dict) else found
            assert _as_stored(made, sent) == expected, sent


def test_an_unsubscribed_contact_reads_as_recorded() -> None:
    recorded = recording("98_contact_after_unsubscribe")
    with stage() as made:
        made.contact(
            88,
            email="hook.one@example.com",
            firstname="Hooked",
            lastname="One",
            supabase_id="hk-1",
            customer_segment="vip",
            total_orders=2,
        )
        made.sim.click(1, 88)
        made.sim.unsubscribe(1, 88)
        answered = replay(made, "98_contact_after_unsubscribe")
    assert differences(recorded["response"]["body_json"], answered.json()) == []


def test_without_an_order_the_last_active_contact_comes_first() -> None:
    recorded = recording("122_trailing_ok")["response"]["body_json"]["contacts"]["121"]
    with stage() as made:
        made.fillers(range(1, 4))
        made.contact(121, email="blast0@example.com", firstname="Bl0", supabase_id="bl-0")
        made.sim.click(2, 121)
        made.sim.unsubscribe(2, 121)
        answered = replay(made, "122_trailing_ok").json()["contacts"]
    assert list(answered) == ["121"]
    assert differences(recorded, answered["121"]) == []


def test_beyond_the_rate_limit_every_call_is_refused_without_retry_after() -> None:
    refused = recording("120_rate_limit_exceeded")["response"]
    with stage() as made:
        made.sim.switch(rate_limit=5)
        for _ in range(5):
            made.done("GET", "/api/contacts?limit=1")
        answered = replay(made, "120_rate_limit_exceeded")
        token = replay(made, "120_token_while_rate_limited")
    assert (answered.status_code, token.status_code) == (429, 200)
    assert differences(refused["body_json"], answered.json()) == []
    assert answered.headers["X-RateLimit-Remaining"] == "0"
    assert "Retry-After" not in answered.headers


def test_every_recording_is_replayed_covered_or_listed_with_a_reason() -> None:
    covered = {*replayed_names(), *page_names(), *hook_names(), *PROBES, *OWN_TEST, *NOT_REPLAYED}
    assert sorted(set(names()) - covered) == []
    assert sorted({*OWN_TEST, *NOT_REPLAYED} - set(names())) == []


def test_the_tests_that_the_table_names_exist() -> None:
    suite = "".join(path.read_text() for path in Path(__file__).parent.glob("test_mautic_*.py"))
    assert [test for test in sorted(set(OWN_TEST.values())) if f"def {test}(" not in suite] == []


def test_the_comparison_notices_a_missing_key_another_type_and_another_value() -> None:
    recorded = {"total": "1", "contacts": {"1": {"points": 0}}}
    assert differences(recorded, {"total": 1, "contacts": {"1": {"points": 0}}}) != []
    assert differences(recorded, {"total": "1", "contacts": {}}) != []
    assert differences(recorded, {"total": "1", "contacts": {"1": {"points": 5}}}) != []


def test_a_stopped_simulator_closes_its_connections() -> None:
    with stage() as made:
        url = made.sim.url
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/api/contacts", timeout=2)

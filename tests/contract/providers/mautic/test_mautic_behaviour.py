"""What the simulator does beyond single recorded answers: effects, races, faults, and running on its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from local.simulators.mautic import MauticFault, MauticSimulator
from tests.contract.providers.mautic.mautic_stage import MauticStage, stage


@pytest.fixture
def made() -> Iterator[MauticStage]:
    with stage() as ready:
        yield ready


def people(count: int, prefix: str = "p") -> list[dict[str, Any]]:
    return [{"email": f"{prefix}{n}@example.com", "supabase_id": f"{prefix}-{n}"} for n in range(count)]


def test_a_prepared_simulator_has_the_ten_fields_of_the_field_map() -> None:
    with MauticSimulator() as simulator:
        custom = [field for field in simulator.mautic.fields.values() if field.id >= 44]
    assert [field.alias for field in custom if field.unique] == ["supabase_id"]
    assert {field.alias: field.type for field in custom}["customer_since"] == "date"
    assert len(custom) == 10


def test_concurrent_identical_posts_make_duplicates_that_refuse_changes_until_deduplicated(made: MauticStage) -> None:
    def post(number: int) -> int:
        return made.call("POST", "/api/contacts/new", {"email": f"race{number // 3}@example.com"}).status_code

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(post, range(45)))
    doubled = next(n for n in range(15) if len(made.sim.mautic.holders("email", f"race{n}@example.com")) > 1)
    number = max(made.sim.mautic.holders("email", f"race{doubled}@example.com"))
    assert made.call("PATCH", f"/api/contacts/{number}/edit", {"city": "Porto"}).status_code == 422
    assert made.sim.deduplicate() > 0
    assert len(made.sim.contacts) == 15
    left = max(made.sim.mautic.holders("email", f"race{doubled}@example.com"))
    assert made.call("PATCH", f"/api/contacts/{left}/edit", {"city": "Porto"}).status_code == 200


def test_the_same_id_twice_in_one_batch_leaves_a_second_contact(made: MauticStage) -> None:
    made.contact(77, email="e0@example.com", supabase_id="e-0")
    made.done("PATCH", "/api/contacts/batch/edit", [{"id": 77, "firstname": "same"}, {"id": 77, "lastname": "twice"}])
    assert len(made.sim.mautic.holders("email", "e0@example.com")) == 2
    twin = made.sim.contacts[78]
    assert (twin.fields["firstname"], twin.fields["lastname"]) == ("same", "twice")
    assert "supabase_id" not in twin.fields


def test_deleting_by_a_json_body_deletes_nothing(made: MauticStage) -> None:
    made.fillers([1, 2, 3])
    made.done("DELETE", "/api/contacts/batch/delete", {"ids": [1]})
    assert 1 in made.sim.contacts
    made.done("DELETE", "/api/contacts/batch/delete?ids=1,2,999")
    assert set(made.sim.contacts) == {3}


def test_put_blanks_fields_but_tags_and_do_not_contact_survive(made: MauticStage) -> None:
    stop = [{"channel": "email", "reason": 1}]
    made.contact(1, email="a@example.com", city="Porto", tags=["kept"], doNotContact=stop)
    made.done("PUT", "/api/contacts/1/edit", {"firstname": "Ana"})
    assert made.fields_of(1)["email"] is None
    assert made.sim.contacts[1].tags == ["kept"]
    assert made.sim.contacts[1].dnc == {"email": (1, "")}


def test_unsubscribed_replaces_bounced_and_manual_does_not_replace_unsubscribed(made: MauticStage) -> None:
    made.fillers([1])
    for reason in (2, 1, 3):
        made.done("POST", "/api/contacts/1/dnc/email/add", {"reason": reason})
    assert made.sim.contacts[1].dnc["email"][0] == 1
    assert not made.sim.mailable(1)
    made.done("POST", "/api/contacts/1/dnc/email/remove")
    assert made.sim.mailable(1)


def test_a_template_mail_ignores_do_not_contact_and_a_segment_mail_respects_it(made: MauticStage) -> None:
    segment = made.sim.segment("Newsletter")
    made.fillers([1, 2])
    made.done("POST", f"/api/segments/{segment.id}/contacts/add", {"ids": [1, 2]})
    made.done("POST", "/api/contacts/1/dnc/email/add", {"reason": 1})
    mail = made.sim.email(lists=[segment.id])
    assert made.done("POST", f"/api/emails/{mail.id}/send")["sentCount"] == 1
    assert made.done("POST", f"/api/emails/{mail.id}/contact/1/send") == {"success": True}


def test_a_500_can_follow_a_partial_write(made: MauticStage) -> None:
    made.sim.faults.add(MauticFault(match="batch/new", kind="500_after_partial", after_items=3))
    assert made.call("POST", "/api/contacts/batch/new", people(10)).status_code == 500
    assert len(made.sim.contacts) == 3
    assert made.call("POST", "/api/contacts/batch/new", people(10)).json()["statusCodes"] == [200] * 3 + [201] * 7


@pytest.mark.parametrize(("kind", "status"), [("500_before", 500), ("429", 429), ("expire_token", 401)])
def test_a_fault_hits_once_and_writes_nothing(made: MauticStage, kind: str, status: int) -> None:
    made.sim.fault("contacts/new", kind)
    assert made.call("POST", "/api/contacts/new", {"email": "a@example.com"}).status_code == status
    assert made.sim.contacts == {}
    made.http.headers["Authorization"] = f"Bearer {made.token()}"
    assert made.call("POST", "/api/contacts/new", {"email": "a@example.com"}).status_code == 201


@pytest.mark.parametrize(("kind", "written"), [("drop", True), ("hang", False)])
def test_an_answer_that_never_comes(made: MauticStage, kind: str, written: bool) -> None:
    made.sim.fault("contacts/new", kind, seconds=0.05)
    with pytest.raises(requests.ConnectionError):
        made.call("POST", "/api/contacts/new", {"email": "a@example.com"})
    assert (made.sim.contact_by("email", "a@example.com") is not None) == written
    assert made.sim.requests[-1].status == 0


def test_tokens_live_an_hour_side_by_side() -> None:
    clock = [datetime(2026, 11, 20, tzinfo=UTC)]
    with MauticSimulator(now=lambda: clock[0]) as simulator:
        made = MauticStage(simulator, requests.Session())
        tokens = [made.token(), made.token()]

        def status(token: str) -> int:
            header = {"Authorization": f"Bearer {token}"}
            return requests.get(f"{simulator.url}/api/contacts", headers=header, timeout=5).status_code

        assert [status(token) for token in tokens] == [200, 200]
        clock[0] += timedelta(seconds=3600)
        assert [status(token) for token in tokens] == [401, 401]


def test_the_request_log_counts_items_and_can_be_forgotten(made: MauticStage) -> None:
    made.sim.forget_requests()
    made.done("POST", "/api/contacts/batch/new", people(7))
    made.done("GET", "/api/contacts?search=email:p1@example.com")
    assert [made.items for made in made.sim.requests] == [7, None]
    assert (made.sim.count("POST", "batch/new"), made.sim.count("GET"), made.sim.count()) == (1, 1, 2)


def test_a_merged_contact_is_gone_and_the_winner_keeps_its_own_values(made: MauticStage) -> None:
    made.contact(1, email="a@example.com", city="Porto")
    made.contact(2, email="b@example.com", firstname="Ana")
    made.sim.merge_contacts(1, 2)
    assert made.call("GET", "/api/contacts/1").status_code == 404
    shown = made.fields_of(2)
    assert (shown["email"], shown["city"], shown["firstname"]) == ("b@example.com", "Porto", "Ana")


def test_an_answer_about_two_hundred_contacts_is_as_large_as_a_real_one(made: MauticStage) -> None:
    answered = made.call("POST", "/api/contacts/batch/new", people(200))
    assert len(answered.content) > 1_300_000  # a real answer weighs 1.4 to 1.9 MB


def test_the_simulator_runs_on_its_own_and_is_driven_by_its_control_addresses() -> None:
    command = [sys.executable, "-m", "local.simulators.mautic", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        control = f"{url}/_simulator"
        form = {"grant_type": "client_credentials", "client_id": "crm-relay", "client_secret": "simulator-secret"}
        token = requests.post(f"{url}/oauth/v2/token", data=form, timeout=5).json()["access_token"]
        header = {"Authorization": f"Bearer {token}"}
        requests.post(f"{url}/api/contacts/batch/new", json=people(2), headers=header, timeout=5)
        requests.post(f"{control}/faults", json={"match": "segments", "kind": "500_before"}, timeout=5)
        requests.post(f"{control}/unsubscribe", json={"contact_id": 1}, timeout=5)
        assert requests.get(f"{url}/api/segments", headers=header, timeout=5).status_code == 500
        state = requests.get(f"{control}/state", timeout=5).json()
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
    assert (state["contacts"], state["mailable"], state["do_not_contact"]) == (2, 1, {"1": 1})

"""The simulator, driven by the vendor's own library."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from mailchimp_marketing import Client  # type: ignore[import-untyped]
from mailchimp_marketing.api_client import ApiClientError  # type: ignore[import-untyped]

from crm_relay.providers.mailchimp.client import subscriber_hash
from local.simulators.http_server import Incoming, Outgoing, ServedSimulator
from local.simulators.mailchimp import MailchimpSimulator, SimulatedAudience


class HookTarget(ServedSimulator):
    """Answers what a webhook's address is asked."""

    def answer(self, incoming: Incoming) -> Outgoing:
        del incoming
        return Outgoing(200, {}, b"")


@pytest.fixture
def sim() -> Iterator[MailchimpSimulator]:
    with MailchimpSimulator() as running:
        yield running


@pytest.fixture
def audience(sim: MailchimpSimulator) -> SimulatedAudience:
    return sim.audience()


@pytest.fixture
def library(sim: MailchimpSimulator) -> Any:
    client = Client({"api_key": sim.key(), "server": "us19"})
    client.api_client.host = f"{sim.url}/3.0"
    return client


def test_who_calls_and_what_there_is(library: Any, audience: SimulatedAudience) -> None:
    assert library.ping.get() == {"health_status": "Everything's Chimpy!"}
    assert library.root.get_root(fields=["account_name"]) == {"account_name": "Northwind"}
    assert [each["id"] for each in library.lists.get_all_lists()["lists"]] == [audience.id]
    fields = library.lists.get_list_merge_fields(audience.id, count=100)["merge_fields"]
    assert [each["tag"] for each in fields] == ["FNAME", "LNAME", "TITLE", "COMPANY"]


def test_members_are_added_changed_left_and_archived(library: Any, audience: SimulatedAudience) -> None:
    given = [{"email_address": f"{name}@x.example", "status": "subscribed"} for name in ("a", "b")]
    answer = library.lists.batch_list_members(audience.id, {"members": given, "update_existing": False})
    assert (answer["total_created"], answer["error_count"]) == (2, 0)
    answer = library.lists.batch_list_members(audience.id, {"members": given, "update_existing": False})
    assert {each["error_code"] for each in answer["errors"]} == {"ERROR_CONTACT_EXISTS"}
    key = subscriber_hash("a@x.example")
    body = {"email_address": "a@x.example", "status_if_new": "subscribed", "merge_fields": {"FNAME": "Ada"}}
    changed = library.lists.set_list_member(audience.id, key, body, skip_merge_validation=True)
    assert (changed["merge_fields"]["FNAME"], changed["status"]) == ("Ada", "subscribed")
    library.lists.update_list_member_tags(audience.id, key, {"tags": [{"name": "VIP", "status": "active"}]})
    found = library.lists.get_list_member(audience.id, changed["contact_id"])
    assert [each["name"] for each in found["tags"]] == ["VIP"]
    library.lists.update_list_member(audience.id, key, {"status": "unsubscribed"})
    page = library.lists.get_list_members_info(audience.id, status="unsubscribed", fields=["members.email_address"])
    assert page == {"members": [{"email_address": "a@x.example"}]}
    library.lists.delete_list_member(audience.id, key)
    assert library.lists.get_list_member(audience.id, key)["status"] == "archived"
    library.lists.delete_list_member_permanent(audience.id, key)
    with pytest.raises(ApiClientError) as refused:
        library.lists.get_list_member(audience.id, key)
    assert refused.value.status_code == 404


def test_a_batch_is_carried_out_and_its_results_can_be_fetched(library: Any, audience: SimulatedAudience) -> None:
    begun = library.batches.start({"operations": [{"method": "GET", "path": f"/lists/{audience.id}/members"}]})
    states = [begun["status"]]
    while states[-1] != "finished":
        found = library.batches.status(begun["id"])
        states.append(found["status"])
    assert states[:1] == ["started"]
    assert requests.get(found["response_body_url"], timeout=5).status_code == 200
    assert requests.get(found["response_body_url"].partition("?")[0], timeout=5).status_code == 403


def test_a_person_who_left_or_was_deleted_is_not_taken_back(
    sim: MailchimpSimulator, library: Any, audience: SimulatedAudience
) -> None:
    left, gone = sim.add(audience, "left@x.example"), sim.add(audience, "gone@x.example")
    sim.unsubscribe(audience, left)
    sim.delete(audience, gone)
    with pytest.raises(ApiClientError) as refused:
        library.lists.update_list_member(audience.id, left.id, {"status": "subscribed"})
    assert "Member In Compliance State" in refused.value.text
    with pytest.raises(ApiClientError) as refused:
        library.lists.add_list_member(audience.id, {"email_address": "gone@x.example", "status": "subscribed"})
    assert "Forgotten Email Not Subscribed" in refused.value.text
    added = library.lists.add_list_member(audience.id, {"email_address": "new@x.example", "status": "pending"})
    assert added["status"] == "pending"


def test_a_webhook_is_added_once_its_address_answers(library: Any, audience: SimulatedAudience) -> None:
    with HookTarget() as target:
        made = library.lists.create_list_webhook(audience.id, {"url": target.url, "events": {"unsubscribe": True}})
        assert library.lists.get_list_webhooks(audience.id)["webhooks"][0]["id"] == made["id"]
    with pytest.raises(ApiClientError):
        library.lists.create_list_webhook(audience.id, {"url": "http://127.0.0.1:9/"})


def test_a_wrong_key_is_a_problem_of_its_own_type(sim: MailchimpSimulator) -> None:
    answer = requests.get(f"{sim.url}/3.0/ping", auth=("any", "wrong-us19"), timeout=5)
    assert (answer.status_code, answer.headers["Content-Type"]) == (401, "application/problem+json; charset=utf-8")
    assert answer.json().keys() >= {"type", "title", "status", "detail", "instance"}

"""Fields and webhooks edited through the API: what Mautic's source says, where nothing is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.mautic import wire
from crm_relay.providers.mautic.client import Mautic
from tests.contract.providers.mautic.mautic_recordings import recording
from tests.contract.providers.mautic.mautic_stage import MauticStage, stage


@pytest.fixture
def made() -> Iterator[MauticStage]:
    with stage() as ready:
        yield ready


def hook(made: MauticStage, **wanted: Any) -> int:
    body = {"name": "Ours", "webhookUrl": "http://127.0.0.1:9/", "triggers": ["mautic.email_on_open"], **wanted}
    return int(made.done("POST", "/api/hooks/new", body)["hook"]["id"])


def edited(made: MauticStage, method: str, number: int, **wanted: Any) -> dict[str, Any]:
    answer: dict[str, Any] = made.done(method, f"/api/hooks/{number}/edit", wanted)["hook"]
    return answer


def test_a_patch_only_adds_events_to_a_webhook(made: MauticStage) -> None:
    number = hook(made)
    assert edited(made, "PATCH", number, triggers=["mautic.page_on_hit"])["triggers"] == [
        "mautic.email_on_open",
        "mautic.page_on_hit",
    ]


def test_a_put_sets_the_events_of_a_webhook_and_blanks_what_it_does_not_name(made: MauticStage) -> None:
    number = hook(made, description="text", secret="kept")
    answer = edited(made, "PUT", number, name="Ours", webhookUrl="http://127.0.0.1:9/", triggers=["mautic.page_on_hit"])
    assert (answer["triggers"], answer["description"], answer["isPublished"]) == (["mautic.page_on_hit"], None, False)


def test_a_webhook_is_modified_only_where_something_changed(made: MauticStage) -> None:
    number = hook(made, description="text")
    assert edited(made, "PATCH", number, description="text")["dateModified"] is None
    assert edited(made, "PATCH", number, description="other")["dateModified"] is not None


def test_a_field_keeps_its_type_and_its_alias(made: MauticStage) -> None:
    number = made.sim.mautic.fields["lead_score"].id
    sent = {"type": "text", "alias": "other", "label": "Score"}
    field = made.done("PATCH", f"/api/fields/contact/{number}/edit", sent)["field"]
    assert (field["type"], field["alias"], field["label"]) == ("number", "lead_score", "Score")


def test_a_select_cannot_lose_its_last_choice(made: MauticStage) -> None:
    number = made.sim.mautic.fields["customer_segment"].id
    answer = made.call("PATCH", f"/api/fields/contact/{number}/edit", {"properties": {"list": []}})
    assert (answer.status_code, "list" in answer.text) == (400, True)


def test_more_than_a_page_of_fields_and_webhooks_is_read_to_the_end(made: MauticStage) -> None:
    for number in range(101):
        made.done("POST", "/api/fields/contact/new", {"label": f"Extra {number}", "alias": f"extra_{number}"})
        hook(made, name=f"Hook {number}")
    configuration = Mautic(
        HttpClient(made.sim.url), made.sim.oauth.client_id, made.sim.oauth.client_secret
    ).configuration
    assert len(configuration.fields()) == len(made.sim.mautic.fields)
    assert len(configuration.hooks()) == 101


@pytest.mark.parametrize(
    ("name", "kind", "member", "item", "count"),
    [
        ("22_fields_list_limit100", wire.FieldList, "fields_", wire.ContactField, 40),
        ("92_hooks_list", wire.HookList, "hooks", wire.MauticHook, 3),
        ("61_segments_list", wire.SegmentList, "lists", wire.MauticSegment, 5),
        ("60_segments_list_empty", wire.SegmentList, "lists", wire.MauticSegment, 0),
    ],
)
def test_recorded_listings_are_read(name: str, kind: Any, member: str, item: Any, count: int) -> None:
    body = recording(name)["response"]["body_json"]
    read = [item.model_validate(each) for each in wire.in_order(getattr(kind.model_validate(body), member))]
    assert len(read) == count


def test_the_recorded_events_are_read_and_no_secret_shows() -> None:
    assert len(wire.TriggerList.model_validate(recording("90_hooks_triggers")["response"]["body_json"]).triggers) == 14
    made = wire.HookAnswer.model_validate(recording("91_hook_new_all_triggers")["response"]["body_json"]).hook
    assert (made.secret, made.created_by, made.modified_at) == ("lab-webhook-secret", None, None)
    assert "lab-webhook-secret" not in repr(made)

"""What stood in the recorded Mautic before each recorded request."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from tests.contract.providers.mautic.mautic_recordings import recording
from tests.contract.providers.mautic.mautic_stage import MauticStage

Setup = Callable[[MauticStage], None]
ANA: dict[str, Any] = recording("30_contact_new_full")["request"]["body_json"]


def nothing(stage: MauticStage) -> None:
    del stage


def ana(**changed: Any) -> Setup:
    return lambda stage: stage.contact(1, **{**ANA, **changed})


def probed(name: str) -> Setup:
    """34_value_*: the note says what the contact was created with; its id gives the rest."""
    found = recording(name)
    number = int(found["request"]["path"].split("/")[3])
    fields = json.loads(re.sub(r"^[^{]*", "", found["note"]))
    short = name.removeprefix("34_value_")
    unique = {"email": f"val{number - 2}.{short}@example.com", "supabase_id": f"val-{number - 2}-{short}"}
    return lambda stage: stage.contact(number, **fields, **unique)


def eighty_six(stage: MauticStage) -> None:
    stage.contact(1, **ANA)
    stage.done("PATCH", "/api/contacts/1/edit", {"firstname": "AnaUpper"})
    stage.next_contact_is(2)
    stage.done("PUT", "/api/contacts/999999/edit", {"email": "put.unknown@example.com", "firstname": "PutCreated"})
    for number, name in ((3, "34_value_patch_zero_numbers"), (4, "34_value_patch_zero_strings")):
        probed(name)(stage)
        stage.done("PATCH", f"/api/contacts/{number}/edit", {"total_orders": 0})
    stage.fillers(range(5, 87))


def exz(stage: MauticStage) -> None:
    values = {"city": "Porto", "customer_segment": "vip", "total_orders": 5, "total_spent": 50}
    stage.contact(85, email="exz@example.com", supabase_id="exz", marketing_opt_in=True, **values)


def exz_opted_out(stage: MauticStage) -> None:
    exz(stage)
    stage.done("PATCH", "/api/contacts/85/edit", {"marketing_opt_in": False})


def exz_cleared(stage: MauticStage) -> None:
    exz(stage)
    body = {"city": None, "customer_segment": None, "overwriteWithBlank": True}
    stage.done("PATCH", "/api/contacts/85/edit", body)


def exz_named(stage: MauticStage) -> None:
    exz_cleared(stage)
    stage.done("PATCH", "/api/contacts/85/edit", {"firstname": "WithId"})


def conflicting(stage: MauticStage) -> None:
    stage.contact(83, email="confA@example.com", supabase_id="conf-A", firstname="A")
    stage.contact(84, email="confB@example.com", supabase_id="conf-B", firstname="B")


def edited(stage: MauticStage) -> None:
    for number in range(4):
        own = {"email": f"e{number}@example.com", "supabase_id": f"e-{number}"}
        stage.contact(77 + number, lastname="Keep", total_orders=4, firstname=f"E{number}", **own)
    stage.done("PATCH", "/api/contacts/78/edit", {"firstname": "P1"})


def with_zeros(stage: MauticStage) -> None:
    own = {"email": "pz1795178209@example.com", "supabase_id": "pz1795178209"}
    tags_and_stop = {"tags": ["keepme"], "doNotContact": [{"channel": "email", "reason": 1}]}
    stage.contact(833, **own, **tags_and_stop, total_orders=2)
    zeros = {"total_orders": 0, "total_spent": 0.99, "lead_score": 0}
    stage.done("PUT", "/api/contacts/833/edit", {**own, **zeros})


def before_zeros(stage: MauticStage) -> None:
    own = {"email": "pz1795178209@example.com", "supabase_id": "pz1795178209"}
    tags_and_stop = {"tags": ["keepme"], "doNotContact": [{"channel": "email", "reason": 1}]}
    stage.contact(833, **own, **tags_and_stop, total_orders=2)


def duplicated(stage: MauticStage) -> None:
    """Two contacts with one address, as concurrent requests leave them."""
    own = {"email": "rc1795177923.10@example.com", "supabase_id": "rc1795177923-10"}
    stage.contact(823, **own)
    twin = {alias: f"x{value}" for alias, value in own.items()}
    stage.contact(824, **twin)
    for alias, value in own.items():
        stage.sim.mautic.set_value(stage.sim.contacts[824], alias, value)


def batch_people(stage: MauticStage) -> None:
    stage.contact(62, email="b0@example.com", firstname="B0bis", supabase_id="b-0")
    for number in (1, 2):
        own = {"email": f"b{number}@example.com", "supabase_id": f"b-{number}"}
        stage.contact(62 + number, firstname=f"B{number}", **own)
    stage.contact(65, email="bnew@example.com", firstname="New")
    stage.contact(66, email="ok1@example.com", firstname="Ok1")
    stage.contact(67, email="ok2@example.com")
    for number in range(62, 68):
        stage.sim.contacts[number].modified_by = "sync-lab [1]"
        stage.sim.contacts[number].modified = stage.sim.mautic.now()


def suppressed(number: int, reason: int, comments: str) -> Setup:
    def setup(stage: MauticStage) -> None:
        batch_people(stage)
        body = {"reason": reason, "comments": comments}
        stage.done("POST", f"/api/contacts/{number}/dnc/email/add", body)

    return setup


def in_segments(stage: MauticStage) -> None:
    stage.segments()
    stage.fillers(range(62, 66))
    stage.fillers([88])


def joined(stage: MauticStage) -> None:
    in_segments(stage)
    for number in (62, 63):
        stage.done("POST", f"/api/segments/3/contact/{number}/add")


def one_in_newsletter(stage: MauticStage) -> None:
    in_segments(stage)
    stage.done("POST", "/api/segments/3/contact/63/add")


def unpublished(stage: MauticStage) -> None:
    in_segments(stage)
    stage.done("PATCH", "/api/segments/4/edit", {"isPublished": False})


def many_people(stage: MauticStage) -> None:
    stage.segments()
    details = recording("63_segment_contacts_bulk_add_259_ids")["response"]["body_json"]["details"]
    stage.fillers([int(number) for number, said in details.items() if said["success"]])


def sixty_two_members(stage: MauticStage) -> None:
    stage.segments()
    eighty_six(stage)
    stage.done("POST", "/api/segments/3/contacts/add", {"ids": list(range(1, 63))})


def anonymous_people(stage: MauticStage) -> None:
    for number in (69, 70, 73):
        stage.contact(number)
    stage.contact(86, firstname="OnlyId")


def twin(stage: MauticStage) -> None:
    own = {"email": "e0@example.com", "lastname": "twice"}
    stage.contact(82, firstname="x", **own)
    stage.done("PATCH", "/api/contacts/82/edit", {"firstname": "same"})


def batch_stopped(stage: MauticStage) -> None:
    stops = [{"channel": "email", "reason": 3, "comments": "batch opt-out"}]
    stage.contact(87, email="dncbatch@example.com", firstname="D", doNotContact=stops)


def batch_free(stage: MauticStage) -> None:
    stage.contact(87, email="dncbatch@example.com", firstname="D")


def two_more_fields(stage: MauticStage) -> None:
    for name in ("21_field_boolean_without_properties", "21_field_long_alias_truncated"):
        stage.done("POST", "/api/fields/contact/new", recording(name)["request"]["body_json"])


def boolean_field(stage: MauticStage) -> None:
    name = "21_field_boolean_without_properties"
    stage.done("POST", "/api/fields/contact/new", recording(name)["request"]["body_json"])


def unique_field(stage: MauticStage) -> None:
    two_more_fields(stage)
    name = "21_field_unique_flag_spelled_Identifer"
    stage.done("POST", "/api/fields/contact/new", recording(name)["request"]["body_json"])


def hooks(count: int) -> Setup:
    order = ("91_hook_new_all_triggers", "91_hook_new_without_secret", "91_hook_new_nonexistent_triggers")

    def setup(stage: MauticStage) -> None:
        for name in order[:count]:
            stage.done("POST", "/api/hooks/new", recording(name)["request"]["body_json"])

    return setup


def an_email(stage: MauticStage) -> None:
    stage.done("POST", "/api/emails/new", recording("94_email_new")["request"]["body_json"])
    stage.contact(88, email="hook.one@example.com")
    stop = [{"channel": "email", "reason": 2}]
    stage.contact(93, email="bounce.api@example.com", doNotContact=stop)


def segments_only(stage: MauticStage) -> None:
    stage.segments()


def before_segment(number: int) -> Setup:
    names = ("vip", "at", "newsletter", "duplicate_name", "with_filter")

    def setup(stage: MauticStage) -> None:
        for name in names[: number - 1]:
            body = recording(f"60_segment_new_{name}")["request"]["body_json"]
            stage.done("POST", "/api/segments/new", body)

    return setup


def switched(**switches: Any) -> Setup:
    return lambda stage: stage.sim.switch(**switches)

"""Departures by side doors: another address, a contact that is gone, a member without a contact, a look-up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from crm_relay.connections.people.erase import erase_connected
from crm_relay.consent.erase import block_return
from crm_relay.consent.grant import grant_consent
from crm_relay.consent.person import Person
from crm_relay.platform.clock import utc_now
from crm_relay.platform.sql import Json
from crm_relay.providers.connectors.contract import OutgoingRecord, WriteOutcome
from crm_relay.providers.mailchimp.members.writing import MemberWriter
from local.simulators.mailchimp.api import members
from local.simulators.mailchimp.state import SimulatedAudience
from local.simulators.mailchimp.wire import MailchimpRequest, MailchimpResponse
from tests.support.connections.mailchimp_sync_stage import MailchimpSync
from tests.support.platform.rows import one, rows_of


def linked(stage: MailchimpSync, *names: str, **settings: Any) -> None:
    """Members and contacts of these names, who are in step."""
    for each in names:
        stage.contact(f"{each}@x.example", first_name=each)
    stage.link(settings)
    for _ in range(2):
        assert stage.sync().success
        stage.pass_time()


def test_an_opt_out_follows_a_contact_to_the_next_address(stage: MailchimpSync) -> None:
    linked(stage, "old")
    contact = stage.contacts()["old@x.example"]["id"]
    stage.opt_out("old@x.example")
    stage.change(contact, email="new@x.example")
    assert stage.sync().success
    assert stage.members() == {"new@x.example": "unsubscribed"}


def test_an_opt_out_reaches_a_member_who_moved_there(stage: MailchimpSync) -> None:
    linked(stage, "old")
    member = stage.people.member("old")
    assert member is not None
    stage.opt_out("old@x.example")
    stage.sim.move(stage.people.audience, member, "new@x.example")
    assert stage.sync().success
    assert stage.members() == {"new@x.example": "unsubscribed"}
    stage.pass_time()
    stage.sync(complete=True)
    assert stage.members() == {"new@x.example": "unsubscribed"}


def test_a_member_without_a_contact_is_out_by_the_next_sync(stage: MailchimpSync) -> None:
    stage.people.add("alone", "other")
    linked(stage, create_contacts=False)
    assert stage.contacts() == {}
    stage.opt_out("alone@x.example")
    assert stage.sync().success
    assert stage.members() == {"alone@x.example": "unsubscribed", "other@x.example": "subscribed"}
    assert stage.ledger() == []


def test_a_member_whose_contact_was_deleted_is_out_by_the_next_sync(stage: MailchimpSync) -> None:
    linked(stage, "gone")
    rows_of(stage.db, "update contacts set deleted_at = now()")
    assert stage.sync().success
    stage.opt_out("gone@x.example")
    stage.pass_time()
    assert stage.sync().success
    assert stage.members() == {"gone@x.example": "unsubscribed"}


def test_who_unsubscribed_and_was_archived_before_anybody_looked_has_left(stage: MailchimpSync) -> None:
    linked(stage, "left", "tidied")
    for name in ("left", "tidied"):
        member = stage.people.member(name)
        assert member is not None
        if name == "left":
            stage.sim.unsubscribe(stage.people.audience, member)
        stage.sim.archive(stage.people.audience, member)
    assert stage.sync().success
    assert stage.ledger() == [("opt_out", "left@x.example")]
    stage.pass_time()
    stage.sync(complete=True)
    assert stage.ledger() == [("opt_out", "left@x.example")]


@pytest.mark.parametrize("is_new", [True, False], ids=["new", "known"])
def test_an_erasure_while_a_member_is_written_is_carried_out_there(
    stage: MailchimpSync, monkeypatch: pytest.MonkeyPatch, *, is_new: bool
) -> None:
    linked(stage, *(() if is_new else ("ada",)))
    if is_new:
        stage.contact("ada@x.example")
    else:
        stage.change(stage.contacts()["ada@x.example"]["id"], first_name="Augusta")
    write = MemberWriter.write

    def erasing(self: MemberWriter, batch: Sequence[OutgoingRecord]) -> list[WriteOutcome]:
        found = write(self, batch)
        person = Person(addresses=frozenset({"ada@x.example"}))
        block_return(stage.db, person, stage.now())
        erase_connected(stage.db, person, stage.now())
        rows_of(stage.db, "update contacts set email = null, first_name = null, deleted_at = now()")
        return found

    monkeypatch.setattr(MemberWriter, "write", erasing)
    stage.sync()
    monkeypatch.undo()
    for _ in range(2):
        stage.pass_time()
        stage.sync()
    assert stage.members() == {}
    assert one(stage.db, "select count(*) as n from integration_records")["n"] == 0


def test_a_departure_that_only_a_look_up_shows_is_taken_over(
    stage: MailchimpSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A complete pass passed over them: pages shift."""
    linked(stage, "left", "stays")
    member = stage.people.member("left")
    assert member is not None
    member.status = "unsubscribed"
    listed = members.list_members

    def without(audience: SimulatedAudience, request: MailchimpRequest) -> MailchimpResponse:
        others = {key: each for key, each in audience.members.items() if each is not member}
        return listed(replace(audience, members=others), request)

    monkeypatch.setattr(members, "list_members", without)
    assert stage.sync(complete=True).success
    assert stage.ledger() == [("opt_out", "left@x.example")]


def test_a_refused_departure_is_tried_again(stage: MailchimpSync) -> None:
    """Not only by the next complete pass."""
    linked(stage, "left")
    rows_of(
        stage.db,
        """create function refuse() returns trigger language plpgsql as $$
           begin raise check_violation; end $$""",
    )
    rows_of(stage.db, "create trigger refuse before insert on consent_events for each row execute function refuse()")
    member = stage.people.member("left")
    assert member is not None
    stage.sim.unsubscribe(stage.people.audience, member)
    stage.sync()
    assert len(stage.rejects()) == 1
    rows_of(stage.db, "drop trigger refuse on consent_events")
    stage.pass_time(3_700)
    stage.sync()
    assert (stage.ledger(), stage.rejects()) == ([("opt_out", "left@x.example")], [])


def test_a_subscription_without_a_recorded_consent_is_taken_back(stage: MailchimpSync) -> None:
    """By a form of Mailchimp's: only a consent that is recorded here lets them back."""
    linked(stage, "back")
    member = stage.people.member("back")
    assert member is not None
    stage.sim.unsubscribe(stage.people.audience, member)
    stage.sync()
    assert stage.ledger() == [("opt_out", "back@x.example")]
    stage.pass_time()
    stage.sim.resubscribe(stage.people.audience, member)
    result = stage.sync()
    assert (stage.members(), stage.stream_of(result)["out"]["unsubscribed"]) == ({"back@x.example": "unsubscribed"}, 1)


def test_a_subscription_with_a_recorded_consent_stays(stage: MailchimpSync) -> None:
    (member,) = stage.people.add("back")
    stage.link()
    stage.sim.unsubscribe(stage.people.audience, member)
    stage.sync()
    assert stage.ledger() == [("opt_out", "back@x.example")]
    grant_consent(stage.db, "back@x.example", evidence="a letter", granted_by="mary", now=utc_now())
    stage.pass_time()
    stage.sim.resubscribe(stage.people.audience, member)
    assert stage.sync().success
    assert stage.members() == {"back@x.example": "subscribed"}


def test_a_member_who_was_made_by_a_request_without_an_answer_goes_with_an_erasure(stage: MailchimpSync) -> None:
    linked(stage)
    stage.contact("ada@x.example")
    stage.sim.fault("lost", match=f"POST /3.0/lists/{stage.people.audience.id}?")
    assert not stage.sync().success
    assert stage.members() == {"ada@x.example": "subscribed"}
    person = Person(addresses=frozenset({"ada@x.example"}))
    block_return(stage.db, person, stage.now())
    erase_connected(stage.db, person, stage.now())
    rows_of(stage.db, "update contacts set email = null, deleted_at = now()")
    stage.pass_time()
    assert stage.sync().success
    assert stage.members() == {}


@pytest.mark.parametrize("held_for", ["confirmation", "preview", "another field"])
def test_departures_come_in_and_go_out_while_the_rest_waits_for_a_look(stage: MailchimpSync, held_for: str) -> None:
    linked(stage, "there", "here", "stays")
    assert stage.connection is not None
    rows_of(stage.db, "update integration_connections set held_for = 'confirmation'")
    if held_for != "confirmation":
        rows_of(stage.db, "update integration_connections set held_for = 'preview', confirmed_at = null")
    if held_for == "another field":
        fields = {"email": {"id": "email"}, "title": stage.people.settings()["fields"]["title"]}
        rows_of(
            stage.db,
            "update integration_connections set settings = settings || :changed",
            changed=Json({"fields": fields}),
        )
    there, stays = stage.people.member("there"), stage.people.member("stays")
    assert there is not None
    assert stays is not None
    stage.sim.unsubscribe(stage.people.audience, there)
    stage.sim.edit(stage.people.audience, stays, FNAME="Anna")
    stage.opt_out("here@x.example")
    stage.pass_time()
    for _ in range(2):
        assert stage.run().outcomes == {"none": 1}
        stage.pass_time()
    assert stage.ledger() == [("opt_out", "there@x.example")]
    assert stage.members()["here@x.example"] == "unsubscribed"
    row = stage.row(stage.connection)
    assert row["held_for"] == ("confirmation" if held_for == "confirmation" else "preview")
    assert stage.contacts()["stays@x.example"]["first_name"] == "stays"
    if held_for == "confirmation":
        rows_of(stage.db, "update integration_connections set held_for = null")
        stage.sync()
        # What came meanwhile was not passed over.
        assert stage.contacts()["stays@x.example"]["first_name"] == "Anna"


def test_a_connection_that_nobody_has_let_begin_takes_nothing_over(stage: MailchimpSync) -> None:
    (left,) = stage.people.add("left")
    stage.sim.unsubscribe(stage.people.audience, left)
    stage.link()
    rows_of(stage.db, "update integration_connections set confirmed_at = null")
    assert stage.run().outcomes == {"none": 1}
    stage.pass_time()
    assert stage.run().outcomes == {}
    assert stage.ledger() == []


def test_a_complete_pass_alone_finds_who_opted_out(stage: MailchimpSync) -> None:
    """What the look at the ledger has missed, such as an entry that was committed very late."""
    linked(stage, "out", "stays")
    stage.opt_out("out@x.example")
    rows_of(stage.db, "update integration_checkpoints set ledger_seen = (select max(id) from consent_events)")
    assert stage.sync().success
    assert stage.members()["out@x.example"] == "subscribed"
    stage.pass_time()
    assert stage.sync(complete=True).success
    assert stage.members() == {"out@x.example": "unsubscribed", "stays@x.example": "subscribed"}
    assert stage.ledger() == []


def test_the_look_at_the_ledger_alone_finds_who_opted_out(stage: MailchimpSync) -> None:
    """Nothing about the member changed there, so that no read shows them."""
    linked(stage, "out", "stays")
    stage.opt_out("out@x.example")
    result = stage.sync()
    assert stage.stream_of(result)["in"].get("read", 0) == 0
    assert stage.members() == {"out@x.example": "unsubscribed", "stays@x.example": "subscribed"}

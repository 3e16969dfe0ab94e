"""Mailchimp over the engine: both ways, and who left either side."""

from __future__ import annotations

import pytest

from crm_relay.connections.people.erase import DELETED_FOR_GOOD, count_connected, erase_connected
from crm_relay.consent.person import Person
from crm_relay.providers.mailchimp.client import subscriber_hash
from local.simulators.mailchimp import SimulatedAudience
from local.simulators.mailchimp.api import members
from local.simulators.mailchimp.state import SimulatedOperations
from local.simulators.mailchimp.wire import MailchimpProblem, MailchimpResponse
from tests.support.connections.mailchimp_sync_stage import MailchimpSync
from tests.support.platform.rows import one, rows_of


def test_both_sides_are_equal_after_a_sync(stage: MailchimpSync) -> None:
    stage.people.add("there", FNAME="Theo")
    stage.people.add("both", LNAME="Sides")
    stage.contact("here@x.example", first_name="Hera")
    stage.contact("both@x.example", first_name="Bo")
    stage.link()
    result = stage.sync()
    assert result.success, result
    assert set(stage.contacts()) == {"there@x.example", "here@x.example", "both@x.example"}
    assert stage.members() == dict.fromkeys(stage.contacts(), "subscribed")
    member = stage.people.member("both")
    assert member is not None
    assert member.merges["FNAME"] == "Bo"
    assert stage.contacts()["both@x.example"]["last_name"] == "Sides"
    stage.pass_time()
    again = stage.sync(complete=True)
    assert (again.success, again.records_synced) == (True, 0)
    assert stage.stream_of(again)["compared"]["is_equal"]


def test_a_sync_that_finds_nothing_is_one_request(stage: MailchimpSync) -> None:
    stage.contact("here@x.example")
    stage.link()
    stage.sync()
    for _ in range(2):
        stage.pass_time()
        stage.sync()
    before = stage.sim.calls
    stage.pass_time()
    stage.sync()
    assert stage.sim.calls - before == 1


def test_who_leaves_there_leaves_here_once(stage: MailchimpSync) -> None:
    (left,), (cleaned,) = stage.people.add("left"), stage.people.add("cleaned")
    stage.link()
    stage.sync()
    assert stage.ledger() == []
    stage.pass_time()
    stage.sim.unsubscribe(stage.people.audience, left)
    stage.sim.clean(stage.people.audience, cleaned)
    stage.sync()
    assert sorted(stage.ledger()) == [("hard_bounce", "cleaned@x.example"), ("opt_out", "left@x.example")]
    stage.pass_time()
    stage.sim.edit(stage.people.audience, left, FNAME="Edited")
    stage.sync(complete=True)
    assert len(stage.ledger()) == 2


def test_an_opt_out_here_unsubscribes_there_and_comes_back_as_nothing(stage: MailchimpSync) -> None:
    stage.contact("out@x.example")
    stage.contact("stays@x.example")
    stage.link()
    stage.sync()
    stage.opt_out("out@x.example")
    stage.pass_time()
    result = stage.sync()
    assert result.success, result
    assert stage.members() == {"out@x.example": "unsubscribed", "stays@x.example": "subscribed"}
    stage.pass_time()
    stage.sync(complete=True)
    assert stage.ledger() == []


def test_nobody_who_left_anywhere_is_added(stage: MailchimpSync) -> None:
    stage.contact("out@x.example")
    stage.opt_out("out@x.example")
    (archived,) = stage.people.add("archived")
    stage.sim.archive(stage.people.audience, archived)
    stage.contact("archived@x.example")
    stage.contact("fine@x.example")
    stage.link()
    result = stage.sync()
    assert result.success, result
    assert stage.members() == {"archived@x.example": "archived", "fine@x.example": "subscribed"}
    assert sorted(row["reason"] for row in stage.rejects()) == [
        "consent: the person is archived there, and can be taken back there alone",
        "consent: the person opted out",
    ]
    assert stage.ledger() == []


def test_who_left_there_is_not_added_again_under_a_new_contact(stage: MailchimpSync) -> None:
    (left,) = stage.people.add("left")
    stage.link({"create_contacts": False})
    stage.sim.unsubscribe(stage.people.audience, left)
    stage.sync()
    stage.contact("left@x.example")
    stage.pass_time()
    stage.sync()
    assert stage.members() == {"left@x.example": "unsubscribed"}


def test_a_change_never_changes_a_status(stage: MailchimpSync) -> None:
    (left,) = stage.people.add("left")
    stage.link()
    stage.sync()
    stage.sim.unsubscribe(stage.people.audience, left)
    stage.pass_time()
    stage.sync()
    stage.change(stage.contacts()["left@x.example"]["id"], first_name="Lea")
    stage.pass_time()
    result = stage.sync()
    assert result.success, result
    assert (left.status, left.merges["FNAME"]) == ("unsubscribed", "Lea")


def test_who_moves_to_another_address_leaves_with_that_too(stage: MailchimpSync) -> None:
    (left,) = stage.people.add("left")
    stage.link()
    stage.sim.unsubscribe(stage.people.audience, left)
    stage.sync()
    stage.sim.move(stage.people.audience, left, "moved@x.example")
    stage.pass_time()
    stage.sync()
    assert stage.ledger() == [("opt_out", "left@x.example"), ("opt_out", "moved@x.example")]
    assert set(stage.contacts()) == {"moved@x.example"}


def test_who_moved_right_after_they_were_added_is_one_person(stage: MailchimpSync) -> None:
    stage.contact("old@x.example")
    stage.link()
    stage.sync()
    stage.pass_time()
    stage.sync()
    member = stage.people.member("old")
    assert member is not None
    stage.sim.move(stage.people.audience, member, "new@x.example")
    stage.pass_time()
    stage.sync()
    assert set(stage.contacts()) == {"new@x.example"}


def test_a_later_consent_here_is_not_undone_by_an_edit_there(stage: MailchimpSync) -> None:
    (left,) = stage.people.add("left")
    stage.link()
    stage.sim.unsubscribe(stage.people.audience, left)
    stage.sync()
    rows_of(
        stage.db,
        """insert into consent_events (org_id, channel, address, kind, source, evidence, occurred_at)
           values (:org, 'email', 'left@x.example', 'consent', 'crm', 'a letter', clock_timestamp())""",
        org=stage.org,
    )
    stage.pass_time()
    stage.sim.edit(stage.people.audience, left, FNAME="Edited")
    stage.sync(complete=True)
    row = one(stage.db, "select suppressed_by from suppression(:org, 'email', 'left@x.example')", org=stage.org)
    assert row["suppressed_by"] is None
    assert left.status == "unsubscribed"


def test_an_archived_member_leaves_no_opt_out_and_keeps_the_contact(stage: MailchimpSync) -> None:
    (archived,) = stage.people.add("archived")
    stage.link()
    stage.sync()
    stage.sim.archive(stage.people.audience, archived)
    stage.pass_time()
    stage.sync()
    stage.change(stage.contacts()["archived@x.example"]["id"], first_name="Ada")
    stage.pass_time()
    stage.sync(complete=True)
    assert stage.ledger() == []
    assert archived.status == "archived"


@pytest.mark.parametrize("rule", ["keep", "archive"])
def test_a_setting_says_what_becomes_of_the_contact_of_an_archived_member(stage: MailchimpSync, rule: str) -> None:
    members = stage.people.add(*"abcdefgh")
    stage.link({"when_removed_there": rule})
    stage.sync()
    stage.sim.archive(stage.people.audience, members[0])
    stage.pass_time()
    stage.sync()
    assert ("a@x.example" in stage.contacts()) == (rule == "keep")


def test_a_field_that_is_gone_stops_no_departure(stage: MailchimpSync) -> None:
    left, _ = stage.people.add("left", "out")
    stage.link()
    stage.sync()
    stage.people.audience.fields.pop(0)
    stage.sim.unsubscribe(stage.people.audience, left)
    stage.opt_out("out@x.example")
    stage.pass_time()
    result = stage.sync()
    assert stage.stream_of(result)["outcome"] == "stream"
    assert stage.ledger() == [("opt_out", "left@x.example")]
    assert stage.members()["out@x.example"] == "unsubscribed"


@pytest.mark.parametrize("request_line", ["POST /3.0/batches", "GET /batch-results/"])
def test_an_answer_that_was_lost_unsubscribes_once_and_is_no_opt_out_of_theirs(
    stage: MailchimpSync, request_line: str
) -> None:
    stage.contact("out@x.example")
    stage.link()
    stage.sync()
    stage.opt_out("out@x.example")
    stage.pass_time()
    stage.sim.fault("lost", match=request_line)
    assert not stage.sync().success
    for _ in range(2):
        stage.pass_time()
        result = stage.sync()
        assert result.success, result
    assert stage.members() == {"out@x.example": "unsubscribed"}
    assert stage.ledger() == []


def test_a_page_without_json_is_pace_and_nothing_to_reconnect_for(stage: MailchimpSync) -> None:
    stage.link()
    stage.sim.fault("403_bare")
    result = stage.sync()
    assert result.metadata["outcome"] == "outage"
    assert stage.row(stage.connection or stage.link())["error_count"] == 0
    assert stage.incidents() == []


def test_an_erased_person_is_deleted_for_good_and_cannot_be_added_again(stage: MailchimpSync) -> None:
    stage.contact("gone@x.example")
    stage.contact("stays@x.example")
    stage.link()
    stage.sync()
    stage.pass_time()
    stage.sync()
    person = Person(addresses=frozenset({"gone@x.example"}))
    assert count_connected(stage.db, person)[DELETED_FOR_GOOD] == 1
    erase_connected(stage.db, person, stage.now())
    rows_of(stage.db, "delete from contacts where email = 'gone@x.example'")
    stage.pass_time()
    result = stage.sync()
    assert result.success, result
    assert stage.members() == {"stays@x.example": "subscribed"}
    stage.contact("gone@x.example")
    stage.pass_time()
    stage.sync()
    assert [row["reason"] for row in stage.rejects()] == [
        "email: the person was deleted for good in Mailchimp, and can return only by their own will"
    ]


def test_tags_follow_a_column(stage: MailchimpSync) -> None:
    contact = stage.contact("a@x.example", status="lead")
    stage.link({"tags": {"column": "status", "names": {"lead": "Lead", "customer": "Customer"}}})
    stage.sync()
    member = stage.people.member("a")
    assert member is not None
    assert member.tags == ["Lead"]
    stage.change(contact, status="customer")
    stage.pass_time()
    stage.sync()
    assert member.tags == ["Customer"]
    stage.change(contact, status="other")
    stage.pass_time()
    stage.sync()
    assert member.tags == []
    stage.pass_time()
    again = stage.sync(complete=True)
    assert (again.records_synced, stage.stream_of(again)["compared"]["is_equal"]) == (0, True)


def test_a_preview_says_who_would_leave(stage: MailchimpSync) -> None:
    (left,) = stage.people.add("left")
    stage.people.add("out")
    stage.sim.unsubscribe(stage.people.audience, left)
    stage.opt_out("out@x.example")
    stage.link()
    assert stage.connection is not None
    result = stage.open(stage.connection).preview()
    said = stage.stream_of(result)["consequences"]
    assert "would take over 1 departure(s) there" in said
    assert "would unsubscribe 1 record(s) there" in said
    assert stage.ledger() == []
    assert stage.members()["out@x.example"] == "subscribed"


def test_who_consented_again_before_they_were_unsubscribed_there_stays(stage: MailchimpSync) -> None:
    stage.contact("back@x.example")
    stage.link()
    stage.sync()
    stage.opt_out("back@x.example")
    stage.pass_time()
    stage.sim.fault("500", match="/3.0/batches")
    assert not stage.sync().success
    rows_of(
        stage.db,
        """insert into consent_events (org_id, channel, address, kind, source, evidence, occurred_at)
           values (:org, 'email', 'back@x.example', 'consent', 'crm', 'a letter', clock_timestamp())""",
        org=stage.org,
    )
    assert one(stage.db, "select count(*) as n from integration_standings where standing = 'leaving'")["n"] == 1
    stage.pass_time()
    assert stage.sync().success
    assert stage.members() == {"back@x.example": "subscribed"}


def test_a_member_that_mailchimp_does_not_let_go_holds_up_no_other_one(
    stage: MailchimpSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("kept", "gone"):
        stage.contact(f"{name}@x.example")
    stage.link()
    stage.sync()
    stage.pass_time()
    stage.sync()
    real = members.delete_for_good

    def delete(audience: SimulatedAudience, key: str) -> MailchimpResponse:
        if key == subscriber_hash("kept@x.example"):
            raise MailchimpProblem(400, "Bad Request")
        return real(audience, key)

    monkeypatch.setattr(members, "delete_for_good", delete)
    erase_connected(stage.db, Person(addresses=frozenset({"kept@x.example", "gone@x.example"})), stage.now())
    rows_of(stage.db, "delete from contacts")
    stage.contact("new@x.example")
    stage.pass_time()
    result = stage.sync()
    assert stage.stream_of(result)["out"]["failed"] == 1
    assert stage.members() == {"kept@x.example": "subscribed", "new@x.example": "subscribed"}
    monkeypatch.undo()
    stage.pass_time()
    stage.sync()
    assert set(stage.members()) == {"new@x.example"}


def test_a_departure_that_the_database_refuses_costs_no_other_one(stage: MailchimpSync) -> None:
    left, other = stage.people.add("left", "other")
    stage.link()
    stage.sync()
    rows_of(
        stage.db,
        """create function refuse() returns trigger language plpgsql as $$
           begin
               if new.address = 'left@x.example' then raise check_violation; end if;
               return new;
           end $$""",
    )
    rows_of(stage.db, "create trigger refuse before insert on consent_events for each row execute function refuse()")
    for member in (left, other):
        stage.sim.unsubscribe(stage.people.audience, member)
    stage.pass_time()
    stage.sync()
    assert stage.ledger() == [("opt_out", "other@x.example")]


def test_a_batch_that_never_ends_holds_up_nobody_for_ever(stage: MailchimpSync) -> None:
    contact = stage.contact("a@x.example", first_name="Ada")
    stage.link()
    stage.sync()
    stuck = SimulatedOperations("stuck", [{"method": "GET", "path": "/ping"}], stage.sim.state.now(), polls=10**6)
    stage.sim.state.batches["stuck"] = stuck
    stage.change(contact, first_name="Bo")
    stage.pass_time()
    assert stage.sync().metadata["outcome"] == "partial"
    stage.pass_time(7 * 3600)
    assert stage.sync().success
    member = stage.people.member("a")
    assert member is not None
    assert member.merges["FNAME"] == "Bo"

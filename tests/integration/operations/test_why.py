"""Asked about a person, every room tells what it knows: of that person all, of others nothing, and never a content."""

import base64
import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from crm_relay.consent.grant import grant_consent
from crm_relay.consent.models import ConsentChannel, ConsentEvent, ConsentKind
from crm_relay.consent.record import record_events
from crm_relay.customers.erase import MOST_CUSTOMERS
from crm_relay.engagement.why import LATEST
from crm_relay.operations.erase import erase
from crm_relay.operations.explain import Known, explain_person
from crm_relay.platform.aws import queue
from crm_relay.sources.mautic import MAUTIC
from crm_relay.webhooks.models import Delivered
from crm_relay.webhooks.people.why import NEWEST_DELIVERIES, NEWEST_TASKS
from crm_relay.webhooks.receive import apply_stored
from tests.faults.conftest import aws, aws_environment
from tests.support.customers.mautic_harness import MauticHarness
from tests.support.customers.mautic_hooks import delivery, opened, subscription
from tests.support.log import listening
from tests.support.operations.planted_person import ADA, AT, BEA, Places, erasure, plant, plant_shared_deliveries
from tests.support.platform.counting_queries import CountingQueries

__all__ = ["aws", "aws_environment"]


@pytest.fixture
def places(aws_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Places:
    """An empty AWS, of one server that answers at once."""
    monkeypatch.setattr(queue, "_LOOK_SECONDS", 0)
    return Places.fresh(aws_environment)


def asked(harness: MauticHarness, who: object) -> Known:
    return explain_person(harness.db, str(who), harness.now)


def arrive(harness: MauticHarness, body: bytes) -> None:
    delivered = Delivered("mautic", body, AT)
    apply_stored(harness.db, MAUTIC, delivered)


def keep_raw(harness: MauticHarness, body: bytes, *, times: int = 1, name: str = "raw") -> None:
    """Deliveries that were not applied, all with this body."""
    harness.sql(
        """insert into webhook_inbox (source, dedupe_key, body, received_at)
           select 'mautic', :name || number, :body, now() from generate_series(1, :times) number""",
        name=name,
        body=body.decode(),
        times=times,
    )


def said(known: object) -> str:
    return json.dumps(known, default=str).lower()


def counted(known: Known) -> dict[tuple[str, bool], int]:
    return {(each["kind"], each["is_waiting"]): each["events"] for each in known.engagement.counts}


# --- the whole answer -----------------------------------------------------------------------------------------------


def test_every_room_tells_of_the_person_and_no_room_of_another(harness: MauticHarness, places: Places) -> None:
    ada, _ = plant(harness, places, ADA), plant(harness, places, BEA)
    plant_shared_deliveries(harness, places)

    with listening() as logged:
        known = asked(harness, ADA.address)

    (customer,) = known.customers
    assert (customer.customer_id, customer.contact_id) == (ada, harness.contact(ada).id)
    assert (customer.memberships.wanted, customer.memberships.confirmed) == (("vip",), ("vip",))
    assert {each.address for each in known.engagement.addresses} == {ADA.address.lower(), ADA.second_address}
    assert counted(known) == {("open", False): 3, ("unsubscribe", False): 1, ("open", True): 1}
    assert [each["address"] for each in known.engagement.waiting] == [ADA.address.lower()]
    assert [each["applied_at"] is not None for each in known.inbox.deliveries] == [True, False, True, True, True]
    assert [each["source"] for each in known.inbox.failed_tasks] == ["mautic"]
    assert {entry.channel for entry in known.ledger} == {"email", "sms"}
    assert known.erasure.receipts == []
    for text in BEA.texts:
        assert text not in said(asdict(known))
    for text in ADA.texts:
        assert text not in said(asdict(known.inbox)), "no delivery shows what it says"
        assert text not in logged().lower()


def second_address(_: MauticHarness, __: UUID) -> object:
    return f"  {ADA.second_address.upper()} "


def customer_id(_: MauticHarness, who: UUID) -> object:
    return str(who).upper()


def contact_id(harness: MauticHarness, who: UUID) -> object:
    return harness.contact(who).id


def former_contact_id(harness: MauticHarness, who: UUID) -> object:
    harness.sql("insert into mautic_former_contacts (mautic_contact_id, customer_id) values (4711, :id)", id=who)
    return 4711


@pytest.mark.parametrize("name", [second_address, customer_id, contact_id, former_contact_id])
def test_whatever_a_person_is_named_by_the_answer_is_the_same(
    harness: MauticHarness, places: Places, name: Callable[[MauticHarness, UUID], object]
) -> None:
    who = name(harness, plant(harness, places, ADA))

    assert said(asdict(asked(harness, who))) == said(asdict(asked(harness, ADA.address)))


@pytest.mark.parametrize("who", ["nobody@example.com", "77", uuid4(), "nonsense", "", "+61491570199"])
def test_of_nobody_nothing_is_known(harness: MauticHarness, places: Places, who: object) -> None:
    plant(harness, places, ADA)

    known = asked(harness, who)

    assert not known.is_anything
    assert not known.erasure.is_erased


def test_a_number_finds_its_lines_in_the_ledger_and_the_deliveries_that_only_it_can_explain(
    harness: MauticHarness,
) -> None:
    keep_raw(harness, delivery(message_on_reply=[{"from": ADA.phone}]))
    record_events(harness.db, [ConsentEvent(ConsentKind.OPT_OUT, ADA.phone, "twilio", AT, channel=ConsentChannel.SMS)])

    known = asked(harness, "+61 (491) 570-156")

    assert len(known.inbox.deliveries) == 1
    assert [entry.source for entry in known.ledger] == ["twilio"]


def test_the_number_of_statements_does_not_depend_on_what_there_is(harness: MauticHarness) -> None:
    one, many = CountingQueries(harness.db), CountingQueries(harness.db)
    explain_person(one, "info@example.com", harness.now)
    for number in range(MOST_CUSTOMERS + 3):
        harness.customer("info@example.com", first_name=f"c{number}")
    keep_raw(harness, delivery(email_on_open=[opened(email="info@example.com")]), times=60)

    known = explain_person(many, "info@example.com", harness.now)

    assert many.names == one.names
    assert len(set(one.names)) == len(one.names) <= 25
    assert (len(known.customers), known.customers_left_out) == (MOST_CUSTOMERS, 3)


# --- contacts -------------------------------------------------------------------------------------------------------


def test_memberships_are_told_as_wished_as_confirmed_and_as_staying_here(harness: MauticHarness) -> None:
    who = harness.customer("ana@example.com", segments=("vip", "newsletter"))
    harness.sync()
    harness.join(who, "new")
    harness.leave(who, "vip")

    (customer,) = asked(harness, who).customers

    assert customer.memberships.wanted == ("new",)
    assert customer.memberships.confirmed == ("vip",)
    assert customer.memberships.only_here == ("newsletter",)
    assert (customer.joins, customer.leaves) == (("new",), ("vip",))
    assert (customer.action, customer.reason) == ("update", "changed")
    assert customer.open_notes > 0


def test_a_former_contact_says_whose_it_is_now_and_counts_as_theirs(harness: MauticHarness) -> None:
    merged, other = harness.customer("merged@example.com"), harness.customer("other@example.com")
    harness.sync()
    taken, lost = harness.contact(other).id, 4711
    harness.sql(
        "insert into mautic_former_contacts (mautic_contact_id, customer_id) values (:taken, :id), (:lost, :id)",
        taken=taken,
        lost=lost,
        id=merged,
    )
    for number, contact in enumerate((taken, lost)):
        keep_raw(
            harness, delivery(email_on_open=[opened(contact_id=contact, email="x@example.com")]), name=f"{number}-"
        )

    known = asked(harness, merged)

    (customer,) = known.customers
    assert [(each["mautic_contact_id"], each["now_of"]) for each in customer.former_contacts] == [
        (taken, str(other)),
        (lost, None),
    ]
    assert len(known.inbox.deliveries) == 1


@pytest.mark.parametrize("by", ["contact id", "customer id"])
def test_of_a_deleted_customer_the_contact_that_is_still_to_be_removed_is_told(harness: MauticHarness, by: str) -> None:
    who = harness.customer("gone@example.com")
    harness.sync()
    contact = harness.contact(who).id
    harness.sql("delete from customer_profiles where id = :id", id=who)

    known = asked(harness, contact if by == "contact id" else who)

    assert known.customers == []
    assert [(each["mautic_contact_id"], each["customer_id"]) for each in known.removals] == [(contact, who)]
    assert known.is_anything


# --- engagement -----------------------------------------------------------------------------------------------------


def bounced(email: str, number: int) -> bytes:
    event = subscription(email=email, new="bounced", comments="mailbox full", at=f"2026-11-20T12:22:5{number}+00:00")
    return delivery(lead_channel_subscription_changed=[event])


@pytest.mark.parametrize(
    ("bounces", "reason", "is_muted"),
    [(0, "0 of 3 bounces", False), (2, "2 of 3 bounces", False), (3, "muted after 3 bounces", True)],
)
def test_an_address_says_how_many_bounces_it_had_and_whether_they_mute_it(
    harness: MauticHarness, bounces: int, reason: str, is_muted: bool
) -> None:
    harness.customer("ana@example.com")
    for number in range(bounces):
        arrive(harness, bounced("ana@example.com", number))

    known = asked(harness, "ana@example.com")

    assert [(each.reason, each.is_muted) for each in known.engagement.addresses] == [(reason, is_muted)]
    assert counted(known).get(("bounce", False), 0) == bounces
    assert [entry.kind for entry in known.ledger] == (["hard_bounce"] if is_muted else [])


def test_an_address_that_is_invalid_for_another_reason_is_not_put_down_to_bounces(harness: MauticHarness) -> None:
    harness.customer("ana@example.com")
    harness.sql("update customer_emails set is_valid = false, bounce_count = 1")

    (address,) = asked(harness, "ana@example.com").engagement.addresses

    assert (address.is_muted, address.bounces, address.reason) == (True, 1, "muted as invalid, not by counted bounces")


def test_an_event_says_what_it_was_who_did_it_and_why_that_is_believed(harness: MauticHarness) -> None:
    harness.customer("ana@example.com")
    arrive(harness, delivery(email_on_open=[opened(email="ana@example.com")]))

    (event,) = asked(harness, "ana@example.com").engagement.events

    assert (event["kind"], event["campaign_name"], event["is_machine"]) == ("open", "Lab mail", False)
    assert event["verdict"] == "nothing speaks against a person"
    assert "raw_payload" not in event


def test_the_newest_events_are_told_one_by_one_and_all_are_counted(harness: MauticHarness) -> None:
    who = harness.customer("ana@example.com")
    harness.sql(
        """insert into customer_email_engagement (customer_id, event_type, occurred_at, event_key, is_machine)
           select :id, 'open', :at::timestamptz + number * interval '1 minute', 'k' || number, number <= 10
           from generate_series(1, 50) number""",
        id=who,
        at=AT,
    )

    known = asked(harness, who)

    assert [each["occurred_at"] for each in known.engagement.events] == [
        AT + timedelta(minutes=50 - place) for place in range(LATEST)
    ]
    assert [(each["events"], each["by_machines"]) for each in known.engagement.counts] == [(50, 10)]


@pytest.mark.parametrize("who", ["Waits@Example.com", 900_001])
def test_an_event_that_waits_is_found_before_its_customer_is_known(harness: MauticHarness, who: object) -> None:
    arrive(harness, delivery(email_on_open=[opened(contact_id=900_001, email="waits@example.com")]))
    arrive(harness, delivery(email_on_open=[opened(contact_id=900_002, email="other@example.com", tracking="t2")]))

    known = asked(harness, who)

    assert (known.customers, known.engagement.events) == ([], [])
    assert [each["address"] for each in known.engagement.waiting] == ["waits@example.com"]
    assert len(known.inbox.deliveries) == 1
    assert known.is_anything


# --- inbox ----------------------------------------------------------------------------------------------------------


def test_an_inbox_that_was_not_looked_through_to_its_beginning_says_so(harness: MauticHarness) -> None:
    who = harness.customer("ana@example.com")
    keep_raw(harness, delivery(email_on_open=[opened(email="ana@example.com")]))
    whole = asked(harness, who).inbox
    keep_raw(harness, b"{}", times=NEWEST_DELIVERIES, name="others")

    stretch = asked(harness, who).inbox

    assert (len(whole.deliveries), whole.deliveries_searched.has_older) == (1, False)
    assert stretch.deliveries == []
    assert (stretch.deliveries_searched.looked_at, stretch.deliveries_searched.has_older) == (NEWEST_DELIVERIES, True)


def test_with_very_many_deliveries_the_newest_are_told_and_where_that_ends(harness: MauticHarness) -> None:
    who = harness.customer("ana@example.com")
    keep_raw(harness, delivery(email_on_open=[opened(email="ana@example.com")]), times=60)

    inbox = asked(harness, who).inbox

    assert len(inbox.deliveries) == 50
    assert [each["id"] for each in inbox.deliveries] == sorted((each["id"] for each in inbox.deliveries), reverse=True)
    assert (inbox.deliveries_searched.looked_at, inbox.deliveries_searched.has_older) == (50, True)


def test_a_low_contact_id_does_not_drown_in_deliveries_that_have_the_number_elsewhere(harness: MauticHarness) -> None:
    who = harness.customer("ana@example.com")
    harness.sync()
    assert harness.contact(who).id == 1
    keep_raw(harness, delivery(email_on_open=[opened(contact_id=1, email="older@example.com")]), name="hers")
    keep_raw(
        harness, delivery(email_on_open=[opened(contact_id=2, email="other@example.com")]), times=60, name="others"
    )

    assert len(asked(harness, who).inbox.deliveries) == 1


def test_failed_tasks_are_looked_into_as_far_as_is_said(harness: MauticHarness) -> None:
    who = harness.customer("ana@example.com")
    body = delivery(email_on_open=[opened(email="ana@example.com")])
    message = base64.b64encode(json.dumps(Delivered("mautic", body, AT).message).encode()).decode()
    harness.sql(
        """insert into failed_tasks (source, task_key, payload, error)
           select 'mautic', number::text, case number when 1 then 'no base64' when 2 then :hers else 'e30=' end,
               'given up by the queue'
           from generate_series(1, :times) number""",
        hers=message,
        times=NEWEST_TASKS,
    )

    whole = asked(harness, who).inbox
    harness.sql(
        """insert into failed_tasks (source, task_key, payload)
           select 'mautic', 'b' || number, 'e30=' from generate_series(1, 2) number"""
    )
    stretch = asked(harness, who).inbox

    (task,) = whole.failed_tasks
    assert (task["error"], task["replayed_at"], "payload" in task) == ("given up by the queue", None, False)
    assert (whole.failed_tasks_searched.looked_at, whole.failed_tasks_searched.has_older) == (NEWEST_TASKS, False)
    assert (stretch.failed_tasks, stretch.failed_tasks_searched.has_older) == ([], True)


# --- erasure --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["address", "customer id"])
def test_of_an_erased_person_the_receipt_is_told_and_nothing_else(
    harness: MauticHarness, places: Places, by: str
) -> None:
    ada = plant(harness, places, ADA)
    receipt = erase(erasure(harness, places), ADA.address)

    known = asked(harness, ADA.address if by == "address" else ada)

    (erased,) = known.erasure.receipts
    assert known.erasure.is_erased
    assert (erased["at"], erased["complete"], erased["reached"]) == (receipt.at, True, receipt.reached)
    assert (known.customers, known.removals, known.engagement.counts, known.inbox.deliveries) == ([], [], [], [])
    assert "erased" in {entry.kind for entry in known.ledger}
    assert known.is_anything
    for text in ADA.texts:
        assert text not in said(asdict(known))


def test_an_erasure_that_has_to_be_repeated_says_what_was_not_reached(harness: MauticHarness, places: Places) -> None:
    ada = plant(harness, places, ADA)
    harness.simulator.switch(database_down=True)
    erase(erasure(harness, places), ADA.address)

    known = asked(harness, ada)

    assert [each.customer_id for each in known.customers] == [ada]
    assert [(each["complete"], list(each["unreached"])) for each in known.erasure.receipts] == [
        (False, ["mautic_contacts"])
    ]


def test_whoever_consents_after_an_erasure_is_not_kept_away_and_the_receipt_stays(
    harness: MauticHarness, places: Places
) -> None:
    plant(harness, places, ADA)
    erase(erasure(harness, places), ADA.address)
    grant_consent(harness.db, ADA.address, evidence="form 9", granted_by="test", now=harness.now + timedelta(hours=1))

    erased = asked(harness, ADA.address).erasure

    assert not erased.is_erased
    assert len(erased.receipts) == 1


def test_a_number_that_two_people_share_does_not_make_one_of_them_erased(
    harness: MauticHarness, places: Places
) -> None:
    plant(harness, places, ADA)
    harness.sql(
        "insert into customer_phones (customer_id, phone_e164) values (:id, :phone)",
        id=harness.customer("bo@example.com"),
        phone=ADA.phone,
    )
    erase(erasure(harness, places), ADA.address)

    erased = asked(harness, "bo@example.com").erasure

    assert (erased.is_erased, erased.receipts) == (False, [])
    assert len(asked(harness, ADA.phone).erasure.receipts) == 1

"""Somebody is erased: nothing of them can be read anywhere, they do not come back, and nobody else loses a thing."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from crm_relay.consent.erase import erased_key
from crm_relay.consent.grant import grant_consent
from crm_relay.consent.models import ConsentEvent, ConsentKind
from crm_relay.consent.record import record_events
from crm_relay.consent.why import history
from crm_relay.operations.erase import Receipt, erase, preview
from crm_relay.platform.aws import queue
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from crm_relay.webhooks.models import Delivered
from crm_relay.webhooks.receive import apply_once
from crm_relay.webhooks.replay import give_up
from local.simulators.mautic import MauticFault
from tests.faults.conftest import aws, aws_environment
from tests.support.customers.mautic_hooks import delivery, opened, subscription
from tests.support.customers.mautic_world import FreeLease, MauticWorld
from tests.support.log import listening
from tests.support.operations.planted_person import (
    ADA,
    AT,
    BEA,
    Places,
    erasure,
    plant,
    plant_shared_deliveries,
    snapshot,
    traces,
)
from tests.support.platform.rows import one, rows_of
from webhook_replay.wiring import APPLIERS

__all__ = ["aws", "aws_environment"]


@pytest.fixture
def places(aws_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Places:
    """An empty AWS, of one server that answers at once."""
    monkeypatch.setattr(queue, "_LOOK_SECONDS", 0)
    return Places.fresh(aws_environment)


def erase_ada(world: MauticWorld, places: Places, who: str = ADA.address) -> Receipt:
    return erase(erasure(world, places), who)


def test_nothing_of_the_person_is_left_anywhere_and_nothing_of_anybody_else_is_gone(
    world: MauticWorld, places: Places
) -> None:
    ada, bea = plant(world, places, ADA), plant(world, places, BEA)
    plant_shared_deliveries(world, places)
    contact_id = world.contact(ada).id
    before, others = snapshot(world, bea), len(traces(world, places, BEA))
    assert len({trace.partition(":")[0] for trace in traces(world, places, ADA)}) > 15, "planted everywhere"

    with listening() as said:
        receipt = erase_ada(world, places)

    assert receipt.as_json()["complete"], (receipt.unreached, receipt.left)
    assert traces(world, places, ADA) == []
    assert snapshot(world, bea) == before
    assert len(traces(world, places, BEA)) == others
    for text in (*ADA.texts, *BEA.texts):
        assert text not in said().lower()
        assert text not in json.dumps(receipt.as_json()).lower()
    assert contact_id not in world.simulator.contacts
    for table in ("mautic_removals", "mautic_dirty", "mautic_former_contacts", "mautic_sync_status"):
        assert rows_of(world.db, f"select from {table} where customer_id = :id", id=ada) == []
    assert str(ada) not in str(rows_of(world.db, "select error_details from mautic_sync_logs"))
    assert str(bea) in str(rows_of(world.db, "select error_details from mautic_sync_logs"))


@pytest.mark.parametrize("by", ["second address", "customer id", "contact id"])
def test_a_person_is_found_by_every_name_that_they_have(world: MauticWorld, places: Places, by: str) -> None:
    ada = plant(world, places, ADA)
    who = {"second address": ADA.second_address.upper(), "customer id": str(ada)}.get(by, str(world.contact(ada).id))

    assert erase_ada(world, places, who).is_complete
    assert traces(world, places, ADA) == []


def test_customers_who_share_an_address_are_one_person_and_the_preview_says_so(
    world: MauticWorld, places: Places
) -> None:
    ada = plant(world, places, ADA)
    twin = world.customer("work@example.com")
    world.sql("insert into customer_emails (customer_id, email) values (:id, :m)", id=twin, m=ADA.address.lower())

    seen = preview(erasure(world, places), str(twin))
    assert set(seen.customers) == {ada, twin}
    assert "work@example.com" in seen.addresses
    assert seen.rows["customer_profiles"] == 2
    assert erase_ada(world, places, "work@example.com").customers == 2
    assert rows_of(world.db, "select from customer_profiles") == []


def test_a_mailbox_that_many_customers_share_is_no_person(world: MauticWorld, places: Places) -> None:
    world.sql("insert into customer_profiles (id) select gen_random_uuid() from generate_series(1, 60)")
    world.sql("insert into customer_emails (customer_id, email) select id, 'info@example.com' from customer_profiles")

    with pytest.raises(RejectedInput, match="no person"):
        erase_ada(world, places, "info@example.com")
    assert one(world.db, "select count(*) as n from customer_profiles") == {"n": 60}


@pytest.mark.parametrize("who", ["nobody", "77", "6a0f6f3e-0000-4000-8000-000000000000"])
def test_an_id_that_nobody_has_is_refused(world: MauticWorld, places: Places, who: str) -> None:
    with pytest.raises(RejectedInput):
        erase_ada(world, places, who)
    assert rows_of(world.db, "select from consent_events") == []


def test_a_preview_changes_nothing(world: MauticWorld, places: Places) -> None:
    ada = plant(world, places, ADA)
    before, found = snapshot(world, ada), traces(world, places, ADA)

    seen = preview(erasure(world, places), ADA.address)

    assert (snapshot(world, ada), traces(world, places, ADA)) == (before, found)
    assert seen.rows["webhook_inbox"] == 4
    assert {seen.rows[name] for name in ("contacts", "prospects", "activities", "emails", "inbox_items")} == {1}


def test_an_erasure_can_be_repeated(world: MauticWorld, places: Places) -> None:
    plant(world, places, ADA)
    first, second = erase_ada(world, places), erase_ada(world, places)

    assert second.is_complete
    assert set(second.subject) <= set(first.subject)
    lines = "select count(*) as n from consent_events where kind = 'erased'"
    assert one(world.db, lines)["n"] == len(first.subject)
    receipts = rows_of(world.db, "select subject, receipt from erasure_receipts order by id")
    assert [row["receipt"] for row in receipts] == [first.as_json(), second.as_json()]
    assert receipts[0]["subject"] == list(first.subject)


# --- the return -----------------------------------------------------------------------------------------------------


def test_sql_and_python_make_the_same_hash(database: Database) -> None:
    for mark in ("ada@example.com", "böb@例え.jp", "+61491570156", ""):
        row = one(database, "select erased_key(:mark, 'salt') as key", mark=mark)
        assert row["key"] == erased_key(mark, "salt")


def test_the_salt_is_made_once_and_is_long(database: Database) -> None:
    salt = one(database, "select value from installation_settings where key = 'erasure_salt'")["value"]
    assert len(salt) == 64


def insert(world: MauticWorld, *emails: str) -> UUID:
    customer: UUID = one(world.db, "insert into customer_profiles (first_name) values ('New') returning id")["id"]
    world.sql(
        "insert into customer_emails (customer_id, email) select :id, unnest(cast(:emails as text[]))",
        id=customer,
        emails=list(emails),
    )
    return customer


def test_an_erased_address_cannot_be_imported_again_in_any_spelling(world: MauticWorld, places: Places) -> None:
    plant(world, places, ADA)
    erase_ada(world, places)

    for spelling in (ADA.address, f" {ADA.address.upper()} ", "AQuill@münchen.example"):
        with pytest.raises(RejectedInput, match="erased_address"):
            insert(world, "other@example.com", spelling)
    other = insert(world, "other@example.com")
    with pytest.raises(RejectedInput, match="erased_address"):
        world.sql("update customer_emails set email = :m where customer_id = :id", m=ADA.address, id=other)
    world.sql("update customer_emails set is_primary = true where customer_id = :id", id=other)


def test_an_import_may_leave_erased_addresses_out(world: MauticWorld, places: Places) -> None:
    plant(world, places, ADA)
    erase_ada(world, places)

    world.db.run_script(
        f"""begin; set local app.erased_addresses = 'skip';
            insert into customer_profiles (first_name) values ('New');
            insert into customer_emails (customer_id, email)
            select id, unnest(array['{ADA.address}', 'other@example.com']) from customer_profiles; commit"""
    )

    assert [row["email"] for row in world.sql("select email from customer_emails")] == ["other@example.com"]


def test_an_address_that_came_back_past_the_trigger_is_not_made_in_mautic(world: MauticWorld, places: Places) -> None:
    plant(world, places, ADA)
    erase_ada(world, places)
    world.db.run_script("alter table customer_emails disable trigger user")
    customer = insert(world, ADA.address)
    world.db.run_script("alter table customer_emails enable trigger user")

    world.sync(full=True)

    assert world.contact(customer) is None
    row = one(world.db, "select dnc_reason, do_not_contact from mautic_sync_source")
    assert row == {"dnc_reason": 1, "do_not_contact": True}


def test_a_recorded_consent_opens_the_door_again_and_a_second_erasure_closes_it(
    world: MauticWorld, places: Places
) -> None:
    plant(world, places, ADA)
    erase_ada(world, places)
    later = world.now + timedelta(hours=1)
    grant_consent(world.db, ADA.address, evidence="form 9", granted_by="test", now=later)

    customer = insert(world, ADA.address)
    world.sync()
    contact = world.contact(customer)
    assert contact.dnc == {}

    world.now = later + timedelta(hours=1)
    assert erase_ada(world, places).is_complete
    assert traces(world, places, ADA) == []
    with pytest.raises(RejectedInput):
        insert(world, ADA.address)


def test_what_arrives_late_is_filed_under_the_hash(world: MauticWorld, places: Places) -> None:
    plant(world, places, ADA)
    erase_ada(world, places)
    known = len(history(world.db, ADA.address))
    late = ConsentEvent(ConsentKind.OPT_OUT, ADA.address, "resend", world.now)

    for _ in range(2):
        record_events(world.db, [late])

    assert traces(world, places, ADA) == []
    assert len(history(world.db, ADA.address)) == known + 1
    row = one(world.db, "select suppressed_by from suppression(default_org_id(), 'sms', :phone)", phone=ADA.phone)
    assert row == {"suppressed_by": "erased"}


# --- deliveries after it --------------------------------------------------------------------------------------------


def arrive(world: MauticWorld, body: bytes) -> None:
    delivered = Delivered("mautic", body, datetime.now(UTC))
    apply_once(world.db, delivered, lambda transaction: APPLIERS["mautic"](transaction, delivered))


def test_a_late_webhook_about_the_person_leaves_no_trace_of_them(world: MauticWorld, places: Places) -> None:
    ada, bea = plant(world, places, ADA), plant(world, places, BEA)
    erase_ada(world, places)
    unknown_address = subscription(contact_id=70_001, email="old@example.com", supabase_id=str(ada), mobile=ADA.phone)
    body = delivery(
        email_on_open=[
            opened(contact_id=70_000, email=ADA.address, tracking="late"),
            opened(contact_id=world.contact(bea).id, email=BEA.address, tracking="late2"),
        ],
        lead_channel_subscription_changed=[unknown_address],
    )

    with listening() as said:
        arrive(world, body)
        arrive(world, body)

    assert traces(world, places, ADA) == []
    assert "old@example.com" not in str(rows_of(world.db, "select each::text from webhook_inbox each"))
    assert "old@example.com" not in str(rows_of(world.db, "select each::text from customer_email_engagement each"))
    assert ADA.address.lower() not in said().lower()
    late = rows_of(
        world.db,
        """select customer_id, address from customer_email_engagement
           where created_at = (select max(created_at) from customer_email_engagement) order by address nulls last""",
    )
    assert late == [
        {"customer_id": bea, "address": BEA.address},
        {"customer_id": None, "address": None},
        {"customer_id": None, "address": None},
    ]


def test_mautics_own_report_of_the_deletion_is_kept_without_the_person(world: MauticWorld, places: Places) -> None:
    ada = plant(world, places, ADA)
    contact = world.contact(ada)
    erase_ada(world, places)
    report = {"id": contact.id, "contact": {"id": None, "fields": {"core": {"email": {"value": ADA.address}}}}}

    arrive(world, delivery(lead_post_delete=[{**report, "timestamp": AT.isoformat()}]))

    assert traces(world, places, ADA) == []


def test_a_given_up_message_about_the_person_is_kept_without_them(world: MauticWorld, places: Places) -> None:
    plant(world, places, ADA)
    erase_ada(world, places)
    body = delivery(email_on_open=[opened(contact_id=5, email=ADA.address)])

    give_up(world.db, json.dumps(Delivered("mautic", body, AT).message))

    assert one(world.db, "select count(*) as n from failed_tasks") == {"n": 1}
    assert traces(world, places, ADA) == []


# --- what cannot be reached -----------------------------------------------------------------------------------------


def test_while_mautic_is_away_the_return_is_blocked_and_the_customer_kept_for_the_next_try(
    world: MauticWorld, places: Places
) -> None:
    ada = plant(world, places, ADA)
    world.simulator.switch(database_down=True)

    receipt = erase_ada(world, places, str(ada))

    assert "mautic_contacts" in receipt.unreached
    assert not receipt.is_complete
    assert one(world.db, "select do_not_contact from mautic_sync_source") == {"do_not_contact": True}
    assert {trace.partition(":")[0] for trace in traces(world, places, ADA)} >= {"customer_emails"}
    world.simulator.switch(database_down=False)
    assert erase_ada(world, places, str(ada)).is_complete
    assert traces(world, places, ADA) == []


def test_a_run_of_the_sync_is_not_written_into(world: MauticWorld, places: Places) -> None:
    class Taken(FreeLease):
        def acquire(self) -> bool:
            return False

    plant(world, places, ADA)

    receipt = erase(erasure(world, places, lease=Taken(), seconds=1), ADA.address)

    assert receipt.unreached == {"mautic_contacts": "a run of the sync is at work"}


def test_a_contact_that_changed_hands_in_mautic_is_left_alone(world: MauticWorld, places: Places) -> None:
    ada = plant(world, places, ADA)
    stranger = world.contact(ada)
    stranger.fields |= {"email": "stranger@example.com", "supabase_id": None}

    assert erase_ada(world, places).is_complete
    assert stranger.id in world.simulator.contacts


def test_a_contact_that_lost_its_id_here_is_found_by_its_address(world: MauticWorld, places: Places) -> None:
    ada = plant(world, places, ADA)
    world.sql("delete from mautic_sync_status where customer_id = :id", id=ada)
    world.sql("delete from mautic_removals")
    world.simulator.faults.add(MauticFault("batch/delete", "500_before", times=1))

    assert erase_ada(world, places).reached["mautic_contacts"] == 1
    assert traces(world, places, ADA) == []


def test_a_table_that_nobody_here_knows_is_named(world: MauticWorld, places: Places) -> None:
    plant(world, places, ADA)
    world.db.run_script(
        f"create table loyalty_cards (holder text); insert into loyalty_cards values ('{ADA.address} gold')"
    )

    receipt = erase_ada(world, places)

    assert receipt.left == {"loyalty_cards": 1}
    assert not receipt.is_complete


def test_a_table_that_holds_on_to_the_customer_is_told_and_nothing_is_claimed(
    world: MauticWorld, places: Places
) -> None:
    ada = plant(world, places, ADA)
    world.db.run_script("create table vouchers (customer_id uuid references customer_profiles (id))")
    world.sql("insert into vouchers values (:id)", id=ada)

    receipt = erase_ada(world, places)

    assert "vouchers" in receipt.unreached["customers"]
    assert "customer_profiles" not in receipt.reached
    assert one(world.db, "select receipt from erasure_receipts")["receipt"] == receipt.as_json()
    world.sql("delete from vouchers")
    assert erase_ada(world, places, str(ada)).is_complete
    assert traces(world, places, ADA) == []


def test_a_message_in_somebodys_hands_is_told(world: MauticWorld, places: Places) -> None:
    plant(world, places, ADA)
    sqs = places.client("sqs")
    sqs.send_message(QueueUrl=places.deferred.queue_url, MessageBody="{}")
    sqs.receive_message(QueueUrl=places.deferred.queue_url, VisibilityTimeout=30)

    receipt = erase_ada(world, places)

    assert "1 messages" in receipt.unreached["queues"]


def test_an_erasure_without_the_bucket_is_not_complete(world: MauticWorld, places: Places) -> None:
    plant(world, places, ADA)
    places.environment = {**places.environment, "OVERSIZE_BUCKET": "not-there"}

    receipt = erase_ada(world, places)

    assert set(receipt.unreached) == {"bucket"}

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
from crm_relay.sources.all_sources import REDACTORS
from crm_relay.sources.mautic import MAUTIC
from crm_relay.webhooks.models import Delivered
from crm_relay.webhooks.receive import apply_stored
from crm_relay.webhooks.replay import give_up
from local.simulators.mautic import MauticFault
from tests.faults.conftest import aws, aws_environment
from tests.support.customers.mautic_harness import FreeLease, MauticHarness
from tests.support.customers.mautic_hooks import delivery, opened, subscription
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

__all__ = ["aws", "aws_environment"]


@pytest.fixture
def places(aws_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Places:
    """An empty AWS, of one server that answers at once."""
    monkeypatch.setattr(queue, "_LOOK_SECONDS", 0)
    return Places.fresh(aws_environment)


def erase_ada(harness: MauticHarness, places: Places, who: str = ADA.address) -> Receipt:
    return erase(erasure(harness, places), who)


def test_nothing_of_the_person_is_left_anywhere_and_nothing_of_anybody_else_is_gone(
    harness: MauticHarness, places: Places
) -> None:
    ada, bea = plant(harness, places, ADA), plant(harness, places, BEA)
    plant_shared_deliveries(harness, places)
    contact_id = harness.contact(ada).id
    before, others = snapshot(harness, bea), len(traces(harness, places, BEA))
    assert len({trace.partition(":")[0] for trace in traces(harness, places, ADA)}) > 15, "planted everywhere"

    with listening() as said:
        receipt = erase_ada(harness, places)

    assert receipt.as_json()["complete"], (receipt.unreached, receipt.left)
    assert traces(harness, places, ADA) == []
    assert snapshot(harness, bea) == before
    assert len(traces(harness, places, BEA)) == others
    for text in (*ADA.texts, *BEA.texts):
        assert text not in said().lower()
        assert text not in json.dumps(receipt.as_json()).lower()
    assert contact_id not in harness.simulator.contacts
    for table in ("mautic_removals", "mautic_dirty", "mautic_former_contacts", "mautic_sync_status"):
        assert rows_of(harness.db, f"select from {table} where customer_id = :id", id=ada) == []
    assert str(ada) not in str(rows_of(harness.db, "select error_details from mautic_sync_logs"))
    assert str(bea) in str(rows_of(harness.db, "select error_details from mautic_sync_logs"))


@pytest.mark.parametrize("by", ["second address", "customer id", "contact id"])
def test_a_person_is_found_by_every_name_that_they_have(harness: MauticHarness, places: Places, by: str) -> None:
    ada = plant(harness, places, ADA)
    who = {"second address": ADA.second_address.upper(), "customer id": str(ada)}.get(by, str(harness.contact(ada).id))

    assert erase_ada(harness, places, who).is_complete
    assert traces(harness, places, ADA) == []


def test_customers_who_share_an_address_are_one_person_and_the_preview_says_so(
    harness: MauticHarness, places: Places
) -> None:
    ada = plant(harness, places, ADA)
    twin = harness.customer("work@example.com")
    harness.sql("insert into customer_emails (customer_id, email) values (:id, :m)", id=twin, m=ADA.address.lower())

    seen = preview(erasure(harness, places), str(twin))
    assert set(seen.customers) == {ada, twin}
    assert "work@example.com" in seen.addresses
    assert seen.rows["customer_profiles"] == 2
    assert erase_ada(harness, places, "work@example.com").customers == 2
    assert rows_of(harness.db, "select from customer_profiles") == []


def test_a_mailbox_that_many_customers_share_is_no_person(harness: MauticHarness, places: Places) -> None:
    harness.sql("insert into customer_profiles (id) select gen_random_uuid() from generate_series(1, 60)")
    harness.sql("insert into customer_emails (customer_id, email) select id, 'info@example.com' from customer_profiles")

    with pytest.raises(RejectedInput, match="no person"):
        erase_ada(harness, places, "info@example.com")
    assert one(harness.db, "select count(*) as n from customer_profiles") == {"n": 60}


@pytest.mark.parametrize("who", ["nobody", "77", "6a0f6f3e-0000-4000-8000-000000000000"])
def test_an_id_that_nobody_has_is_refused(harness: MauticHarness, places: Places, who: str) -> None:
    with pytest.raises(RejectedInput):
        erase_ada(harness, places, who)
    assert rows_of(harness.db, "select from consent_events") == []


def test_a_preview_changes_nothing(harness: MauticHarness, places: Places) -> None:
    ada = plant(harness, places, ADA)
    before, found = snapshot(harness, ada), traces(harness, places, ADA)

    seen = preview(erasure(harness, places), ADA.address)

    assert (snapshot(harness, ada), traces(harness, places, ADA)) == (before, found)
    assert seen.rows["webhook_inbox"] == 4
    assert {seen.rows[name] for name in ("contacts", "prospects", "emails", "inbox_items")} == {1}
    assert {seen.rows[name] for name in ("activities", "workflow_executions")} == {2}


def test_an_erasure_can_be_repeated(harness: MauticHarness, places: Places) -> None:
    plant(harness, places, ADA)
    first, second = erase_ada(harness, places), erase_ada(harness, places)

    assert second.is_complete
    assert set(second.subject) <= set(first.subject)
    lines = "select count(*) as n from consent_events where kind = 'erased'"
    assert one(harness.db, lines)["n"] == len(first.subject)
    receipts = rows_of(harness.db, "select subject, receipt from erasure_receipts order by id")
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


def insert(harness: MauticHarness, *emails: str) -> UUID:
    customer: UUID = one(harness.db, "insert into customer_profiles (first_name) values ('New') returning id")["id"]
    harness.sql(
        "insert into customer_emails (customer_id, email) select :id, unnest(cast(:emails as text[]))",
        id=customer,
        emails=list(emails),
    )
    return customer


def test_an_erased_address_cannot_be_imported_again_in_any_spelling(harness: MauticHarness, places: Places) -> None:
    plant(harness, places, ADA)
    erase_ada(harness, places)

    for spelling in (ADA.address, f" {ADA.address.upper()} ", "AQuill@münchen.example"):
        with pytest.raises(RejectedInput, match="erased_address"):
            insert(harness, "other@example.com", spelling)
    other = insert(harness, "other@example.com")
    with pytest.raises(RejectedInput, match="erased_address"):
        harness.sql("update customer_emails set email = :m where customer_id = :id", m=ADA.address, id=other)
    harness.sql("update customer_emails set is_primary = true where customer_id = :id", id=other)


def test_an_import_may_leave_erased_addresses_out(harness: MauticHarness, places: Places) -> None:
    plant(harness, places, ADA)
    erase_ada(harness, places)

    harness.db.run_script(
        f"""begin; set local app.erased_addresses = 'skip';
            insert into customer_profiles (first_name) values ('New');
            insert into customer_emails (customer_id, email)
            select id, unnest(array['{ADA.address}', 'other@example.com']) from customer_profiles; commit"""
    )

    assert [row["email"] for row in harness.sql("select email from customer_emails")] == ["other@example.com"]


def test_an_address_that_came_back_past_the_trigger_is_not_made_in_mautic(
    harness: MauticHarness, places: Places
) -> None:
    plant(harness, places, ADA)
    erase_ada(harness, places)
    harness.db.run_script("alter table customer_emails disable trigger user")
    customer = insert(harness, ADA.address)
    harness.db.run_script("alter table customer_emails enable trigger user")

    harness.sync(full=True)

    assert harness.contact(customer) is None
    row = one(harness.db, "select dnc_reason, do_not_contact from mautic_sync_source")
    assert row == {"dnc_reason": 1, "do_not_contact": True}


def test_a_recorded_consent_opens_the_door_again_and_a_second_erasure_closes_it(
    harness: MauticHarness, places: Places
) -> None:
    plant(harness, places, ADA)
    erase_ada(harness, places)
    later = harness.now + timedelta(hours=1)
    grant_consent(harness.db, ADA.address, evidence="form 9", granted_by="test", now=later)

    customer = insert(harness, ADA.address)
    harness.sync()
    contact = harness.contact(customer)
    assert contact.dnc == {}

    harness.now = later + timedelta(hours=1)
    assert erase_ada(harness, places).is_complete
    assert traces(harness, places, ADA) == []
    with pytest.raises(RejectedInput):
        insert(harness, ADA.address)


def test_what_arrives_late_is_filed_under_the_hash(harness: MauticHarness, places: Places) -> None:
    plant(harness, places, ADA)
    erase_ada(harness, places)
    known = len(history(harness.db, ADA.address))
    late = ConsentEvent(ConsentKind.OPT_OUT, ADA.address, "resend", harness.now)

    for _ in range(2):
        record_events(harness.db, [late])

    assert traces(harness, places, ADA) == []
    assert len(history(harness.db, ADA.address)) == known + 1
    row = one(harness.db, "select suppressed_by from suppression(default_org_id(), 'sms', :phone)", phone=ADA.phone)
    assert row == {"suppressed_by": "erased"}


# --- deliveries after it --------------------------------------------------------------------------------------------


def arrive(harness: MauticHarness, body: bytes) -> None:
    delivered = Delivered("mautic", body, datetime.now(UTC))
    apply_stored(harness.db, MAUTIC, delivered)


def test_a_late_webhook_about_the_person_leaves_no_trace_of_them(harness: MauticHarness, places: Places) -> None:
    ada, bea = plant(harness, places, ADA), plant(harness, places, BEA)
    erase_ada(harness, places)
    unknown_address = subscription(contact_id=70_001, email="old@example.com", supabase_id=str(ada), mobile=ADA.phone)
    body = delivery(
        email_on_open=[
            opened(contact_id=70_000, email=ADA.address, tracking="late"),
            opened(contact_id=harness.contact(bea).id, email=BEA.address, tracking="late2"),
        ],
        lead_channel_subscription_changed=[unknown_address],
    )

    with listening() as said:
        arrive(harness, body)
        arrive(harness, body)

    assert traces(harness, places, ADA) == []
    assert "old@example.com" not in str(rows_of(harness.db, "select each::text from webhook_inbox each"))
    assert "old@example.com" not in str(rows_of(harness.db, "select each::text from customer_email_engagement each"))
    assert ADA.address.lower() not in said().lower()
    late = rows_of(
        harness.db,
        """select customer_id, address from customer_email_engagement
           where created_at = (select max(created_at) from customer_email_engagement) order by address nulls last""",
    )
    assert late == [
        {"customer_id": bea, "address": BEA.address},
        {"customer_id": None, "address": None},
        {"customer_id": None, "address": None},
    ]


def test_mautics_own_report_of_the_deletion_is_kept_without_the_person(harness: MauticHarness, places: Places) -> None:
    ada = plant(harness, places, ADA)
    contact = harness.contact(ada)
    erase_ada(harness, places)
    report = {"id": contact.id, "contact": {"id": None, "fields": {"core": {"email": {"value": ADA.address}}}}}

    arrive(harness, delivery(lead_post_delete=[{**report, "timestamp": AT.isoformat()}]))

    assert traces(harness, places, ADA) == []


def test_a_given_up_message_about_the_person_is_kept_without_them(harness: MauticHarness, places: Places) -> None:
    plant(harness, places, ADA)
    erase_ada(harness, places)
    body = delivery(email_on_open=[opened(contact_id=5, email=ADA.address)])

    give_up(harness.db, REDACTORS, json.dumps(Delivered("mautic", body, AT).message))

    assert one(harness.db, "select count(*) as n from failed_tasks") == {"n": 1}
    assert traces(harness, places, ADA) == []


# --- what cannot be reached -----------------------------------------------------------------------------------------


def test_while_mautic_is_away_the_return_is_blocked_and_the_customer_kept_for_the_next_try(
    harness: MauticHarness, places: Places
) -> None:
    ada = plant(harness, places, ADA)
    harness.simulator.switch(database_down=True)

    receipt = erase_ada(harness, places, str(ada))

    assert "mautic_contacts" in receipt.unreached
    assert not receipt.is_complete
    assert one(harness.db, "select do_not_contact from mautic_sync_source") == {"do_not_contact": True}
    assert {trace.partition(":")[0] for trace in traces(harness, places, ADA)} >= {"customer_emails"}
    harness.simulator.switch(database_down=False)
    assert erase_ada(harness, places, str(ada)).is_complete
    assert traces(harness, places, ADA) == []


def test_a_run_of_the_sync_is_not_written_into(harness: MauticHarness, places: Places) -> None:
    class TakenLease(FreeLease):
        def acquire(self) -> bool:
            return False

    plant(harness, places, ADA)

    receipt = erase(erasure(harness, places, lease=TakenLease(), seconds=1), ADA.address)

    assert receipt.unreached == {"mautic_contacts": "a run of the sync is at work"}


def test_a_contact_that_changed_hands_in_mautic_is_left_alone(harness: MauticHarness, places: Places) -> None:
    ada = plant(harness, places, ADA)
    stranger = harness.contact(ada)
    stranger.fields |= {"email": "stranger@example.com", "supabase_id": None}

    assert erase_ada(harness, places).is_complete
    assert stranger.id in harness.simulator.contacts


def test_a_contact_that_lost_its_id_here_is_found_by_its_address(harness: MauticHarness, places: Places) -> None:
    ada = plant(harness, places, ADA)
    harness.sql("delete from mautic_sync_status where customer_id = :id", id=ada)
    harness.sql("delete from mautic_removals")
    harness.simulator.faults.add(MauticFault("batch/delete", "500_before", times=1))

    assert erase_ada(harness, places).reached["mautic_contacts"] == 1
    assert traces(harness, places, ADA) == []


def test_a_table_that_nobody_here_knows_is_named(harness: MauticHarness, places: Places) -> None:
    plant(harness, places, ADA)
    harness.db.run_script(
        f"create table loyalty_cards (holder text); insert into loyalty_cards values ('{ADA.address} gold')"
    )

    receipt = erase_ada(harness, places)

    assert receipt.left == {"loyalty_cards": 1}
    assert not receipt.is_complete


def test_a_table_that_holds_on_to_the_customer_is_told_and_nothing_is_claimed(
    harness: MauticHarness, places: Places
) -> None:
    ada = plant(harness, places, ADA)
    harness.db.run_script("create table vouchers (customer_id uuid references customer_profiles (id))")
    harness.sql("insert into vouchers values (:id)", id=ada)

    receipt = erase_ada(harness, places)

    assert "vouchers" in receipt.unreached["customers"]
    assert "customer_profiles" not in receipt.reached
    assert one(harness.db, "select receipt from erasure_receipts")["receipt"] == receipt.as_json()
    harness.sql("delete from vouchers")
    assert erase_ada(harness, places, str(ada)).is_complete
    assert traces(harness, places, ADA) == []


def test_a_message_in_somebodys_hands_is_told(harness: MauticHarness, places: Places) -> None:
    plant(harness, places, ADA)
    sqs = places.client("sqs")
    sqs.send_message(QueueUrl=places.deferred.queue_url, MessageBody="{}")
    sqs.receive_message(QueueUrl=places.deferred.queue_url, VisibilityTimeout=30)

    receipt = erase_ada(harness, places)

    assert "1 messages" in receipt.unreached["queues"]


def test_an_erasure_without_the_bucket_is_not_complete(harness: MauticHarness, places: Places) -> None:
    plant(harness, places, ADA)
    places.environment = {**places.environment, "OVERSIZE_BUCKET": "not-there"}

    receipt = erase_ada(harness, places)

    assert set(receipt.unreached) == {"bucket"}

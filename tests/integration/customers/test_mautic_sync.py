"""Customers go to Mautic as they are, once, and only when they changed."""

from datetime import timedelta
from uuid import uuid4

import pytest

from crm_relay.consent.address import normalise
from crm_relay.customers.models import SyncOptions
from crm_relay.platform.database import Database
from crm_relay.platform.sql import Query
from tests.support.customers.mautic_harness import MauticHarness

EMAIL_BATCHES = "batch/"


def test_new_customers_arrive_with_fields_segments_and_nothing_else(harness: MauticHarness) -> None:
    ana = harness.customer("ana@example.com", segments=("vip", "newsletter"), first_name="Ana", lead_score=21)
    harness.customer("zoe@example.com", segments=("new", "regular"), first_name="Zoë 🎉", last_name="O'Neil")

    report = harness.sync()

    assert (report.created, report.updated, report.failures) == (2, 0, {})
    assert harness.disagreements() == []
    assert harness.contact(ana).fields["customer_segment"] == "vip"
    assert {each.name for each in harness.simulator.mautic.segments.values()} == {
        "VIP Customers",
        "Regular Customers",
        "New Customers",
        "Inactive Customers",
    }


def test_nothing_changed_means_no_request_at_all(harness: MauticHarness) -> None:
    harness.customer("ana@example.com", segments=("vip",))
    harness.sync()
    harness.simulator.forget_requests()

    for full in (False, True):
        report = harness.sync(full=full)
        assert (report.synced, report.requests) == (0, 0)

    assert harness.simulator.requests == []


def test_an_edit_goes_out_as_one_patch_and_clears_what_was_emptied(harness: MauticHarness) -> None:
    ana = harness.customer("ana@example.com", first_name="Ana", last_name="Silva")
    harness.sync()
    harness.simulator.forget_requests()

    harness.set_profile(ana, first_name="Anna", last_name=None)
    report = harness.sync()

    assert report.updated == 1
    assert [(each.method, each.path) for each in harness.simulator.requests if each.method != "GET"][1:] == [
        ("PATCH", "/api/contacts/batch/edit")
    ]
    assert (harness.contact(ana).fields["firstname"], harness.contact(ana).fields["lastname"]) == ("Anna", None)
    assert harness.disagreements() == []


@pytest.mark.parametrize(
    ("orders", "spent"), [(0, "0"), (0, "0.50"), (1, "0.99"), (None, None), (7, "1234.56"), (2, "-0.25")]
)
def test_zeros_and_fractions_arrive_although_mautic_drops_them(
    harness: MauticHarness, orders: int | None, spent: str | None
) -> None:
    ana = harness.customer("ana@example.com", orders=5, spent="50")
    harness.sync()

    harness.sql(
        """update customer_engagement_metrics
           set lifetime_orders = :orders, lifetime_net = :spent::text::numeric where customer_id = :id""",
        orders=orders,
        spent=spent,
        id=ana,
    )
    harness.sync()

    assert harness.disagreements() == []
    assert float(harness.contact(ana).fields["total_spent"] or 0) == float(spent or 0)
    assert int(harness.contact(ana).fields["total_orders"] or 0) == (orders or 0)


def test_a_fraction_that_stands_in_mautic_is_not_written_again(harness: MauticHarness) -> None:
    ana = harness.customer("ana@example.com", spent="0.50")
    harness.sync()
    harness.set_profile(ana, first_name="Anna")
    harness.simulator.forget_requests()

    harness.sync()

    assert harness.simulator.count("PUT") == 0
    assert harness.disagreements() == []


def test_membership_follows_the_segments_and_only_differences_are_sent(harness: MauticHarness) -> None:
    ana = harness.customer("ana@example.com", segments=("vip", "regular"))
    harness.sync()
    harness.simulator.forget_requests()

    harness.leave(ana, "regular")
    harness.join(ana, "new")
    harness.sync()

    assert harness.disagreements() == []
    assert harness.simulator.count("POST", "/contacts/add") == 1
    assert harness.simulator.count("POST", "/remove") == 1
    assert harness.simulator.mailable(harness.contact(ana).id), "leaving a segment never unsubscribes"


def test_a_renamed_segment_concerns_all_its_members(harness: MauticHarness) -> None:
    harness.customer("ana@example.com", segments=("vip",))
    harness.sync()

    harness.sql("update segments set slug = 'regular' where slug = 'vip'")
    harness.sync()

    assert harness.disagreements() == []


def test_a_customer_who_opts_out_is_muted_at_the_next_run(harness: MauticHarness) -> None:
    ana = harness.customer("ana@example.com", opt_in=True)
    harness.sync()

    harness.set_profile(ana, marketing_opt_in=False)
    report = harness.sync()

    assert report.suppressed == 1
    assert harness.contact(ana).dnc["email"][0] == 1
    assert harness.disagreements() == []


def test_never_having_opted_in_is_no_opt_out(harness: MauticHarness) -> None:
    unknown, never = harness.customer("a@example.com", opt_in=None), harness.customer("b@example.com", opt_in=False)

    harness.sync()

    assert harness.contact(unknown).dnc == {}
    assert harness.contact(never).dnc == {}


def test_the_column_flipping_back_does_not_clear_an_opt_out(harness: MauticHarness) -> None:
    ana = harness.customer("ana@example.com")
    harness.sync()
    harness.set_profile(ana, marketing_opt_in=False)
    harness.sync()

    harness.set_profile(ana, marketing_opt_in=True)
    harness.sync()

    assert not harness.simulator.mailable(harness.contact(ana).id)


def test_an_opt_out_survives_a_change_of_address(harness: MauticHarness) -> None:
    ana = harness.customer("ana@example.com")
    harness.set_profile(ana, marketing_opt_in=False)
    harness.sync()

    harness.sql("delete from customer_emails where customer_id = :id", id=ana)
    harness.sql("insert into customer_emails (customer_id, email) values (:id, 'ana.new@example.com')", id=ana)
    harness.sync()

    assert harness.contact(ana).fields["email"] == "ana.new@example.com"
    assert not harness.simulator.mailable(harness.contact(ana).id)


def test_a_recorded_consent_makes_mailable_again_and_does_so_once(harness: MauticHarness) -> None:
    ana = harness.customer("ana@example.com")
    harness.set_profile(ana, marketing_opt_in=False)
    harness.sync()
    harness.sql(
        """insert into consent_events (channel, address, kind, source, evidence, occurred_at)
           values ('email', :address, 'consent', 'operator', 'signed form 12', clock_timestamp())""",
        address=normalise("ana@example.com"),
    )

    harness.sync()
    assert harness.simulator.mailable(harness.contact(ana).id)
    harness.simulator.forget_requests()
    harness.set_profile(ana, first_name="Anna")
    harness.sync()

    assert harness.simulator.count("POST", "/dnc/") == 0
    assert harness.disagreements() == []


def test_who_unsubscribes_in_mautic_stays_muted_by_later_edits(harness: MauticHarness) -> None:
    ana = harness.customer("ana@example.com")
    harness.sync()
    harness.simulator.unsubscribe(1, harness.contact(ana).id)

    harness.set_profile(ana, first_name="Anna")
    harness.sync()

    assert not harness.simulator.mailable(harness.contact(ana).id)


def test_customers_who_may_not_be_contacted_are_muted_where_mautic_knows_them_and_else_not_sent(
    harness: MauticHarness,
) -> None:
    known = harness.customer("known@example.com")
    harness.sync()
    stranger = harness.customer("stranger@example.com", do_not_contact=True)

    harness.set_profile(known, do_not_contact=True)
    harness.sync()

    assert harness.contact(stranger) is None
    assert not harness.simulator.mailable(harness.contact(known).id)
    assert harness.disagreements() == []


def test_an_address_that_bounced_for_good_is_muted_as_bounced(harness: MauticHarness) -> None:
    ana = harness.customer("ana@example.com")
    harness.sync()

    harness.sql("update customer_emails set is_valid = false where customer_id = :id", id=ana)
    harness.sync()

    assert harness.contact(ana).dnc["email"][0] == 2


def test_a_contact_deleted_in_mautic_is_made_anew(harness: MauticHarness) -> None:
    ana = harness.customer("ana@example.com", segments=("vip",))
    harness.sync()
    harness.simulator.delete_contact(harness.contact(ana).id)

    harness.set_profile(ana, first_name="Anna")
    harness.sync()

    assert harness.contact(ana) is not None
    assert harness.disagreements() == []


@pytest.mark.parametrize("on_delete", ["suppress", "delete", "anonymise"])
def test_a_customer_deleted_here_is_no_longer_mailable_there(harness: MauticHarness, on_delete: str) -> None:
    ana = harness.customer("ana@example.com")
    harness.customer("other@example.com")
    harness.sync()
    contact_id = harness.contact(ana).id

    harness.sql("delete from customer_profiles where id = :id", id=ana)
    report = harness.sync(options=SyncOptions(pause_seconds=0, on_delete=on_delete))

    assert report.removed == 1
    assert not harness.simulator.mailable(contact_id)
    assert (contact_id in harness.simulator.contacts) == (on_delete != "delete")
    if on_delete == "anonymise":
        fields = harness.simulator.contacts[contact_id].fields
        assert not any(fields.get(alias) for alias in ("email", "firstname", "lastname", "supabase_id"))
    assert harness.sync().requests == 0


def test_of_two_customers_with_one_address_the_youngest_owns_it(harness: MauticHarness) -> None:
    older = harness.customer("Ana@Example.com ", created_days_ago=50)
    younger = harness.customer("ana@example.com", created_days_ago=5)

    report = harness.sync()

    assert report.conflicts == {older}
    assert harness.status(older)["conflict_owner_id"] == younger
    assert harness.contact(younger) is not None
    assert harness.disagreements() == []


def test_a_new_owner_takes_over_the_contact_and_gives_it_back_when_it_goes(harness: MauticHarness) -> None:
    older = harness.customer("ana@example.com", created_days_ago=50, segments=("vip",))
    harness.sync()
    contact_id = harness.contact(older).id

    younger = harness.customer("ana@example.com", created_days_ago=5, segments=("new",))
    harness.sync()
    assert harness.contact(younger).id == contact_id
    assert harness.disagreements() == []

    harness.sql("delete from customer_profiles where id = :id", id=younger)
    harness.sync()
    assert harness.contact(older) is not None
    assert harness.disagreements() == []


def test_addresses_that_change_places_end_where_they_belong(harness: MauticHarness) -> None:
    ana, eva = harness.customer("a@example.com"), harness.customer("b@example.com")
    harness.sync()

    harness.sql("update customer_emails set email = 'c@example.com' where customer_id = :id", id=ana)
    harness.sync()
    harness.sql("update customer_emails set email = 'a@example.com' where customer_id = :id", id=eva)
    harness.sync()

    assert harness.disagreements() == []


def test_an_address_that_mautic_would_mangle_is_refused_with_a_reason(harness: MauticHarness) -> None:
    jose = harness.customer("josé@example.com")

    report = harness.sync()

    assert report.failures == {jose: "the address has characters that Mautic drops or refuses"}
    assert harness.simulator.requests == []
    assert harness.status(jose)["attempts"] == 1


def test_a_customer_who_loses_the_address_is_not_mailable_under_the_old_one(harness: MauticHarness) -> None:
    ana = harness.customer("ana@example.com")
    harness.customer("other@example.com")
    harness.sync()
    contact_id = harness.contact(ana).id

    harness.sql("delete from customer_emails where customer_id = :id", id=ana)
    harness.sync()

    assert not harness.simulator.mailable(contact_id) or not harness.simulator.contacts[contact_id].fields.get("email")
    assert harness.sync().requests == 0


def test_values_that_mautic_refuses_are_left_out_and_named_while_the_rest_arrives(harness: MauticHarness) -> None:
    ana = harness.customer("ana@example.com")
    harness.sql(
        """insert into customer_addresses (customer_id, suburb, state, country, is_primary)
           values (:id, 'Lisboa', 'Atlantis', 'XX', true)""",
        id=ana,
    )
    harness.sql(
        "update customer_engagement_metrics set preferred_venue = repeat('v', 200) where customer_id = :id", id=ana
    )

    report = harness.sync()

    assert report.failures == {}
    assert set(harness.status(ana)["left_out"]) == {"state", "country", "preferred_venue"}
    assert harness.contact(ana).fields["city"] == "Lisboa"
    assert harness.contact(ana).fields["preferred_venue"] == "v" * 64


def test_iso_country_codes_become_mautics_names(harness: MauticHarness) -> None:
    ana = harness.customer("ana@example.com")
    harness.sql("insert into customer_addresses (customer_id, country, is_primary) values (:id, 'pt', true)", id=ana)

    harness.sync()

    assert harness.contact(ana).fields["country"] == "Portugal"


def test_a_row_that_failed_keeps_its_reason_and_is_tried_again_with_current_values(harness: MauticHarness) -> None:
    ana = harness.customer("not-an-address@")
    assert set(harness.sync().failures) == {ana}
    assert harness.sync().requests == 0, "its turn has not come"

    harness.now += timedelta(minutes=16)
    assert set(harness.sync().failures) == {ana}
    assert harness.status(ana)["attempts"] == 2

    harness.sql("update customer_emails set email = 'ana@example.com' where customer_id = :id", id=ana)
    report = harness.sync()

    assert report.created == 1
    assert (harness.status(ana)["attempts"], harness.status(ana)["sync_error"]) == (0, None)
    assert harness.disagreements() == []


def test_the_nightly_comparison_finds_what_time_alone_changed(harness: MauticHarness) -> None:
    ana = harness.customer("ana@example.com", lead_score=1)
    harness.sql("alter table customer_engagement_metrics disable trigger user")
    harness.sync()
    harness.sql(
        "update customer_engagement_metrics set last_order_at = now() - interval '200 days' where customer_id = :id",
        id=ana,
    )

    assert harness.sync().requests == 0
    assert harness.sync(full=True).updated == 1
    assert harness.contact(ana).fields["customer_segment"] == "inactive"


def test_a_transaction_that_commits_late_is_not_skipped(harness: MauticHarness, database_url: str) -> None:
    ana, eva = harness.customer("ana@example.com"), harness.customer("eva@example.com")
    harness.sync()
    business = Database(database_url)
    business.run_script(f"begin; update customer_profiles set first_name = 'Late' where id = '{ana}'")

    harness.set_profile(eva, first_name="Quick")
    assert harness.sync().updated == 1
    business.run_script("commit")
    business.close()

    assert harness.sync().updated == 1
    assert harness.disagreements() == []


def test_a_change_made_while_mautic_is_being_told_goes_out_with_the_next_run(
    harness: MauticHarness, database_url: str
) -> None:
    ana = harness.customer("ana@example.com")
    business = Database(database_url)
    rename = Query.parse("rename", "test", "update customer_profiles set first_name = 'Newer' where id = :id")

    class EditsMeanwhile(Database):
        def run(self, query: Query, **values: object) -> list[dict[str, object]]:
            if query.name == "record_outcomes":
                business.run(rename, id=ana)
            return super().run(query, **values)  # type: ignore[arg-type]

    harness.sync(db=EditsMeanwhile(database_url))
    business.close()
    assert harness.contact(ana).fields["firstname"] == "Ana"

    harness.sync()
    assert harness.contact(ana).fields["firstname"] == "Newer"
    assert harness.disagreements() == []


def test_a_customer_deleted_while_mautic_is_being_told_is_muted_there(
    harness: MauticHarness, database_url: str
) -> None:
    ana = harness.customer("ana@example.com")
    harness.customer("other@example.com")
    business = Database(database_url)
    delete = Query.parse("delete", "test", "delete from customer_profiles where id = :id")

    class DeletesMeanwhile(Database):
        def run(self, query: Query, **values: object) -> list[dict[str, object]]:
            if query.name == "record_outcomes":
                business.run(delete, id=ana)
            return super().run(query, **values)  # type: ignore[arg-type]

    harness.sync(db=DeletesMeanwhile(database_url))
    business.close()
    harness.sync()

    assert not harness.simulator.mailable(harness.contact(ana).id)
    assert harness.disagreements() == []


def test_a_run_that_is_short_of_time_stops_itself_and_the_next_one_goes_on(harness: MauticHarness) -> None:
    for number in range(30):
        harness.customer(f"c{number}@example.com")

    first = harness.sync(seconds=0, options=SyncOptions(batch_size=10, pause_seconds=0))
    assert (first.unfinished, first.created) == (True, 0)

    assert harness.sync(options=SyncOptions(batch_size=10, pause_seconds=0)).created == 30
    assert harness.disagreements() == []


def test_the_pause_between_batches_is_the_setting(harness: MauticHarness) -> None:
    for number in range(30):
        harness.customer(f"c{number}@example.com")

    harness.sync(options=SyncOptions(batch_size=10, pause_seconds=2.5))

    assert harness.pauses == [2.5, 2.5]


def test_an_emptied_source_stops_the_run_before_it_changes_anything(harness: MauticHarness) -> None:
    for number in range(3):
        harness.customer(f"c{number}@example.com")
    harness.sync()
    harness.sql("delete from customer_profiles")

    report = harness.sync()

    assert report.needs_operator
    assert report.stopped is not None
    assert report.requests == 0
    assert all(harness.simulator.mailable(contact_id) for contact_id in harness.simulator.contacts)


@pytest.mark.parametrize(
    "loss",
    [
        "delete from customer_profiles where id in (select id from customer_profiles limit 30)",
        "delete from customer_emails where id in (select id from customer_emails limit 30)",
    ],
)
def test_a_source_that_shrinks_too_much_stops_the_run(harness: MauticHarness, loss: str) -> None:
    for number in range(100):
        harness.customer(f"c{number}@example.com")
    harness.sync()
    harness.simulator.forget_requests()
    harness.sql(loss)

    report = harness.sync()

    assert report.needs_operator
    assert harness.simulator.requests == []
    assert harness.sync(options=SyncOptions(pause_seconds=0, shrink_limit_percent=50)).stopped is None
    assert harness.disagreements() == []


def test_a_run_leaves_a_line_in_the_log(harness: MauticHarness) -> None:
    harness.customer("ana@example.com")
    jose = harness.customer("josé@example.com")

    harness.sync()

    line = harness.sql("select * from mautic_sync_logs")[0]
    assert (line["contacts_synced"], line["contacts_created"], line["contacts_failed"]) == (1, 1, 1)
    assert line["error_details"] == [
        {"customer_id": str(jose), "reason": "the address has characters that Mautic drops or refuses"}
    ]


def test_the_crm_view_shows_what_mautic_confirmed(harness: MauticHarness) -> None:
    ana, jose = harness.customer("ana@example.com"), harness.customer("josé@example.com")
    harness.customer("later@example.com", do_not_contact=True)
    harness.sync()

    shown = {
        row["id"]: row
        for row in harness.sql(
            "select id, mautic_contact_id, mautic_sync_status, mautic_last_sync from customers_crm_v"
        )
    }

    assert set(shown) == {ana, jose}
    assert shown[ana]["mautic_sync_status"] == "synced"
    assert shown[ana]["mautic_contact_id"] == harness.contact(ana).id
    assert shown[jose]["mautic_sync_status"] == "error"


def test_an_unknown_customer_on_the_dirty_list_is_struck_off(harness: MauticHarness) -> None:
    harness.sql("insert into mautic_dirty (customer_id) values (:id)", id=uuid4())

    harness.sync()

    assert harness.sql("select from mautic_dirty") == []


@pytest.mark.parametrize("table", ["customer_emails", "customer_phones", "customer_addresses"])
def test_a_row_that_goes_over_to_another_customer_concerns_both(harness: MauticHarness, table: str) -> None:
    ana, eva = harness.customer("ana@example.com"), harness.customer(None)
    harness.sql(
        "insert into customer_phones (customer_id, phone_e164, is_primary) values (:id, '+351900', true)", id=ana
    )
    harness.sql("insert into customer_addresses (customer_id, suburb, is_primary) values (:id, 'Porto', true)", id=ana)
    harness.sync()
    harness.sql("delete from mautic_dirty")

    harness.sql(f"update {table} set customer_id = :eva where customer_id = :ana", ana=ana, eva=eva)

    assert {row["customer_id"] for row in harness.sql("select customer_id from mautic_dirty")} == {ana, eva}


def test_a_new_customer_with_an_address_that_another_just_left_gets_a_contact_of_its_own(
    harness: MauticHarness,
) -> None:
    eva = harness.customer("shared@example.com")
    harness.sync()

    harness.sql("update customer_emails set email = 'eva@example.com' where customer_id = :id", id=eva)
    ana = harness.customer("shared@example.com")
    harness.sync()

    assert harness.contact(ana).id != harness.contact(eva).id
    assert harness.disagreements() == []


def test_whoever_unsubscribed_in_mautic_before_the_first_sync_stays_muted(harness: MauticHarness) -> None:
    ana = harness.customer("ana@example.com")
    harness.sync()
    contact_id = harness.contact(ana).id
    harness.simulator.unsubscribe(1, contact_id)
    harness.sql("delete from mautic_sync_status")
    harness.sql("insert into mautic_dirty (customer_id) values (:id)", id=ana)
    harness.simulator.forget_requests()

    harness.sync()

    assert harness.contact(ana).id == contact_id
    assert not harness.simulator.mailable(contact_id)
    assert harness.simulator.count("POST", "/dnc/") == 0, "only a recorded re-consent may ask for that"


def test_a_contact_reported_as_deleted_while_mautic_is_being_told_is_made_anew(
    harness: MauticHarness, database_url: str
) -> None:
    ana = harness.customer("ana@example.com")
    harness.sync()
    webhook = Database(database_url)
    forget = Query.parse("f", "test", "update mautic_sync_status set mautic_contact_id = null, sync_hash = null")
    note = Query.parse("n", "test", "insert into mautic_dirty (customer_id) values (:id)")

    class DeletedMeanwhile(Database):
        def run(self, query: Query, **values: object) -> list[dict[str, object]]:
            if query.name == "record_outcomes" and harness.contact(ana):
                harness.simulator.delete_contact(harness.contact(ana).id)
                webhook.run(forget)
                webhook.run(note, id=ana)
            return super().run(query, **values)  # type: ignore[arg-type]

    harness.set_profile(ana, first_name="Anna")
    harness.sync(db=DeletedMeanwhile(database_url), options=SyncOptions(pause_seconds=0, audit_sample=0))
    webhook.close()
    harness.sync()

    assert harness.contact(ana) is not None
    assert harness.disagreements() == []

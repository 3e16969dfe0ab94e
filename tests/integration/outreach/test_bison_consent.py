"""Who unsubscribes or bounces in outreach is suppressed everywhere, and who was erased is only counted."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from crm_relay.consent.erase import block_return
from crm_relay.consent.person import Person
from crm_relay.outreach import store
from crm_relay.outreach.deliveries.give_opt_outs import give_opt_outs
from crm_relay.outreach.erase import count_leads, erase_leads
from crm_relay.platform.database import Database
from tests.support.outreach.bison_events import AT, PERMANENT, TEMPORARY, address, counters, mail, mail_data
from tests.support.outreach.bison_webhook_function import (
    CONTOSO,
    NORTHWIND,
    TOKENS,
    configure,
    deliver,
    delivery,
    plant_workspaces,
    tables,
)
from tests.support.platform.rows import add_customer, one, rows_of

ELSEWHERE = UUID("33333333-3333-4333-8333-333333333333")
MUTED = "select dnc_reason from mautic_sync_source where customer_id = :id"
LEDGER = "select org_id, channel, address, kind, source, source_event, occurred_at from consent_events order by address"


@pytest.fixture(autouse=True)
def function(monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str) -> None:
    """Configured for this test's database; Contoso belongs to another organization than Northwind."""
    configure(monkeypatch, database_url)
    plant_workspaces(database)
    rows_of(database, "insert into organizations (id, name) values (:id, 'Other')", id=ELSEWHERE)
    rows_of(database, "update workspaces set org_id = :id where name = :name", id=ELSEWHERE, name=CONTOSO)


def muted(database: Database, customer: UUID) -> Any:
    return one(database, MUTED, id=customer)["dnc_reason"]


def test_an_unsubscribe_mutes_the_customer_with_that_address_in_mautic(database: Database) -> None:
    customer, other = add_customer(database, "Lead1@Example.ORG"), add_customer(database, address(2))
    assert muted(database, customer) is None
    deliver(mail("lead_unsubscribed", 1))
    (entry,) = rows_of(database, LEDGER)
    assert entry == {
        "org_id": one(database, "select org_id from workspaces where name = :name", name=NORTHWIND)["org_id"],
        "channel": "email",
        "address": address(1),
        "kind": "opt_out",
        "source": "bison",
        "source_event": "Northwind:lead_unsubscribed:campaign_event:1",
        "occurred_at": datetime.fromisoformat(AT),
    }
    profile = one(database, "select opted_out_at from customer_profiles where id = :id", id=customer)
    assert profile["opted_out_at"] == datetime.fromisoformat(AT)
    assert (muted(database, customer), muted(database, other)) == (1, None)
    assert rows_of(database, "select distinct customer_id from mautic_dirty") == [{"customer_id": customer}]


def test_an_unsubscribe_counts_in_the_organization_of_its_workspace(database: Database) -> None:
    customer = add_customer(database, address(1))
    deliver(mail("lead_unsubscribed", 1, workspace=CONTOSO), token=TOKENS[CONTOSO])
    assert [row["org_id"] for row in rows_of(database, LEDGER)] == [ELSEWHERE]
    assert muted(database, customer) is None
    rows_of(database, "update customer_profiles set org_id = :id", id=ELSEWHERE)
    assert muted(database, customer) == 1


def test_a_permanent_bounce_suppresses_in_its_own_organization_and_a_temporary_one_only_counts(
    database: Database,
) -> None:
    first, second, foreign = (add_customer(database, address(number)) for number in (1, 2, 1))
    rows_of(database, "update customer_profiles set org_id = :org where id = :id", org=ELSEWHERE, id=first)
    deliver(mail("email_bounced", 1, lead=1, text=PERMANENT, workspace=CONTOSO), token=TOKENS[CONTOSO])
    deliver(mail("email_bounced", 2, lead=2, text=TEMPORARY))
    assert [(row["address"], row["kind"]) for row in rows_of(database, LEDGER)] == [(address(1), "hard_bounce")]
    assert [muted(database, each) for each in (first, second, foreign)] == [2, None, None]
    assert counters(database) == counters(database, CONTOSO) == {"bounced_mtd": 1}
    assert one(database, "select count(opted_out_at)::integer as n from customer_profiles")["n"] == 0


def test_a_consent_that_followed_is_not_undone_by_what_arrives_late(database: Database) -> None:
    customer = add_customer(database, address(1))
    rows_of(
        database,
        """insert into consent_events (org_id, channel, address, kind, source, evidence, occurred_at)
           values (default_org_id(), 'email', :address, 'consent', 'operator', 'form 7', '2026-03-11T00:00Z')""",
        address=address(1),
    )
    deliver(mail("lead_unsubscribed", 1))
    assert muted(database, customer) is None


@pytest.mark.parametrize("email", [None, "", "no address", 7])
def test_the_opt_out_of_a_lead_without_an_address_is_counted_and_waits_for_one(database: Database, email: Any) -> None:
    data = mail_data("lead_unsubscribed", 1) | {"lead": {"id": 1, "email": email}}
    assert deliver(delivery("lead_unsubscribed", data))["events_processed"] == 1
    assert (counters(database), rows_of(database, LEDGER)) == ({"unsubscribed_mtd": 1}, [])
    assert give_opt_outs(database) == 0

    deliver(mail("lead_interested", 2, lead=1))
    assert give_opt_outs(database) == 1
    (entry,) = rows_of(database, LEDGER)
    assert (entry["address"], entry["kind"], entry["source"]) == (address(1), "opt_out", "bison")
    assert entry["occurred_at"] == datetime.fromisoformat(AT)
    assert give_opt_outs(database) == 0
    assert rows_of(database, "select from waiting_opt_outs") == []


def test_the_opt_out_of_a_known_lead_needs_no_address(database: Database) -> None:
    deliver(mail("lead_interested", 2, lead=1, workspace=CONTOSO), token=TOKENS[CONTOSO])
    data = mail_data("lead_unsubscribed", 1) | {"lead": {"id": 1}}
    deliver(delivery("lead_unsubscribed", data, workspace=CONTOSO), token=TOKENS[CONTOSO])
    assert [(row["org_id"], row["address"]) for row in rows_of(database, LEDGER)] == [(ELSEWHERE, address(1))]


def test_an_address_opts_out_without_a_leads_number(database: Database) -> None:
    data = mail_data("lead_unsubscribed", 1) | {"lead": {"email": "Ada@Example.com"}}
    deliver(delivery("lead_unsubscribed", data))
    assert [row["address"] for row in rows_of(database, LEDGER)] == ["ada@example.com"]


# --- erasure ----------------------------------------------------------------------------------------------------------


def forget(database: Database, *addresses: str) -> None:
    block_return(database, Person(addresses=frozenset(addresses)), datetime(2026, 3, 12, tzinfo=UTC))


def test_an_erasure_takes_the_lead_and_leaves_every_counter(database: Database) -> None:
    for number, kind in enumerate(
        ("email_sent", "lead_replied", "lead_interested", "email_bounced", "lead_unsubscribed")
    ):
        deliver(mail(kind, number, lead=1))
        deliver(mail(kind, 10 + number, lead=2))
    before = counters(database)
    lead = Person(addresses=frozenset([address(1)]))
    assert (count_leads(database, lead), erase_leads(database, lead)) == (1, 1)
    assert (count_leads(database, lead), erase_leads(database, lead)) == (0, 0)
    assert counters(database) == before
    assert store.metric_drift(database, "2026-03-01") == []
    assert [row["lead_id"] for row in tables(database)["client_leads"]] == [2]
    assert {row["lead_id"] for row in tables(database)["first_lines"]} == {None, 2}


def test_of_somebody_who_was_erased_only_the_number_of_events_is_kept(database: Database) -> None:
    forget(database, address(1))
    kept = rows_of(database, LEDGER)
    for number, kind in enumerate(
        ("email_sent", "lead_replied", "lead_interested", "email_bounced", "lead_unsubscribed")
    ):
        assert deliver(mail(kind, number, text=PERMANENT))["events_processed"] == 1
    assert set(counters(database).values()) == {1}
    assert len(counters(database)) == 5
    after = tables(database)
    assert (after["client_leads"], after["inbox_items"], rows_of(database, LEDGER)) == ([], [], kept)
    assert {row["lead_id"] for row in after["first_lines"]} == {None}
    everything = str(
        [rows_of(database, f"select * from {table}") for table in ("webhook_inbox", "webhook_delivery_log")]
    )
    assert address(1) not in everything


def test_a_reply_from_an_erased_address_to_somebody_elses_mail_is_not_kept(database: Database) -> None:
    forget(database, "una@example.net")
    data = mail_data("lead_replied", 1)
    data["reply"]["from_email_address"] = "Una@example.net"
    deliver(delivery("lead_replied", data))
    assert (tables(database)["inbox_items"], counters(database)) == ([], {"replies_mtd": 1})

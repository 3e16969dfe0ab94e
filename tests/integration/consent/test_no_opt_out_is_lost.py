"""Every opt-out of every source is in the ledger in the end, whatever comes first: event, person or number."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import pytest

from crm_relay.customers.contacts.directory import CONTACTS
from crm_relay.engagement.match_waiting import match_opt_outs, match_waiting
from crm_relay.mail.feedback.accept_answer import accept_answer
from crm_relay.mail.feedback.unsubscribe import UnsubscribeRequest
from crm_relay.outreach.deliveries.give_opt_outs import give_opt_outs
from crm_relay.platform.database import Database
from crm_relay.providers.email_events import ContactChanged, MailEvent, SuppressionAdded
from crm_relay.sources.all_sources import all_sources
from crm_relay.sources.bison import bison_source
from crm_relay.sources.mailchimp import MAILCHIMP
from crm_relay.sources.mautic import MAUTIC
from crm_relay.sources.resend import RESEND
from crm_relay.sources.unsubscribe import UNSUBSCRIBE
from crm_relay.webhooks.models import Delivered
from crm_relay.webhooks.receive import apply_once
from crm_relay.webhooks.source import Received
from local.simulators.mailchimp.api.hooks import body_of as hook_body
from tests.support.customers.mautic_hooks import delivery as mautic_delivery
from tests.support.customers.mautic_hooks import subscription
from tests.support.outreach.bison_events import mail, mail_data
from tests.support.outreach.bison_webhook_function import NORTHWIND, plant_workspaces
from tests.support.outreach.bison_webhook_function import delivery as bison_delivery
from tests.support.platform.rows import add_customer, one, rows_of

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
ADA, NUMBER, LEAD = "ada@example.com", "+61400111222", "lead1@example.org"
OTHER_ORG = UUID("00000000-0000-4000-8000-000000000002")
CUSTOMER, AUDIENCE = UUID(int=77), UUID(int=78)
Step = Callable[[Database], object]


def applied(database: Database, source: Any, body: bytes, parsed: Any = None, **more: Any) -> None:
    delivered = Delivered(source.name, body, AT, **more)
    apply_once(database, source, Received(delivered, parsed or source.parse(delivered)))


# --- what is reported, and what makes it known ------------------------------------------------------------------------


def left_in_mautic(channel: str, mobile: str | None = None, email: str = "", **named: str) -> Step:
    event = subscription(channel=channel, mobile=mobile, email=email, contact_id=5, **named)
    return lambda database: applied(database, MAUTIC, mautic_delivery(lead_channel_subscription_changed=[event]))


def left_in_outreach(**lead: Any) -> Step:
    body = bison_delivery("lead_unsubscribed", mail_data("lead_unsubscribed", 1) | {"lead": lead})
    return lambda database: applied(database, bison_source(""), body, workspace_name=NORTHWIND)


def left_at_resend(event: Any) -> Step:
    return lambda database: applied(database, RESEND, str(event).encode(), event, delivery_id="msg_1")


def left_by_link(database: Database) -> None:
    request = UnsubscribeRequest("token", only_topic=False, at=AT)
    applied(database, UNSUBSCRIBE, request.to_body(), request)


def left_in_mailchimp(database: Database) -> None:
    data = {"list_id": "a1", "email": "Ada@Example.com", "action": "unsub", "reason": "manual"}
    body = hook_body("unsubscribe", "2026-11-23 11:59:00", data)
    applied(database, MAILCHIMP, body, workspace_name=str(AUDIENCE))


def connect_audience(database: Database) -> None:
    rows_of(
        database,
        """insert into integration_connections (id, workspace_id, integration_type, settings)
           select :id, id, 'mailchimp', '{"list_id": "a1"}' from workspaces where name = :name""",
        id=AUDIENCE,
        name=NORTHWIND,
    )


def customer(database: Database) -> None:
    rows_of(database, "insert into organizations (id, name) values (:id, 'Other')", id=OTHER_ORG)
    rows_of(database, "insert into customer_profiles (id, org_id) values (:id, :org)", id=CUSTOMER, org=OTHER_ORG)


def link(database: Database) -> None:
    rows_of(database, "insert into mautic_sync_status (customer_id, mautic_contact_id) values (:id, 5)", id=CUSTOMER)


def number(database: Database) -> None:
    rows_of(database, "insert into customer_phones (customer_id, phone_e164) values (:id, :n)", id=CUSTOMER, n=NUMBER)


def email(database: Database) -> None:
    rows_of(database, "insert into customer_emails (customer_id, email) values (:id, 'Ada@Example.com')", id=CUSTOMER)


def lead(database: Database) -> None:
    applied(database, bison_source(""), mail("lead_interested", 2, lead=1), workspace_name=NORTHWIND)


def queued(database: Database) -> None:
    batch = uuid4()
    rows_of(
        database,
        "insert into email_batches (id, org_id, state, not_before) values (:id, default_org_id(), 'sending', now())",
        id=batch,
    )
    rows_of(
        database,
        """insert into email_sends (org_id, send_key, address, status, batch_id, position, unsubscribe_token)
           values (default_org_id(), 'k', :address, 'sending', :batch, 0, 'token')""",
        address=ADA,
        batch=batch,
    )


def accepted(database: Database) -> None:
    queued(database)
    batch = one(database, "select id, generation from email_batches")
    result = {"id": one(database, "select id from email_sends")["id"], "resend_id": "em_1", "problem": None}

    def work(tx: Any) -> None:
        answer = accept_answer(tx, batch["id"], batch["generation"], [result], AT, provider="resend")
        assert answer is not None
        tx.finish(answer.writes)

    database.transact(work)


@dataclass(frozen=True)
class OptOutCase:
    """`known_by` in this order where `ordered`; the report may come at any place among them."""

    source: str
    report: Step
    known_by: Sequence[Step]
    channel: str
    address: str
    org_id: UUID | None = None
    kind: str = "opt_out"
    ordered: bool = False


MAUTIC_PERSON = (customer, link, number, email)
COMPLAINT = MailEvent("complained", "em_1", AT, tags={}, recipients=("one@example.com", "two@example.com"))
DEPARTURES = {
    "a number without its country": OptOutCase(
        "mautic", left_in_mautic("sms", "0400 111 222"), MAUTIC_PERSON, "sms", NUMBER, OTHER_ORG
    ),
    "a whole number": OptOutCase("mautic", left_in_mautic("sms", NUMBER), MAUTIC_PERSON, "sms", NUMBER, OTHER_ORG),
    "no number": OptOutCase("mautic", left_in_mautic("sms"), MAUTIC_PERSON, "sms", NUMBER, OTHER_ORG),
    "a named customer": OptOutCase(
        "mautic", left_in_mautic("sms", supabase_id=str(CUSTOMER)), MAUTIC_PERSON, "sms", NUMBER, OTHER_ORG
    ),
    "an address": OptOutCase("mautic", left_in_mautic("email", email=ADA), MAUTIC_PERSON, "email", ADA, OTHER_ORG),
    "no address": OptOutCase("mautic", left_in_mautic("email"), MAUTIC_PERSON, "email", ADA, OTHER_ORG),
    "a lead with an address": OptOutCase("bison", left_in_outreach(id=1, email=LEAD), (lead,), "email", LEAD),
    "a lead without an address": OptOutCase("bison", left_in_outreach(id=1), (lead,), "email", LEAD),
    "an address that is no lead's": OptOutCase("bison", left_in_outreach(email=LEAD), (lead,), "email", LEAD),
    "a contact at the provider": OptOutCase(
        "resend", left_at_resend(ContactChanged(ADA, True, AT)), (customer, email), "email", ADA
    ),
    "a suppression at the provider": OptOutCase(
        "resend", left_at_resend(SuppressionAdded(ADA, "manual", AT)), (customer, email), "email", ADA
    ),
    "a complaint that names nobody": OptOutCase(
        "resend", left_at_resend(COMPLAINT), (accepted,), "email", ADA, kind="complaint"
    ),
    "a member of an audience": OptOutCase("mailchimp", left_in_mailchimp, (customer, email), "email", ADA),
    "a link": OptOutCase("unsubscribe", left_by_link, (queued,), "email", ADA, ordered=True),
}


def orders(departure: OptOutCase) -> list[tuple[Step, ...]]:
    """Every order that the world may have; a customer comes before what hangs on it."""
    if departure.ordered:
        return [(*departure.known_by, departure.report)]
    found = permutations((departure.report, *departure.known_by))
    return [order for order in found if customer not in order or _is_possible(order)]


def _is_possible(order: tuple[Step, ...]) -> bool:
    at = order.index(customer)
    return all(order.index(step) > at for step in (link, number, email) if step in order)


def looked_at_again(database: Database) -> None:
    """What the schedules do: mautic_sync every 15 minutes, bison_poll every 5."""
    match_waiting(database, CONTACTS)
    match_opt_outs(database, CONTACTS)
    give_opt_outs(database)


EMPTIED = """truncate
    webhook_inbox, customer_profiles, customer_email_engagement, consent_events, waiting_opt_outs,
    mautic_former_contacts, mautic_dirty, mautic_removals, client_leads, webhook_delivery_log,
    email_logs, email_sends, email_batches, topic_opt_outs cascade"""
IN_LEDGER = """select exists (
    select from consent_events
    where channel = :channel and address = :address and kind = :kind
        and org_id = coalesce(cast(:org as uuid), default_org_id())
) as is_there"""
WAITS = """select
    (select count(*) from waiting_opt_outs)
    + (select count(*) from customer_email_engagement where customer_id is null)
    + (select count(*) from email_logs where email_send_id is null)
    -- The stamp writes the ledger's line when the first address comes.
    + (select count(*) from customer_profiles where opted_out_at is not null) as rows"""


def is_in_ledger(database: Database, departure: OptOutCase) -> bool:
    words = {"channel": departure.channel, "address": departure.address, "kind": departure.kind}
    return bool(one(database, IN_LEDGER, **words, org=departure.org_id)["is_there"])


def test_every_source_is_here() -> None:
    assert {departure.source for departure in DEPARTURES.values()} == set(all_sources(""))


@pytest.mark.parametrize("name", DEPARTURES)
def test_an_opt_out_is_in_the_ledger_or_waits_and_is_in_the_ledger_in_the_end(database: Database, name: str) -> None:
    departure, chance = DEPARTURES[name], random.Random(name)
    plant_workspaces(database)
    connect_audience(database)
    for order in orders(departure):
        rows_of(database, EMPTIED)
        rows_of(database, "delete from organizations where id = :id", id=OTHER_ORG)
        said = [step.__name__ for step in order]
        for place, step in enumerate(order):
            step(database)
            if place >= order.index(departure.report):
                waits = one(database, WAITS)["rows"] > 0
                assert is_in_ledger(database, departure) or waits, (said, place)
            if chance.random() < 0.5:
                looked_at_again(database)
        looked_at_again(database)
        assert is_in_ledger(database, departure), said
        assert rows_of(database, "select from waiting_opt_outs") == [], said


def test_the_same_customer_is_planted_by_the_support(database: Database) -> None:
    """The steps above write what `add_customer` writes, piece by piece."""
    who = add_customer(database, ADA, contact_id=5)
    assert rows_of(database, "select customer_id from mautic_sync_status") == [{"customer_id": who}]

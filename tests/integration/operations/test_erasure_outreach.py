"""An erasure reaches who is nothing but a lead of cold outreach, and leaves every count as it was."""

import json

import pytest

from crm_relay.consent.person import Person
from crm_relay.operations.erase import erase, preview
from crm_relay.operations.explain import explain_person
from crm_relay.platform.aws import queue
from crm_relay.platform.database import Row
from crm_relay.providers.bison import webhook
from crm_relay.sources.bison import redact
from tests.faults.conftest import aws, aws_environment
from tests.support.customers.mautic_harness import MauticHarness
from tests.support.operations.planted_lead import KINDS, WORKSPACE, arrive, body_of, event_of, plant_lead
from tests.support.operations.planted_person import ADA, AT, BEA, Places, erasure, traces
from tests.support.outreach.bison_deliveries import ENVELOPES
from tests.support.platform.rows import rows_of

__all__ = ["aws", "aws_environment"]


@pytest.fixture
def places(aws_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Places:
    """An empty AWS, of one server that answers at once."""
    monkeypatch.setattr(queue, "_LOOK_SECONDS", 0)
    return Places.fresh(aws_environment)


def counted(harness: MauticHarness) -> list[Row]:
    columns = "emails_sent_mtd, replies_mtd, positive_replies_mtd, bounced_mtd, unsubscribed_mtd"
    return rows_of(harness.db, f"select workspace_name, month, {columns} from client_metrics order by month")


def known_by(address: str, *contact_ids: int) -> Person:
    return Person(addresses=frozenset({address.lower()}), contact_ids=frozenset(contact_ids))


def test_a_lead_is_erased_everywhere_and_another_one_stays(harness: MauticHarness, places: Places) -> None:
    plant_lead(harness.db, places, ADA, lead_id=9)
    plant_lead(harness.db, places, BEA, lead_id=8)
    of_bea, before = sorted(traces(harness, places, BEA)), counted(harness)
    assert traces(harness, places, ADA)

    seen = preview(erasure(harness, places), ADA.address)
    receipt = erase(erasure(harness, places), ADA.address)

    assert (seen.rows["client_leads"], seen.rows["inbox_items"]) == (1, 2)
    assert (receipt.unreached, receipt.left) == ({}, {})
    assert (receipt.reached["client_leads"], receipt.reached["inbox_items"]) == (1, 2)
    assert traces(harness, places, ADA) == []
    assert sorted(traces(harness, places, BEA)) == of_bea
    assert counted(harness) == before
    again = erase(erasure(harness, places), ADA.address)
    assert (again.is_complete, again.reached["client_leads"], again.reached["webhook_inbox"]["redacted"]) == (
        True,
        0,
        0,
    )


def test_what_comes_after_an_erasure_is_counted_and_not_kept(harness: MauticHarness, places: Places) -> None:
    erase(erasure(harness, places), ADA.address)

    for place, kind in enumerate(KINDS):
        arrive(harness.db, body_of(kind, event_of(ADA, kind, number=place + 1, lead_id=9)))

    assert traces(harness, places, ADA) == []
    assert [tuple(row.values())[2:] for row in counted(harness)] == [(1, 1, 1, 1, 1)]


@pytest.mark.parametrize("envelope", ENVELOPES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_left_of_a_delivery_is_the_same_event_of_nobody(
    harness: MauticHarness, kind: str, envelope: str
) -> None:
    body = body_of(kind, event_of(ADA, kind, number=77, lead_id=9), envelope)
    person = known_by(ADA.address)

    left = redact(body.decode(), person)

    assert left is not None
    assert not any(text in left.lower() for text in ADA.texts)
    assert redact(left, person) is None
    event, whole = (webhook.parse(each, now=AT) for each in (left.encode(), body))
    assert event.event is not None
    assert whole.event is not None
    assert (event.event.key, event.event.kind) == (whole.event.key, whole.event.kind)
    assert (event.workspace_id, event.instance_host, event.event.lead) == (17, "send.example.com", None)


def test_a_delivery_that_waits_is_still_counted_once(harness: MauticHarness) -> None:
    body = body_of("lead_replied", event_of(ADA, "lead_replied", number=5, lead_id=9), "data.payload.event")
    left = redact(body.decode(), known_by(ADA.address))
    assert left is not None

    arrive(harness.db, left.encode())
    arrive(harness.db, body)

    assert [row["replies_mtd"] for row in counted(harness)] == [1]


def test_a_contact_id_of_mautics_means_nobody_in_cold_outreach(harness: MauticHarness) -> None:
    customer = harness.customer(ADA.address)
    harness.sync()
    contact = harness.contact(customer).id
    other = body_of("lead_replied", event_of(BEA, "lead_replied", number=5, lead_id=contact)).decode()

    person = known_by(ADA.address, contact)

    assert redact(other, person) is None


def test_why_tells_of_a_lead_and_of_replies_without_their_content(harness: MauticHarness, places: Places) -> None:
    plant_lead(harness.db, places, ADA, lead_id=9)

    known = explain_person(harness.db, ADA.address, harness.now)

    (lead,) = known.outreach.leads
    assert (lead["workspace_name"], lead["lead_id"], lead["lead_status"]) == (WORKSPACE, 9, "unsubscribed")
    assert len(known.outreach.replies) == 2
    assert known.is_anything
    assert not any(text in json.dumps(vars(known.outreach), default=str).lower() for text in ADA.texts)
    assert {delivery["source"] for delivery in known.inbox.deliveries} == {"bison"}
    assert explain_person(harness.db, BEA.address, harness.now).outreach.leads == []

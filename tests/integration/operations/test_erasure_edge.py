"""An erasure reaches the edge: what waits there, the copies that are kept there, and what was kept of conflicts."""

import json
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from crm_relay.edge_cache.keys import ENTITIES
from crm_relay.edge_cache.record_email import record_email
from crm_relay.edge_cache.replication.push_edits import Push
from crm_relay.edge_cache.replication.replicate import Replication
from crm_relay.operations.erase import ErasureScope, erase, preview
from crm_relay.platform.aws import queue
from crm_relay.platform.clock import Deadline
from tests.faults.conftest import aws, aws_environment
from tests.support.customers.mautic_harness import MauticHarness
from tests.support.edge_cache.edge_twin import EdgeTwin
from tests.support.operations.planted_person import ADA, BEA, Places, erasure
from tests.support.platform.rows import rows_of

__all__ = ["aws", "aws_environment"]

KNOWN, UNKNOWN = UUID(int=1), UUID(int=2)


@pytest.fixture
def reach(harness: MauticHarness, aws_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> ErasureScope:
    """Everything that an erasure goes to, with a cache at the edge."""
    monkeypatch.setattr(queue, "_LOOK_SECONDS", 0)
    return replace(erasure(harness, Places.fresh(aws_environment)), edge=EdgeTwin())


def plant(harness: MauticHarness, reach: ErasureScope) -> None:
    """A prospect each, replicated; and a mail to Ada that PostgreSQL has not seen yet."""
    for number, who in ((KNOWN, ADA), (UUID(int=9), BEA)):
        rows_of(
            harness.db,
            "insert into prospects (id, name, contact_name, contact_email) values (:id, 'Example', :name, :address)",
            id=number,
            name=f"{who.first} {who.last}",
            address=who.address,
        )
    assert reach.edge is not None
    Replication(harness.db, reach.edge, reach.run.now, Deadline.after(60)).run()
    mail = {"id": str(UNKNOWN), "to_email": ADA.address, "subject": "Hello", "body": f"Dear {ADA.first}"}
    record_email(reach.edge, mail, reach.run.now() + timedelta(seconds=1))


def is_at_the_edge(reach: ErasureScope, address: str) -> bool:
    """As a whole value: one planted address ends like the other."""
    assert reach.edge is not None
    pages = [page for entity in ENTITIES for page in reach.edge.every_item(entity)]
    return any(f'"{address}"'.lower() in str(item.doc).lower() for page in pages for item in page)


def test_nothing_of_the_person_stays_at_the_edge_and_nobody_else_goes(
    harness: MauticHarness, reach: ErasureScope
) -> None:
    plant(harness, reach)
    assert is_at_the_edge(reach, ADA.address)

    receipt = erase(reach, ADA.address)

    assert (receipt.unreached, receipt.left) == ({}, {})
    assert receipt.reached["edge, brought in"] == 1
    assert not is_at_the_edge(reach, ADA.address)
    assert is_at_the_edge(reach, BEA.address)


def test_a_conflict_keeps_who_won_and_nothing_of_the_person(harness: MauticHarness, reach: ErasureScope) -> None:
    rows_of(
        harness.db,
        """insert into edge_conflicts (entity, row_id, postgres_doc, edge_doc, winner, rule)
           values ('prospects', gen_random_uuid(), :doc, :doc, 'edge', 'the edge wrote last')""",
        doc=json.dumps({"contact_email": ADA.address.upper()}),
    )
    assert preview(reach, ADA.address).rows["edge_conflicts"] == 1
    assert erase(reach, ADA.address).reached["edge_conflicts"] == 1
    (row,) = rows_of(harness.db, "select postgres_doc, edge_doc, winner from edge_conflicts")
    assert row == {"postgres_doc": None, "edge_doc": None, "winner": "edge"}


def test_an_edge_that_is_away_leaves_the_erasure_to_be_repeated(harness: MauticHarness, reach: ErasureScope) -> None:
    plant(harness, reach)

    receipt = erase(replace(reach, run=replace(reach.run, deadline=Deadline.after(0))), ADA.address)

    assert "edge, brought in" in receipt.unreached
    assert not receipt.is_complete
    assert erase(reach, ADA.address).is_complete
    assert not is_at_the_edge(reach, ADA.address)


def test_a_mail_that_an_edge_worker_records_later_is_counted_and_not_kept(
    harness: MauticHarness, reach: ErasureScope
) -> None:
    assert reach.edge is not None
    erase(reach, ADA.address)
    mail = {"id": str(UNKNOWN), "to_email": ADA.address, "subject": "Hello", "status": "sent"}
    record_email(reach.edge, mail, reach.run.now() + timedelta(seconds=1))

    Push(harness.db, reach.edge, reach.run.now, Deadline.after(60)).run()

    (row,) = rows_of(harness.db, "select to_email, subject, status from emails")
    assert row == {"to_email": None, "subject": None, "status": "sent"}
    assert not is_at_the_edge(reach, ADA.address)
